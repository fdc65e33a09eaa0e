"""Licences: what one may and must do, in plain words. A help for choosing, not legal advice.

Classes: "permissive" (any use, little to do), "commercial" (commercial use is granted, under conditions),
"restricted" (commercial use only up to a limit or after asking), "research" (no commercial use).
"Open weight" is not open source: only Apache-2.0, MIT and the like satisfy its definition.
"""

from __future__ import annotations

from typing import Final

from planner.models.catalogue.licence_terms import LICENCES, Licence

DISCLAIMER: Final = "A summary to help you choose, not legal advice: read the licence itself."
# --license VALUE -> the classes that it admits; None admits all
ADMITS: Final[dict[str, frozenset[str] | None]] = {
    "permissive": frozenset({"permissive"}),
    "commercial": frozenset({"permissive", "commercial"}),
    "any": None,
}
_BY_NAME: Final = {licence.name.lower(): licence for licence in LICENCES}
UNKNOWN: Final = Licence(
    "unknown",
    "restricted",
    (),
    ("find and read the licence before you use it: it is not known here",),
    certain=False,
)


def find_licence(name: str) -> Licence:
    """Return what is known of a licence; UNKNOWN (class "restricted") for a name that is not known."""
    return _BY_NAME.get(name.strip().lower(), UNKNOWN)


def licence_class(name: str) -> str:
    """Return the class of a licence by name."""
    return find_licence(name).kind


def admits(wanted: str, kind: str) -> bool:
    """True where `--license WANTED` (permissive, commercial or any) admits a licence of this class."""
    allowed = ADMITS[wanted]
    return allowed is None or kind in allowed


def explain(name: str, note: str = "", link: str = "") -> list[str]:
    """Say in plain words what one may and must do under a licence, one line each, with the link last."""
    licence = find_licence(name)
    lines = [f"You may {text}." for text in licence.may]
    lines += [f"You must {text}." for text in licence.must]
    lines += [f"You may not {text}." for text in licence.must_not]
    if note:
        lines.append(f"Of this model: {note}.")
    lines.append(
        "This is an open-source licence."
        if licence.open_source
        else "The weights are open, but this is not an open-source licence."
    )
    if not licence.certain:
        lines.append("The licence text itself was not read; these terms come from secondary sources.")
    if link:
        lines.append(f"Text: {link}")
    lines.append(DISCLAIMER)
    return lines
