"""MLX: its command lines and what its messages mean; it has no memory rules here yet."""
