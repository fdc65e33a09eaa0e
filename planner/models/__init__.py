"""Models: the Architecture and everything that yields one."""
