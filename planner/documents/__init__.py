"""What --json prints: one definition a document."""
