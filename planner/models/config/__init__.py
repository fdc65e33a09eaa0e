"""A config.json read into an Architecture."""
