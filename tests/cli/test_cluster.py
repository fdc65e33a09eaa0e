"""`planner check --cluster`: a node list in, models placed out, and the same as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Cli
from tests.hardware.test_cluster import listing, node

NODES = listing(
    node("gpu-a", "NVIDIA-H100-80GB-HBM3", 8, 81559),
    node("gpu-b", "NVIDIA-H100-80GB-HBM3", 8, 81559),
    node("small", "NVIDIA-L4", 1, 23034),
)


@pytest.fixture
def nodes(tmp_path: Path) -> str:
    path = tmp_path / "nodes.json"
    path.write_text(NODES)
    return str(path)


def test_models_find_their_places(cli: Cli, nodes: str) -> None:
    answer = cli(
        "check",
        "--cluster",
        nodes,
        "--serve",
        "gpt-oss-120b",
        "--serve",
        "deepseek-r1",
        "--context",
        "16k",
        "--json",
    )
    assert answer.code == 0, answer.err
    document = json.loads(answer.out)
    jsonschema.validate(document, json.loads(cli("schema", "check").out))
    plans, placed = document["plans"], document["fleet"]["placed"]
    assert {p["model"] for p in plans} == {"openai/gpt-oss-120b", "deepseek-ai/DeepSeek-R1"}
    used = [(g["host"], g["index"]) for p in placed for g in p["gpus"]]
    assert len(used) == len(set(used)), "a GPU holds one replica"
    free = {(g["host"], g["gpu"]): g["count"] for g in document["fleet"]["left"]}
    assert sum(free.values()) == 17 - len(used)
    assert all(p["command"].startswith("vllm serve ") for p in plans)


def test_what_one_node_cannot_hold_spans_two(cli: Cli, nodes: str) -> None:
    # a thousand billion parameters in FP8 are more than the 8 x 80 GB of one node
    document = json.loads(
        cli("check", "--cluster", nodes, "--serve", "kimi-k2", "--context", "16k", "--json").out
    )
    (placed,) = document["fleet"]["placed"]
    assert {g["host"] for g in placed["gpus"]} == {"gpu-a", "gpu-b"}
    settings = document["plans"][0]["settings"]
    assert settings["tensor_parallel_size"] * settings["pipeline_parallel_size"] == len(placed["gpus"]) == 16


def test_the_table_says_where_and_what_is_left(cli: Cli, nodes: str) -> None:
    answer = cli("check", "--cluster", nodes, "--serve", "gpt-oss-120b")
    assert answer.code == 0, answer.err
    assert "gpt-oss-120b" in answer.out
    assert "Left:" in answer.out
    row = next(line for line in answer.out.splitlines() if line.startswith("gpt-oss-120b"))
    assert row.split()[-2].endswith("k"), "the context that every user gets"
    assert "vllm serve openai/gpt-oss-120b" in answer.out
    assert max(map(len, answer.out.split("vllm serve")[0].splitlines())) <= 80
    manifest = answer.out.split("\napiVersion: ", 1)[1]
    assert 'kind: "Deployment"' in manifest and "openai/gpt-oss-120b" in manifest


def test_idle_gpus_are_taken_before_contexts_become_short(cli: Cli, nodes: str) -> None:
    """50 users of gpt-oss-120b had 9k each on one GPU of seventeen."""
    line = ("check", "--cluster", nodes, "--serve", "gpt-oss-120b", "-u", "50", "--use-case", "agents")
    answer = cli(*line, "--json")
    plans = json.loads(answer.out)["plans"]
    assert answer.code == 0
    assert all(p["settings"]["max_model_len"] == 131072 for p in plans)
    assert all("kv_cache_dtype" not in p["settings"] for p in plans)


def test_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(NODES))
    assert cli("check", "--cluster", "-", "--serve", "gpt-oss-20b").code == 0


def test_what_has_no_place_is_said(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(listing(node("small", "NVIDIA-L4", 1, 23034)))
    answer = cli("check", "--cluster", str(path), "--serve", "deepseek-r1")
    assert answer.code == 1
    assert "finds no place" in answer.out


@pytest.mark.parametrize("content", ["", "[]", "{}", "not json", '{"items": 3}'])
def test_bad_node_lists(cli: Cli, tmp_path: Path, content: str) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(content)
    answer = cli("check", "--cluster", str(path))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1


def test_a_file_that_cannot_be_read_is_said_in_words(cli: Cli, tmp_path: Path) -> None:
    binary = tmp_path / "nodes.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    for source in (tmp_path / "none.json", tmp_path, binary):
        answer = cli("check", "--cluster", str(source))
        assert answer.code == 2 and not answer.out
        assert "Errno" not in answer.err and "codec" not in answer.err
        assert len(answer.err.splitlines()) == 1


def test_no_more_users_are_shown_than_the_engine_is_told_to_serve(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(listing(node("gpu-a", "NVIDIA-H100-80GB-HBM3", 1, 81559)))
    answer = cli(
        "check", "--cluster", str(path), "--serve", "gpt-oss-120b", "-u", "50", "-c", "32k", "--load", "worst"
    )
    out = answer.out
    shown = next(int(line.split()[-1]) for line in out.splitlines() if line.startswith("gpt-oss-120b"))
    command = next(line.split() for line in out.splitlines() if line.startswith("vllm serve"))
    assert 0 < shown <= int(command[command.index("--max-num-seqs") + 1])
    assert "1 replica fits" in out
    assert answer.code == 1 and "Not everything that was asked for fits." in out


def test_too_few_replicas_are_no_answer(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "two.json"
    path.write_text(listing(*(node(name, "NVIDIA-H100-80GB-HBM3", 8, 81559) for name in ("gpu-a", "gpu-b"))))
    line = (
        "check",
        "--cluster",
        str(path),
        "--serve",
        "deepseek-r1",
        "--serve",
        "gpt-oss-120b",
        "--load",
        "worst",
    )
    answer = cli(*line, "-u", "200", "-c", "32k")
    assert answer.code == 1
    assert "Not everything that was asked for fits." in answer.out
    assert "! deepseek-ai/DeepSeek-R1: 1 replica fits, more are needed for 200 users" in answer.out
    assert "tp 1 pp 1 dp 8" in answer.out
    document = json.loads(cli(*line, "-u", "200", "-c", "32k", "--json").out)
    jsonschema.validate(document, json.loads(cli("schema", "check").out))
    assert [s["model"] for s in document["fleet"]["short"]] == ["deepseek-ai/DeepSeek-R1"]
    few = cli(*line, "-u", "8", "-c", "32k")
    assert few.code == 0 and "Not everything" not in few.out
