"""The same answers as tools for agents, over stdio (Model Context Protocol)."""
