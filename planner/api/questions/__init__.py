"""Questions of strangers as plain values: what the page, the local server and agents' tools ask, and its documents."""
