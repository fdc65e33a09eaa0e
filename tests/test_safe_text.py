"""What is rendered for a format is read back by that format's own parser as the one value that it was."""

from __future__ import annotations

import html.parser
import json
import re
import shlex
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings

from planner import safe_text
from planner.errors import InputError
from planner.launching.yaml_text import to_yaml
from tests.hostile_text import NAMES, texts, words
from tests.modelfile import parse_modelfile


def is_utf8(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


@given(texts)
@example("\x1b[31m\x9b\u202e")
def test_what_reaches_a_terminal_is_printable(text: str) -> None:
    assert safe_text.one_line(text).isprintable()
    assert len(safe_text.one_line(text)) == len(text)
    assert safe_text.one_line(text, 10).isprintable() and len(safe_text.one_line(text, 10)) <= 10
    lines = safe_text.terminal(text)
    assert lines.replace("\n", "").replace("\t", "").isprintable() and lines.count("\n") == text.count("\n")
    assert safe_text.shown(text).isprintable()


def test_printable_text_stays_as_it_is() -> None:
    for name in NAMES[:21]:
        assert safe_text.one_line(name) == safe_text.terminal(name) == name


def bash_reads(script: str, shell: str = "bash") -> list[bytes]:
    """The arguments that a shell hands on for one line of words."""
    raw = b"printf '%s\\0' " + script.encode("utf-8", "surrogateescape")
    done = subprocess.run([shell], input=raw, capture_output=True, check=True, timeout=20)
    return done.stdout.split(b"\0")[:-1]


def as_bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_reads_each_hostile_name_as_one_word(shell: str) -> None:
    assert bash_reads(safe_text.shell_join(NAMES), shell) == [as_bytes(n) for n in NAMES]


@settings(max_examples=40, deadline=None)
@given(words, words)
def test_a_shell_reads_any_name_as_one_word(first: str, second: str) -> None:
    wanted = [as_bytes(first), as_bytes(second)]
    assert bash_reads(safe_text.shell_join([first, second])) == wanted
    shown = safe_text.shell_shown([first, second])
    assert bash_reads(shown) == wanted
    assert shown.replace("\n", "").isprintable()
    assert shlex.split(safe_text.shell_join([first, second])) == [first, second]


def test_a_nul_is_refused_where_nothing_can_hold_it() -> None:
    for write in (safe_text.shell_word, safe_text.systemd_word):
        with pytest.raises(InputError, match="NUL") as caught:
            write("a\0b")
        assert str(caught.value).isprintable()


@given(texts)
def test_a_comment_of_a_script_stays_one_line(text: str) -> None:
    assert safe_text.shell_comment(text).isprintable()


@settings(max_examples=200, deadline=None)
@given(texts)
@example("\U0001f916\x85\u2028\x7f")
def test_yaml_reads_the_string_back(text: str) -> None:
    if not is_utf8(text):
        with pytest.raises(InputError, match="not UTF-8"):
            to_yaml({"key": text})
        return
    written = to_yaml({"key": text, "list": [text]}, safe_text.one_line(text))
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        assert yaml.load(written, Loader=loader) == {"key": text, "list": [text]}


@settings(max_examples=300, deadline=None)
@given(texts)
def test_toml_reads_the_string_back(text: str) -> None:
    if not is_utf8(text):
        with pytest.raises(InputError, match="not UTF-8"):
            safe_text.toml_string(text)
        return
    assert tomllib.loads(f"key = {safe_text.toml_string(text)}\n") == {"key": text}


@given(texts)
def test_json_reads_the_string_back_and_prints_nothing_that_a_terminal_acts_on(text: str) -> None:
    document = json.dumps({text: [text]}, ensure_ascii=False, indent=2)
    written = safe_text.json_text(document)
    assert written.replace("\n", "").isprintable()
    # Two halves that meet become the character that they stand for, as in any JSON.
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert json.loads(written) in ({text: [text]}, {joined: [joined]})


def unit_reads(line: str) -> list[bytes]:
    """Words as systemd reads them (systemd.syntax(7), systemd.service(5)): quotes, C-like escapes, %% and $$."""
    found: list[bytes] = []
    raw = line.encode("utf-8")
    at = 0
    while at < len(raw):
        assert raw[at : at + 1] == b'"'
        at += 1
        word = b""
        while raw[at : at + 1] != b'"':
            if raw[at : at + 2] in (b'\\"', b"\\\\"):
                word, at = word + raw[at + 1 : at + 2], at + 2
            elif raw[at : at + 2] == b"\\x":
                word, at = word + bytes([int(raw[at + 2 : at + 4], 16)]), at + 4
            elif raw[at : at + 2] in (b"%%", b"$$"):
                word, at = word + raw[at : at + 1], at + 2
            else:
                assert raw[at : at + 1] not in (b"\\", b"%", b"$")
                word, at = word + raw[at : at + 1], at + 1
        found.append(word)
        at += 2  # the quote, and the blank after it
    return found


@settings(max_examples=200)
@given(words, words)
def test_a_unit_reads_any_name_as_one_word(first: str, second: str) -> None:
    line = f"{safe_text.systemd_word(first)} {safe_text.systemd_word(second)}"
    assert line.isprintable()
    assert unit_reads(line) == [as_bytes(first), as_bytes(second)]


@given(texts)
def test_the_text_of_a_unit_stays_on_its_line(text: str) -> None:
    written = safe_text.systemd_text(text)
    assert written.isprintable() and not written.endswith("\\") and "%" not in written.replace("%%", "")


@settings(max_examples=300)
@given(words)
@example("x\nSYSTEM evil")
@example(' "')
def test_a_modelfile_reads_the_value_back_or_it_is_refused(text: str) -> None:
    path = "/models/" + text
    for value in (path, text):
        try:
            written = safe_text.modelfile_value(value)
        except InputError as error:
            assert str(error).isprintable()
            assert not value.isprintable() or value.startswith('"')
            continue
        if value.strip():
            assert parse_modelfile(f"FROM {written}\nPARAMETER num_ctx 1\n") == [
                ("model", value),
                ("num_ctx", "1"),
            ]


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[Any] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(texts)
def test_a_page_shows_the_text_and_no_tag_of_it(text: str) -> None:
    page = _Page()
    page.feed(f'<p title="{safe_text.html(text)}">{safe_text.html(text)}</p>')
    page.close()
    assert page.tags == [("p", [("title", safe_text.terminal(text))])]
    assert page.text == safe_text.terminal(text)


@given(texts)
def test_a_cell_of_markdown_stays_a_cell_without_markup(text: str) -> None:
    written = safe_text.markdown(text)
    assert written.isprintable()
    bare = written
    for escaped in ("\\\\", *(f"\\{c}" for c in "`*_[]<>#|~")):
        bare = bare.replace(escaped, "x")
    bare = re.sub(r"(?<=[^\W_])_(?=[^\W_])", "", bare)
    assert not set(bare) & set("\\`*_[]<>#|~")
