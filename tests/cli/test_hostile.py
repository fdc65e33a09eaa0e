"""What strangers could do, from the command line: injected commands, leaked keys, opened files, raw escapes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.file_server import Site, serve
from tests.hostile_text import NAMES
from tests.raw_server import raw_server, sending

from .conftest import Cli
from .tiny_model import write_tiny

MACHINE = ("--vram", "8GiB", "--ram", "32GiB")
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "intermediate_size": 1024,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


def test_no_name_of_a_folder_is_a_command_of_a_bundle(cli: Cli, tmp_path: Path) -> None:
    folder = Path("q\ntouch PWNED\n#")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    answer = cli("bundle", str(folder), "--engine", "vllm", *MACHINE, "--no-ask", "--out", "b")
    script = Path("b/fetch.sh")
    if answer.code == 0:
        assert not [line for line in script.read_text().splitlines() if line.startswith("touch")]
    else:
        assert answer.err.rstrip("\n").isprintable() and not script.exists()


def test_no_name_on_the_hub_is_a_command_of_a_bundle(
    cli: Cli, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    write_tiny(tmp_path / "m.gguf")
    name = "a$(touch PWNED)-`touch PWNED`;touch PWNED'.gguf"
    siblings = [{"rfilename": f"a\ntouch PWNED\n{name}", "size": 5}, {"rfilename": name, "size": 5}]
    site.files["/api/models/evil/x-GGUF"] = json.dumps({"siblings": siblings}).encode()
    for path in (name, f"a\ntouch PWNED\n{name}"):
        from urllib.parse import quote

        site.files[f"/evil/x-GGUF/resolve/main/{quote(path)}"] = (tmp_path / "m.gguf").read_bytes()
    answer = cli("bundle", "evil/x-GGUF", *MACHINE, "--no-ask", "--out", "b")
    if answer.code == 0:
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir()
        for tool in ("hf", "ollama", "sha256sum"):  # nothing is fetched in this test
            (bin_folder / tool).write_text("#!/bin/sh\nexit 0\n")
            (bin_folder / tool).chmod(0o755)
        env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
        subprocess.run(["sh", "b/fetch.sh"], env=env, check=True, timeout=30, capture_output=True)
    else:
        assert len(answer.err.splitlines()) == 1
    assert not list(tmp_path.rglob("PWNED"))


def test_a_bundle_follows_no_link_and_spares_foreign_files(cli: Cli, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    Path("b").mkdir()
    Path("b/fetch.sh").symlink_to(precious)
    answer = cli("bundle", "qwen3-4b", "--profile", "rtx-4090", "--no-ask", "--out", "b")
    assert answer.code == 2 and "exists and differs" in answer.err
    assert precious.read_text() == "mine"
    Path("b/fetch.sh").unlink()
    for engine in ("llama.cpp", "ollama"):  # a bundle of its own may be written again
        arguments = (
            "bundle",
            "qwen3-4b",
            "--profile",
            "rtx-4090",
            "--no-ask",
            "--out",
            "b",
            "--engine",
            engine,
        )
        assert cli(*arguments).code == 0
        assert engine in Path("b/fetch.sh").read_text()


def test_a_key_does_not_follow_a_redirect(cli: Cli, site: Site) -> None:
    with serve() as other:
        for page in ("/props", "/api/version", "/v1/models", "/api/ps"):
            site.redirect[page] = f"{other.url}{page}"
        answer = cli("verify", "--server", site.url, "--api-key", "SECRETKEY")
        assert answer.code == 2 and len(answer.err.splitlines()) == 1
        assert site.log[0][1]["authorization"] == "Bearer SECRETKEY"
        assert other.log == []


GARBAGE = [
    b"GARBAGE\x1b[31m\r\n\r\n",
    b"HTTP/1.1 99999 x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nA: " + b"b" * 80000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://a b/\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("answer", GARBAGE, ids=lambda raw: repr(raw[:20]))
def test_garbage_of_a_server_is_one_line(cli: Cli, answer: bytes) -> None:
    with raw_server(sending(answer)) as server:
        said = cli("verify", "--server", server.url)
    assert said.code == 2
    assert len(said.err.splitlines()) == 1 and said.err.rstrip("\n").isprintable()


def test_a_dripping_server_is_given_up(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from planner.verify import running_server

    monkeypatch.setattr(running_server, "SECONDS", 0.5)
    for start in (b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\n\r\n"):
        with raw_server(sending(start, pause=0.05, endless=b"{")) as server:
            began = time.monotonic()
            assert cli("verify", "--server", server.url).code == 2
            assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "url", ["http://a b", "http://[::1", "http://a:99999", "ftp://x", "http://\x1b[31m", ""]
)
def test_a_server_that_is_no_address(cli: Cli, url: str) -> None:
    said = cli("verify", "--server", url)
    assert said.code == 2 and said.err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    "alias", ["/etc", "FOLDER", "https://127.0.0.1:1/x.gguf", "hf:o/m", "~/x.gguf", "./m.gguf"]
)
def test_what_a_server_answers_is_not_opened(cli: Cli, site: Site, tmp_path: Path, alias: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    write_tiny(Path("m.gguf"))
    props: Any = {"build_info": "b1", "model_alias": str(tmp_path) if alias == "FOLDER" else alias}
    site.files["/props"] = json.dumps(props).encode()
    said = cli("verify", "--server", site.url)
    assert said.code == 2 and "name it with --model" in said.err, said.err


def test_figures_that_no_server_has(cli: Cli, site: Site) -> None:
    site.files["/api/version"] = b'{"version": "1"}'
    model = {"name": "qwen3:4b", "size": -1, "context_length": 1 << 61}
    site.files["/api/ps"] = json.dumps({"models": [model]}).encode()
    said = cli("verify", "--server", site.url, "--no-store")
    assert said.code == 1
    assert "nothing was compared" in " ".join(said.out.split())


def test_a_server_that_names_thousands_of_models(cli: Cli, site: Site) -> None:
    site.files["/api/version"] = b'{"version": "1"}'
    models = [{"name": "qwen3:4b", "size": 1, "context_length": 4096}] * 3000
    site.files["/api/ps"] = json.dumps({"models": models}).encode()
    began = time.process_time()
    said = cli("verify", "--server", site.url, "--no-store", "--json")
    assert len(json.loads(said.out)["verifications"]) == 16
    assert "names 3000 models" in said.err
    assert time.process_time() - began < 20


@pytest.mark.parametrize("key", ["model_type", "architectures"])
def test_escapes_in_a_configuration_are_not_printed(cli: Cli, key: str) -> None:
    Path("f").mkdir()
    evil = "x\x1b]0;PWNED\x07\x9b31m\u202e"
    Path("f/config.json").write_text(json.dumps({**CONFIG, key: [evil] if key == "architectures" else evil}))
    for arguments in (("plan", "f", *MACHINE), ("plan", "f", "--engine", "vllm", *MACHINE, "--json")):
        said = cli(*arguments)
        assert (said.out + said.err).replace("\n", "").isprintable()


@pytest.mark.parametrize("name", NAMES)
def test_escapes_in_a_files_name_are_not_printed(cli: Cli, name: str) -> None:
    path = Path(f"{name}.gguf".replace("/", ":"))
    write_tiny(path)
    said = cli("plan", f"./{path}", *MACHINE, "--engine", "llama.cpp")
    assert said.code in (0, 1)
    assert (said.out + said.err).replace("\n", "").isprintable()
    said = cli("plan", f"./{path}", *MACHINE, "--engine", "llama.cpp", "--json")
    assert json.loads(said.out)["fits"] is True
    said.out.encode("utf-8")


@pytest.mark.parametrize("name", ["two words", "line\nbreak", "\x1b[31mred", "\udcff", "$(touch PWNED)"])
def test_the_command_that_is_printed_starts_that_file(cli: Cli, name: str) -> None:
    path = Path(f"{name}.gguf")
    write_tiny(path)
    said = cli("launch", f"./{path}", *MACHINE, "--engine", "llama.cpp")
    assert said.code == 0, said.err
    shell = shutil.which("bash")
    assert shell is not None
    script = "llama-server() { printf '%s\\0' \"$@\"; }\n" + said.out
    done = subprocess.run([shell, "-c", script], capture_output=True, timeout=20, check=True)
    words = done.stdout.split(b"\0")
    # "./" is dropped from a path, as in any path
    assert os.fsencode(words[words.index(b"-m") + 1]) == os.fsencode(str(path))


def test_a_message_repeats_no_more_than_can_be_read(cli: Cli) -> None:
    said = cli("plan", "x" * 100_000, *MACHINE)
    assert said.code == 2 and len(said.err) < 5000


def test_files_that_do_not_end_are_refused(cli: Cli) -> None:
    os.mkfifo("fifo")
    for path in ("fifo", "/dev/zero", "/dev/null", "."):
        said = cli("check", "--cluster", path)
        assert said.code == 2 and "is no readable file" in said.err
        assert cli("diagnose", path).code == 2
    Path("Modelfile").symlink_to("fifo")
    write_tiny(Path("m.gguf"))
    said = cli("launch", "./m.gguf", *MACHINE, "--engine", "ollama", "--run")
    assert said.code == 2


def test_a_closed_standard_input_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    said = cli("check", "--cluster", "-")
    assert said.code == 2 and "standard input is closed" in said.err
