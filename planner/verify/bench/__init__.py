"""Measuring speed: what a running server does with prompts of ours, through its OpenAI-compatible pages."""
