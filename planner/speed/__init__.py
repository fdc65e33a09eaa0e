"""Speed: decode, prefill and time to first token, with intervals."""
