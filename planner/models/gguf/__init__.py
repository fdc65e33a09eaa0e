"""GGUF headers read into an Architecture."""
