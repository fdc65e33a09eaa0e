"""MLX: mlx-lm's memory rules, its command lines, and what its messages mean (0.32.2)."""
