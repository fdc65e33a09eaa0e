"""Hardware: machines, their detection and their profiles."""
