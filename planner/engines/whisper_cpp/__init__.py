"""whisper.cpp: speech to text."""
