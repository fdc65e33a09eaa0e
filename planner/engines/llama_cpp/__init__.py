"""llama.cpp: what it allocates, its settings, and the best placement."""
