"""Errors that a person can mend: one clear line each, never a traceback."""

from __future__ import annotations

import re


class PlannerError(Exception):
    """Base of the planner's own errors. The message is one line: what, where, how to mend it."""


class InputError(PlannerError):
    """Bad usage or bad input: an unknown name, a damaged file, an impossible number (exit code 2)."""


class UnsupportedError(PlannerError):
    """A model, quantisation or engine combination that the planner has no rules for (exit code 2)."""


class RefusedError(PlannerError):
    """The engine itself would refuse these settings; the message gives its reason (exit code 1)."""


def cause_of(error: BaseException) -> str:
    """Return what went wrong in the system's own words, without its number: "Connection refused"."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    if isinstance(cause, UnicodeDecodeError):
        return "not UTF-8 text"
    text = getattr(cause, "strerror", None) or str(inner or cause) or type(cause).__name__
    return re.sub(r"\[Errno -?\d+\] ", "", text.splitlines()[0])
