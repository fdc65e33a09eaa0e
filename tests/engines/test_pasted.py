"""What stands around an engine's own words is taken off, in whatever shell it was typed."""

from __future__ import annotations

import pytest

from planner.engines.commands import read_command, read_options
from planner.engines.pasted import read_pasted, split_commands
from planner.errors import InputError

WORDS = ("llama-server", "-m", "a.gguf", "-c", "4096")
FORMS = [
    "llama-server -m a.gguf -c 4096",
    "$ llama-server -m a.gguf -c 4096",
    "user@host:~/models$ llama-server -m a.gguf -c 4096",
    "(venv) $ llama-server -m a.gguf -c 4096",
    "> llama-server -m a.gguf -c 4096",
    "llama-server \\\n  -m a.gguf \\\n  -c 4096",
    "llama-server \\\r\n  -m a.gguf \\\r\n  -c 4096",
    "llama-server ^\n  -m a.gguf ^\n  -c 4096",
    "llama-server `\n  -m a.gguf `\n  -c 4096",
    "llama-server \\  -m a.gguf \\  -c 4096",
    "PS C:\\Users\\me> llama-server -m a.gguf -c 4096",
    "C:\\llama> llama-server -m a.gguf -c 4096",
    "sudo llama-server -m a.gguf -c 4096",
    "sudo -E -u llama llama-server -m a.gguf -c 4096",
    "nohup llama-server -m a.gguf -c 4096 > log.txt 2>&1 &",
    "llama-server -m a.gguf -c 4096 2>&1 | tee log",
    "env llama-server -m a.gguf -c 4096",
    "exec llama-server -m a.gguf -c 4096",
    "nice -n 10 llama-server -m a.gguf -c 4096",
    "numactl --interleave=all llama-server -m a.gguf -c 4096",
    "taskset -c 0-15 llama-server -m a.gguf -c 4096",
    "cd /opt/llama.cpp && llama-server -m a.gguf -c 4096",
    "# start it\nllama-server -m a.gguf -c 4096",
    "export MODEL=a.gguf\nllama-server -m $MODEL -c 4096",
    "CTX=4096; llama-server -m a.gguf -c ${CTX}",
    "bash -c 'llama-server -m a.gguf -c 4096'",
    "bash -lc \"llama-server -m a.gguf -c 4096\"",
    'llama-server -m "a.gguf" -c \'4096\'',
]  # fmt: skip


def starts(words: object) -> bool:
    return isinstance(words, (list, tuple)) and bool(words) and words[0] == "llama-server"


@pytest.mark.parametrize("text", FORMS)
def test_the_same_words(text: str) -> None:
    assert read_pasted(text, starts).words == WORDS


def test_words_that_a_shell_has_split() -> None:
    assert read_pasted(list(WORDS), starts).words == WORDS
    assert read_pasted([" ".join(WORDS)], starts).words == WORDS
    assert read_pasted(["llama-server", "-m", "my model.gguf"], starts).words[2] == "my model.gguf"


@pytest.mark.parametrize(
    "text",
    [
        "A=1 B=two llama-server",
        "export A=1\nexport B=two\nllama-server",
        "export A=1 B=two; llama-server",
        "set A=1\nset B=two\nllama-server",
        "$env:A=1\n$env:B = 'two'\nllama-server",
        "env A=1 B=two llama-server",
        "sudo A=1 B=two llama-server",
        "docker run -e A=1 --env=B=two image llama-server",
    ],
)
def test_environment(text: str) -> None:
    assert dict(read_pasted(text, starts).env) == {"A": "1", "B": "two"}


def test_docker_run() -> None:
    pasted = read_pasted(
        "docker run -d --rm --gpus all -v /m:/models -p 8080:8080 --ipc=host --shm-size 16g -e HF_TOKEN"
        " ghcr.io/ggml-org/llama.cpp:server-cuda -m /models/a.gguf",
        starts,
    )
    assert pasted.image == "ghcr.io/ggml-org/llama.cpp:server-cuda"
    assert pasted.words == ("-m", "/models/a.gguf")
    assert pasted.gpus == "all"
    assert dict(pasted.env) == {}
    inside = read_pasted("docker run -it --entrypoint llama-server image -c 1", starts)
    assert inside.words == ("llama-server", "-c", "1")


def test_windows_paths_and_json() -> None:
    (words,) = split_commands('llama-server.exe -m C:\\models\\a.gguf --x "{\\"a\\": 1}"')
    assert words == ["llama-server.exe", "-m", "C:\\models\\a.gguf", "--x", '{"a": 1}']


def test_json_over_several_lines() -> None:
    (words,) = split_commands("llama-server --chat-template-kwargs '{\n  \"a\": 1\n}' -c 1")
    assert words[-1] == "1" and '"a": 1' in words[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no command was found"),
        ("# nothing", "no command was found"),
        ("ls -l", "'ls' starts no engine"),
        ("llama-server -m 'a.gguf", "no closing quotation"),
        ("docker run --gpus all", "names no image"),
        ("docker run postgres:17", "starts no engine"),
        ("x" * 200_000, "longer than"),
    ],
)
def test_what_is_no_command(text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_command(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--gpu-memory-utilisation", "--gpu-memory-utilization (vllm)"),
        ("--n-cpu-mo", "--n-cpu-moe (llama.cpp)"),
        ("--mem-fraction-statik", "--mem-fraction-static (sglang)"),
        ("--context-lenght", "--context-length (sglang)"),
        ("--prompt-cache-bites", "--prompt-cache-bytes (mlx)"),
    ],
)
def test_a_misspelled_option_is_looked_up_in_the_tables_of_all_engines(word: str, meant: str) -> None:
    with pytest.raises(InputError) as error:
        read_options([word, "1"])
    assert str(error.value).endswith(f"did you mean {meant}?")


def test_what_is_near_no_option_is_taken_for_none() -> None:
    with pytest.raises(InputError) as error:
        read_options(["--frobnicate", "1"])
    assert "did you mean" not in str(error.value)
