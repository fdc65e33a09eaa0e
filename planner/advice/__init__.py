"""Advice: what runs here, what to buy, what it costs."""
