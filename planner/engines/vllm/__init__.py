"""vLLM: memory budget, pages, settings and what it refuses."""
