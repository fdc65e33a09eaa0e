"""The page and its API, served on the machine itself, or exported as a site that computes in the browser."""
