"""Ollama: llama.cpp with Ollama's defaults and its own choice of layers."""
