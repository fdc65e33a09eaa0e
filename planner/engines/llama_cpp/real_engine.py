"""Ask the real llama.cpp what it would allocate for a file: the extra "verify" (the wheel xllamacpp).

The engine runs in a child process, which reads the file's header only: llama-server's own fitting pass
(common_fit_params in common/fit.cpp) builds model and context without allocating, and prints what they
take; the child is stopped as soon as it has.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from planner.engines.allocated import Allocation
from planner.engines.llama_cpp import log as engine_log
from planner.engines.llama_cpp.log import EngineLog
from planner.errors import InputError
from planner.models.gguf.header import GgufHeader

TIMEOUT: Final = 120.0  # seconds for one header
_DONE: Final = ("common_params_fit_impl: projected to use", "fitting params to free memory took")
_DIRECT: Final = (
    "n_ctx",
    "n_parallel",
    "kv_unified",
    "n_batch",
    "n_ubatch",
    "n_gpu_layers",
    "main_gpu",
    "swa_full",
    "load_mtp",
)
_INVERTED: Final = {"kv_offload": "no_kv_offload", "op_offload": "no_op_offload"}
_IGNORED: Final = frozenset(
    {
        *("n_outputs_max", "threads", "mmap", "n_rs_seq", "cache_ram_mib", "n_ctx_checkpoints"),
        *("spec_type", "spec_draft_n_max", "spec_draft_type_k", "spec_draft_type_v"),
        *("spec_draft_model", "spec_draft_ngl", "image_max_tokens", "moe_cache_mib"),
    }
)


def available() -> str | None:
    """Return the installed engine's name and version, None where the extra isn't installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        return None
    from importlib.metadata import version

    return f"xllamacpp {version('xllamacpp')}"


def allocated(header: GgufHeader, settings: Mapping[str, Any]) -> Allocation:
    """Return what the real engine would allocate for a local file with these settings (llama.cpp's names).

    Raises InputError where the extra is missing, the engine refuses the file, or it says nothing in time.
    """
    build = available()
    if build is None:
        raise InputError("verify FILE needs the real engine: pip install 'open-weight-planner[verify]'")
    with _runnable(header) as path:
        log = _run({"model": str(path), **{k: v for k, v in settings.items() if k not in _IGNORED}})
    if not log.rows:
        reason = log.errors[0] if log.errors else "it printed no memory breakdown"
        raise InputError(f"{header.source}: {build} refused it: {reason}")
    return Allocation(build, engine_log.allocated(log))


@contextmanager
def _runnable(header: GgufHeader) -> Iterator[Path]:
    """Yield a file that the engine will open: a header without data gets a sparse copy of the full size."""
    source = Path(header.source)
    if not header.header_only:
        yield source
        return
    if header.shards > 1:
        raise InputError(f"{source}: a split model without its data can't be verified")
    last = header.tensors[-1]
    with tempfile.TemporaryDirectory(prefix="planner-verify-") as folder:
        copy = Path(folder) / source.name
        shutil.copyfile(source, copy)
        try:
            with copy.open("r+b") as file:
                file.truncate(header.data_offset + last.offset + last.nbytes)
        except OSError as error:
            raise InputError(f"{source}: no sparse copy possible: {error.strerror or error}") from None
        yield copy


def _run(request: Mapping[str, Any]) -> EngineLog:
    log = EngineLog()
    child = subprocess.Popen(
        [sys.executable, "-m", "planner.engines.llama_cpp.real_engine", json.dumps(request)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    guard = threading.Timer(TIMEOUT, child.kill)
    guard.start()
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if any(mark in line for mark in _DONE) and log.rows:
                break
            log.read(line)
    finally:
        guard.cancel()
        child.kill()
        child.communicate()
    return log


def _start(request: dict[str, Any]) -> None:
    """Run in the child: load the model as llama-server does, with its log on stderr."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = request.pop("model")
    params.verbosity = 5  # the fitting pass logs its buffers as debug output
    params.warmup = False
    params.fit_params = True
    params.port = 0
    for name, value in request.items():
        if name in _DIRECT:
            setattr(params, name, value)
        elif name in _INVERTED:
            setattr(params, _INVERTED[name], not value)
        elif name in ("cache_type_k", "cache_type_v"):
            setattr(params, name, _member(xllamacpp.ggml_type, f"GGML_TYPE_{value.upper()}"))
        elif name == "flash_attn":
            word = {"on": "ENABLED", "off": "DISABLED"}.get(value, "AUTO")
            params.flash_attn_type = _member(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{word}")
        elif name == "split_mode":
            params.split_mode = _member(xllamacpp.llama_split_mode, f"LLAMA_SPLIT_MODE_{value.upper()}")
        elif name == "embeddings":
            params.embedding = value
        elif name == "repack_weights":
            params.no_extra_bufts = not value
        elif name == "tensor_split" and value:
            params.tensor_split = [*value, *[0.0] * (128 - len(value))]
        elif value:
            raise SystemExit(f"error loading model: {name} can't be passed to this engine")
    xllamacpp.Server(params)


def _member(enum: Any, name: str) -> Any:
    if not hasattr(enum, name):
        raise SystemExit(f"error loading model: this engine has no {name}")
    return getattr(enum, name)


if __name__ == "__main__":
    _start(json.loads(sys.argv[1]))
