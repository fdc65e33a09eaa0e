"""Text from outside made safe for the place where it is written: a terminal, a script, a unit, a page.

A model's, file's or device's name comes from strangers. Each format has one function here, and whoever writes
that format calls it: `shell_word`, `check_utf8` (YAML, whose strings PyYAML writes), `toml_string`,
`systemd_word`, `modelfile_value`, `markdown`, `html`, `terminal`, `json_text`, and `one_line` for a comment. Text
that a format cannot hold is refused with one line (InputError), never written as something else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

from planner.errors import InputError

# Everything that a terminal may act on or that hides what is written: controls (C0, DEL, C1), marks that turn
# the direction of writing, zero-width characters, halves of surrogate pairs (names that are not UTF-8),
# private and unassigned characters. str.isprintable says just that, and of blanks allows the space only.
_MARKS: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
# An underscore inside a word (Q4_K_M) is one; any other would begin or end emphasis.
_MARKDOWN: Final = re.compile(r"([\\`*\[\]<>#|~]|(?<![^\W_])_|_(?![^\W_]))")
_TOML_NAMES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def one_line(text: str, most: int | None = None) -> str:
    """Return text as one line that a terminal prints and does not act on: every other character is a space.

    With `most`, a longer text is cut there and ends in "…". For comments, descriptions and messages, where the
    text is only read.
    """
    clean = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


def terminal(text: str) -> str:
    """Return text of several lines for a terminal: line breaks and tabs stay, all else as in `one_line`."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def check_name(text: str, what: str) -> str:
    """Return a name that is one printable line of Unicode text; InputError for any other.

    For formats in which nothing else can be written, such as a line of a Modelfile.
    """
    if not text.isprintable():
        raise InputError(
            f"{what} {shown(text)} holds characters that cannot be written there "
            "(a line break, a control character, or a name that is not UTF-8); rename it"
        )
    return text


def shown(text: str) -> str:
    """Return text in quotes for a message: what is not printable as escapes, 120 characters at most."""
    body = "".join(c if c.isprintable() and c not in "'\\" else _python_escape(c) for c in text[:120])
    return f"'{body}'" + ("…" if len(text) > 120 else "")


def _python_escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii") if char != "'" else "\\'"


def shell_word(word: str) -> str:
    """Return one word of a POSIX shell's command line (POSIX 2.2.2: all is literal between single quotes).

    InputError for a NUL, which no argument can hold.
    """
    if "\0" in word:
        raise InputError(f"{shown(word)} holds a NUL: no command can be given it")
    return shlex.quote(word)


def shell_join(words: Iterable[str]) -> str:
    """Return words as one command of a POSIX shell."""
    return " ".join(shell_word(word) for word in words)


def shell_comment(text: str) -> str:
    """Return a comment line of a script."""
    return f"# {one_line(text)}"


def shell_shown(words: Iterable[str]) -> str:
    """Return words as a command to be read on a terminal and pasted into a shell (bash, zsh, ksh).

    As `shell_join`, and a word with characters that a terminal would act on is written $'…' with escapes.
    """
    return " ".join(_dollar_quoted(word) if _acts(word) else shell_word(word) for word in words)


def _acts(word: str) -> bool:
    return not word.replace("\n", "").isprintable()


def _dollar_quoted(word: str) -> str:
    out = []
    for char in word:
        if char in "'\\":
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char.isprintable():
            out.append(char)
        else:
            # Octal, three digits: a hexadecimal escape would take in a digit that follows.
            out += [f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape")]
    return "$'" + "".join(out) + "'"


def toml_string(text: str) -> str:
    """Return a basic string of TOML 1.0. InputError for a name that is not UTF-8."""
    check_utf8(text, "TOML")
    return '"' + "".join(_TOML_NAMES.get(c) or (c if c.isprintable() else _wide(c)) for c in text) + '"'


def _wide(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def check_utf8(text: str, where: str) -> str:
    """Return text that is whole characters; InputError for a file's name that is not UTF-8 (`where`: the format)."""
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise InputError(f"{shown(text)} is not UTF-8: {where} cannot hold it; rename it")
    return text


def systemd_word(word: str, *, command: bool = True) -> str:
    """Return one word of a unit file (systemd.syntax(7), systemd.service(5)), in double quotes.

    Specifiers (`%`) and, in a command, variables (`$`) are doubled; what is not printable is written byte by
    byte, so a name that is not UTF-8 stays what it is. InputError for a NUL.
    """
    if "\0" in word:
        raise InputError(f"{shown(word)} holds a NUL: no command can be given it")
    out = []
    for char in word:
        if char in ('"', "\\"):
            out.append(f"\\{char}")
        elif char == "%":
            out.append("%%")
        elif char == "$" and command:
            out.append("$$")
        elif char.isprintable():
            out.append(char)
        else:
            out += [f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")]
    return f'"{"".join(out)}"'


def systemd_text(text: str) -> str:
    """Return the value of a unit's setting that is only read, such as Description=."""
    # A backslash at the end of a line joins the next line to it.
    return one_line(text).replace("%", "%%").rstrip("\\")


def modelfile_value(text: str) -> str:
    """Return a value of an Ollama Modelfile's line (Ollama, parser/parser.go: quote, unquote).

    The parser knows no escapes: quotes keep blanks at the ends, and a value that holds a line break or begins
    with a quote cannot be written so that it is read back. InputError for those.
    """
    check_name(text, "for a Modelfile,")
    if text.startswith('"'):
        raise InputError(f"{shown(text)} begins with a quote: a Modelfile cannot hold it; rename it")
    return f'"{text}"' if text != text.strip() else text


def markdown(text: str) -> str:
    """Return text for a cell or a paragraph of Markdown: nothing in it is markup, a link or HTML."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def html(text: str) -> str:
    """Return text for the content or a quoted attribute of HTML; a line break stays one."""
    return terminal(text).translate(_MARKS)


def json_text(document: str) -> str:
    """Return JSON in which what a terminal acts on, and half a surrogate pair, is written as an escape.

    `document` is JSON already: outside of strings it holds printable ASCII and line breaks only.
    """
    if document.replace("\n", "").isprintable():
        return document
    return "".join(c if c.isprintable() or c == "\n" else _json_escape(c) for c in document)


def _json_escape(char: str) -> str:
    raw = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[i]:02x}{raw[i + 1]:02x}" for i in range(0, len(raw), 2))


def commands(text: str) -> list[list[str]]:
    """Split lines of shell commands into words; a quoted newline does not end a command."""
    steps: list[list[str]] = []
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        try:
            words = shlex.split(pending)
        except ValueError:  # a quote is still open
            continue
        if words:
            steps.append(words)
        pending = ""
    return steps
