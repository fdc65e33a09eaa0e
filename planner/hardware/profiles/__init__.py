"""Hardware profiles: read, searched, put together, exported."""
