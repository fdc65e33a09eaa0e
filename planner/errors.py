"""Errors that a person can mend: one clear line each, never a traceback."""

from __future__ import annotations

import re

from planner.reason import Reason


class PlannerError(Exception):
    """Base of the planner's own errors. The message is one line: what, where, how to mend it.

    `reason` says the same to programs, where there is one: its kind and its figures.
    """

    def __init__(self, message: str | Reason, reason: Reason | None = None) -> None:
        super().__init__(str(message))
        self.reason = message if isinstance(message, Reason) else reason


class InputError(PlannerError):
    """Bad usage or bad input: an unknown name, a damaged file, an impossible number (exit code 2)."""


class FieldError(InputError):
    """A value that cannot be. The field is named apart: the command line says the option of that name instead."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class UnfitError(PlannerError):
    """A model does not fit where it was meant to run (exit code 1); `model` is its id."""

    def __init__(self, message: str, model: str) -> None:
        super().__init__(message)
        self.model = model


class UnsupportedError(PlannerError):
    """A model, quantisation or engine combination that the planner has no rules for (exit code 2)."""


class RefusedError(PlannerError):
    """The engine itself would refuse these settings, or a licence is not what was asked for: the message says why (exit
    code 1).
    """


def check_range(value: object, field: str, low: float, high: float) -> None:
    """Raise FieldError where a value is no number from `low` to `high`; None is a value that wasn't given."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(field, f"{value!r} must be a number from {low:g} to {high:g}")
    if not low <= value <= high:
        raise FieldError(field, f"{value:g} must lie between {low:g} and {high:g}")


def cause_of(error: BaseException) -> str:
    """Return what went wrong in the system's own words, without its number: "Connection refused"."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    if isinstance(cause, UnicodeDecodeError):
        return "not UTF-8 text"
    text = getattr(cause, "strerror", None) or str(inner or cause) or type(cause).__name__
    return re.sub(r"\[Errno -?\d+\] ", "", text.splitlines()[0])
