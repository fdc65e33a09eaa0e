"""Encoders: no cache, no head, and compute buffers as the real llama.cpp allocates them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import planner
from planner.advice.verification import verify_gguf
from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.real_engine import available
from planner.models.catalogue.catalogue import find_entry
from planner.models.config.architecture import architecture_from_config
from planner.models.gguf.architecture import architecture_from_gguf
from planner.models.gguf.header import read_gguf
from planner.models.load import from_entry
from planner.units import MIB
from tests.engines.llama_cpp.encoder_file import write_encoder

ENCODERS = (
    *("bge-m3", "nomic-embed-text-v1.5", "nomic-embed-text-v2-moe", "gte-modernbert-base"),
    *("embeddinggemma-300m", "jina-embeddings-v2-base-en", "bge-reranker-v2-m3"),
)


def small(name: str) -> dict[str, Any]:
    """The card's configuration with few words and few layers, so that a header is written in no time."""
    config = dict(find_entry(name).config)
    layers = "n_layer" if "n_layer" in config else "num_hidden_layers"
    return {**config, "vocab_size": 300, layers: 6}


@pytest.mark.skipif(available() is None, reason="the extra [verify] is not installed")
@pytest.mark.parametrize("name", ENCODERS)
def test_buffers_are_those_of_the_real_engine(name: str, tmp_path: Path) -> None:
    path = tmp_path / "encoder.gguf"
    write_encoder(path, architecture_from_config(small(name)))
    settings = {"embeddings": True, "n_batch": 1024, "n_ubatch": 1024}
    for part in verify_gguf(path, 1024, settings).parts:
        if part.what == "compute buffers":
            assert part.predicted == pytest.approx(part.measured, rel=0.001)
        else:
            assert abs(part.predicted - part.measured) < MIB, "the engine says whole MiB"


@pytest.mark.parametrize("name", ENCODERS)
def test_a_header_says_what_the_configuration_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "encoder.gguf"
    arch = architecture_from_config(small(name))
    write_encoder(path, arch)
    read = architecture_from_gguf(read_gguf(path))
    assert read.parameters() == arch.parameters()
    assert read.tied_embeddings == arch.tied_embeddings
    assert [g.caches for g in read.groups] == [g.caches for g in arch.groups]


@pytest.mark.parametrize("name", ENCODERS)
def test_nothing_is_kept(name: str) -> None:
    plan = planner.plan(name, "rtx-4090", engine="llama.cpp")
    assert traits(from_entry(find_entry(name)).architecture).encoder
    assert sum(d.kv_cache for d in plan.memory.devices) == 0
    assert "--embeddings" in plan.command.split()
    assert ("--reranking" in plan.command.split()) == ("reranker" in name)
    assert plan.settings["n_ubatch"] == planner.started_context(plan), "what is embedded is read at once"


def test_every_token_has_an_output(tmp_path: Path) -> None:
    """A decoder that makes embeddings keeps logits of a whole batch, a chat model one row a user."""
    chat = planner.plan(
        "qwen3-0.6b", "rtx-4090", planner.Workload(context=8192), engine="llama.cpp", quant="Q8_0"
    )
    pooled = planner.plan("qwen3-embedding-0.6b", "rtx-4090", engine="llama.cpp", quant="Q8_0")
    rows = 4 * 512 * pooled.request.arch.vocab_size
    more = pooled.memory.devices[0].compute - chat.memory.devices[0].compute
    assert rows / 2 < more < 1.1 * rows


def test_the_rows_that_a_server_of_embeddings_keeps_are_counted() -> None:
    """Each of 8,192 tokens has room for its logits, of a quarter of a million words: in RAM, once it was needed."""
    host = planner.plan("bge-m3", "rtx-4090").memory.devices[-1]
    assert host.overhead_high > 4 * 8192 * 250_002
    assert host.overhead_high < 4 * 8192 * 252_000 + 1024 * MIB
    little = planner.plan(
        "bge-m3", planner.load_profile("rtx-4090", ram="8GiB"), planner.Workload(context=512)
    )
    assert little.fits
