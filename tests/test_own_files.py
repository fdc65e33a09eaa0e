"""The planner's own files: no home, a full disk, links, and many who write at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from planner import own_files
from planner.errors import InputError


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(_: int) -> None:
        raise KeyError("no such user")

    import pwd

    monkeypatch.setattr(pwd, "getpwuid", nobody)


def test_without_a_home_there_is_no_folder(homeless: None) -> None:
    assert own_files.cache_dir() is own_files.state_dir() is own_files.config_dir() is None
    with pytest.raises(InputError, match="nobody's home folder"):
        own_files.expanded("~/x.gguf")


def test_a_home_that_nobody_has() -> None:
    with pytest.raises(InputError, match="nobody's home folder") as caught:
        own_files.expanded("~nobody\x1b[31m-xx/x.gguf")
    assert str(caught.value).isprintable()


def test_a_relative_folder_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    folder = own_files.cache_dir()
    assert folder is not None and folder.is_relative_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert own_files.cache_dir() == Path("/there/planner")


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    own_files.write_whole(path, "one")
    assert path.read_text() == "one" and path.stat().st_mode & 0o777 == 0o600
    own_files.write_whole(path, "two \udcff")
    assert path.read_text() == "two \\udcff"
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]
    with pytest.raises(OSError):
        own_files.write_whole(path / "below a file", "x")


def test_many_who_write_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"

    def add(number: int) -> None:
        with own_files.locked(path):
            lines = path.read_text().split() if path.exists() else []
            own_files.write_whole(path, "\n".join([*lines, str(number)]))

    threads = [threading.Thread(target=add, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, path.read_text().split())) == list(range(40))


def test_a_lock_that_is_held_for_ever_is_not_waited_for(tmp_path: Path) -> None:
    with own_files.locked(tmp_path / "a"), own_files.locked(tmp_path / "a", seconds=0.05):
        pass


def test_files_for_the_user(tmp_path: Path) -> None:
    own_files.write_files(tmp_path / "new", {"run.sh": "exit 0\n", "text": "é"})
    assert os.access(tmp_path / "new" / "run.sh", os.X_OK)
    own_files.write_files(tmp_path / "new", {"run.sh": "exit 0\n", "text": "é"})  # the same again
    with pytest.raises(InputError, match="exists and differs"):
        own_files.write_files(tmp_path / "new", {"text": "other", "more": "x"})
    assert not (tmp_path / "new" / "more").exists()
    own_files.write_files(tmp_path / "new", {"text": "other"}, replace=True)
    assert (tmp_path / "new" / "text").read_text() == "other"


@pytest.mark.parametrize("replace", [False, True])
def test_a_link_is_never_followed(tmp_path: Path, replace: bool) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name, target in (("link", precious), ("dangling", tmp_path / "made")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(InputError, match="exists and differs"):
            own_files.write_files(tmp_path, {name: "x"}, replace=replace)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="exists and differs"):
        own_files.write_files(tmp_path, {"fifo": "x"}, replace=replace)
    assert precious.read_text() == "mine" and not (tmp_path / "made").exists()


HOMELESS = """
import os, pwd, sys
def nobody(uid): raise KeyError("no such user")
pwd.getpwuid = nobody
os.environ.pop("HOME", None)
for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"): os.environ.pop(name, None)
from planner.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--profile", "rtx-4090", "--limit", "1"],
        ["plan", "qwen3-4b", "--profile", "rtx-4090"],
        ["show", "qwen3-4b"],
        ["profiles", "4090"],
        ["doctor"],
        ["plan", "~/x.gguf", "--profile", "rtx-4090"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_command_without_a_home(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parent.parent,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == (2 if any("~" in word for word in arguments) else 0)
    assert len(done.stderr.splitlines()) <= 1
