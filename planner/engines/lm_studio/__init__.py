"""LM Studio: what its messages mean."""
