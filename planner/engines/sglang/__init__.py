"""SGLang: its command for plans made by vLLM's rules; it has no memory rules of its own here."""
