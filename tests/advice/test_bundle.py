"""A bundle: the right files and no others, checksums, scripts that a shell accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from planner.advice.bundle import Item, checksums, fetch_script, make_item
from planner.api import load_model, load_profile, plan
from planner.documents.bundle import bundle_of
from planner.documents.write import doc
from planner.errors import InputError
from planner.models.catalogue.refresh import Refreshed
from planner.models.hub.client import HubFile

SUM = "ab" * 32


def _fresh(*paths: str, repo: str = "unsloth/Qwen3-8B-GGUF") -> Refreshed:
    files = tuple(HubFile(p, 5_000_000_000, SUM) for p in paths)
    return Refreshed("Qwen/Qwen3-8B", "2026-11-01T00:00:00+00:00", "apache-2.0", {repo: files})


def _item(fresh: Refreshed | None = None, engine: str = "llama.cpp", quant: str = "Q6_K") -> Item:
    model = load_model("Qwen/Qwen3-8B")
    planned = plan(model, load_profile("rtx-4090"), engine=engine, quant=quant)
    return make_item(model, planned, fresh)


def test_one_quantisation_and_no_other() -> None:
    fresh = _fresh(
        "Qwen3-8B-Q6_K.gguf",
        "Qwen3-8B-UD-Q6_K_XL.gguf",
        "Qwen3-8B-Q4_K_M.gguf",
        "Q6_K/Qwen3-8B-Q6_K-00001-of-00002.gguf",
        "mmproj-Qwen3-8B-Q6_K.gguf",
        "README.md",
    )
    item = _item(fresh)
    assert item.download is not None
    assert [f.path for f in item.download.files] == [
        "Qwen3-8B-Q6_K.gguf",
        "Q6_K/Qwen3-8B-Q6_K-00001-of-00002.gguf",
    ]
    assert SUM in checksums([item])  # type: ignore[list-item]
    assert "sha256sum -c SHA256SUMS" in fetch_script([item])  # type: ignore[list-item]


def test_a_quantisation_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="offers Q4_K_M"):
        _item(_fresh("Qwen3-8B-Q4_K_M.gguf"))


def test_what_was_not_asked_is_said() -> None:
    item = _item()
    document = doc(bundle_of([item]))  # type: ignore[list-item]
    assert document["size"] is None
    assert "not asked" in document["models"][0]["notes"][0]
    assert document["models"][0]["licence_link"].startswith("https://")


@pytest.mark.parametrize(
    ("engine", "quant"), [("llama.cpp", "Q4_K_M"), ("vllm", "BF16"), ("ollama", "Q4_K_M")]
)
def test_the_scripts_are_shell(engine: str, quant: str, tmp_path: Path) -> None:
    item = _item(engine=engine, quant=quant)
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("no sh here")
    for name, text in (("fetch.sh", fetch_script([item])), ("start.sh", item.start)):  # type: ignore[list-item, attr-defined]
        path = tmp_path / name
        path.write_text(text)
        subprocess.run([shell, "-n", str(path)], check=True)
    assert "/bundle/" not in item.start
    assert "-hf " not in item.start
