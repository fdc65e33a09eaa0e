"""Clients: what an editor, an agent or a chat needs to know of the server that a plan starts."""
