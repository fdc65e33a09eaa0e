"""The page and its API, served on the machine itself."""
