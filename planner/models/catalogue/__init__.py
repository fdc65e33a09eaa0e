"""The catalogue: cards, licences, scores, and its index."""
