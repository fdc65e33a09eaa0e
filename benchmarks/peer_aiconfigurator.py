"""What aiconfigurator-core predicts for the serving rows: ``python -m benchmarks.peer_aiconfigurator``.

Needs the wheel (`pip install aiconfigurator-core==0.12.0`, Apache-2.0), which nobody needs to read what it said: its
time a token of each row of `benchmarks/data/serving.jsonl` that it answers is kept in
`benchmarks/data/aiconfigurator.json`, and `benchmarks/fit_speed.py` compares. It gets what its own list of those runs
says of them (parallel layout, types of the matrices), the newest tables of the same engine and system, and as many
tokens a step as serving engines compute.
"""

from __future__ import annotations

import csv
import importlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parent / "data" / "aiconfigurator.json"
_ROWS: Final = Path(__file__).parent / "data" / "serving.jsonl"
_PREFIX: Final = "aiconfigurator-csv-"  # of the ids of rows that came with it
_NAMES: Final = {  # as its own files of configurations call them
    "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Meta-Llama-3.1-8B",
    "zhipuai/GLM-5": "zai-org/GLM-5",
}
_STEP: Final = 8192  # tokens of prompts in one step at most


def _module(name: str) -> Any:
    return importlib.import_module(f"aiconfigurator_core{name}")


def listed() -> Iterator[Mapping[str, str]]:
    """The runs of its own list that are among our rows."""
    ours = {json.loads(line)["id"] for line in _ROWS.read_text(encoding="utf-8").splitlines()}
    folder = Path(_module("").__file__).parent / "systems"
    with (folder / "silicon_sample.csv").open(encoding="utf-8", newline="") as lines:
        yield from (row for row in csv.DictReader(lines) if _PREFIX + row["id"] in ours)


class Peer:
    """The program, with models and tables that were loaded."""

    def __init__(self) -> None:
        self._config, self._models = _module(".sdk.config"), _module(".sdk.models")
        self._builders, self._tables = _module(".sdk.config_builders"), _module(".sdk.perf_database")
        self._backends = _module(".sdk.backends.factory")
        self._held: dict[tuple[str, ...], tuple[Any, Any]] = {}

    def seconds(self, row: Mapping[str, str]) -> float:
        """Seconds a token of one stream; raises what the program raises where it has no answer."""
        try:
            return self._asked(row, None)
        except Exception:  # its tables of some attention kernels are of 16-bit caches alone
            return self._asked(row, "bfloat16")

    def _asked(self, row: Mapping[str, str], cache: str | None) -> float:
        model, tables = self._loaded(row, cache)
        isl, osl, batch = int(row["isl"]), int(row["osl"]), int(row["batch_size"])
        groups = int(row["attention_dp_size"] or 1)
        asked = self._config.RuntimeConfig(batch_size=max(1, batch // groups), isl=isl, osl=osl)
        backend = self._backends.get_backend(row["backend"])
        answer = backend.run_agg(model, tables, asked, ctx_tokens=max(_STEP, isl) // groups)
        return float(answer.get_summary_df()["tpot"].iloc[0]) / 1000

    def _loaded(self, row: Mapping[str, str], cache: str | None) -> tuple[Any, Any]:
        names = (
            *("model_path", "backend", "system", "tp_size", "pp_size", "attention_dp_size", "moe_tp_size"),
            *("moe_ep_size", "gemm_quant_mode", "moe_quant_mode"),
        )
        key = (*(row[name] for name in names), cache or "")
        if key not in self._held:
            sizes = {name: int(row[name] or 1) for name in names if name.endswith("_size")}
            modes = {name: row[name] or None for name in names if name.endswith("_mode")}
            config = self._builders.build_model_config(
                **sizes, **modes, kvcache_quant_mode=cache, fmha_quant_mode=cache
            )
            model = self._models.get_model(
                _NAMES.get(row["model_path"], row["model_path"]), config, row["backend"]
            )
            version = self._tables.resolve_query_version(row["system"], row["backend"], "current")
            self._held[key] = model, self._tables.get_database(row["system"], row["backend"], version)
        return self._held[key]


def main() -> None:
    """Ask it for every row, write what it says, print why it says nothing of the others."""
    peer, said, why = Peer(), {}, Counter[str]()
    for row in listed():
        try:
            said[_PREFIX + row["id"]] = round(peer.seconds(row), 6)
        except Exception as error:  # a program of others: whatever it raises, the next row is asked
            why[f"{type(error).__name__}: {error}"[:90]] += 1
    DATA.write_text(json.dumps(said, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(said)} rows answered")
    for reason, count in why.most_common(12):
        print(f"{count:5d}  {reason}")


if __name__ == "__main__":
    main()
