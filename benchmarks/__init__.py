"""Benchmarks: accuracy against measured cases, and the speed of the planner itself."""
