"""What a model does beside others in one set-up."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The part that a model plays; decides the context that it needs, and how an engine serves it."""

    CHAT = "chat"
    COMPLETION = "completion"  # of code, while it is typed
    EMBEDDING = "embedding"
    RERANKER = "reranker"
    CLASSIFIER = "classifier"
    SPEECH = "speech"  # speech to text

    @property
    def writes(self) -> bool:
        """True for a model that answers in text of its own, token by token."""
        return self in (Role.CHAT, Role.COMPLETION)
