"""What runs best here, over the whole catalogue."""
