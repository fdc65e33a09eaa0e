"""Ratings of the catalogue's models: a factor model over published benchmarks, and how well it predicts."""
