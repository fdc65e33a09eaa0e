"""Hugging Face's hub: repositories, files, ranges of files, and the cache."""
