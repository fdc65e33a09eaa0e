"""Engines: one module an engine: its memory rules, settings and command line."""
