"""Model families: how each one's config.json becomes layer groups."""
