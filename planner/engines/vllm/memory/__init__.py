"""What vLLM holds on each GPU: weights, pages of the KV cache, and the rest of its budget."""
