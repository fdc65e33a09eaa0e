"""What to fetch beforehand for a machine without network: files, engines, licences, and how to start there.

Pure: what the hub knows of sizes and checksums is handed in (planner.models.catalogue.refresh). The script that comes
out uses the hub's own client (`hf download`) and nothing of ours.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from planner.engines.facts import Weights
from planner.engines.register import engine_facts
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.launching.render import command_line
from planner.models.model import Model
from planner.models.sources import checkpoint_repository, gguf_repository
from planner.plan import Plan
from planner.safe_text import shell_comment, shown

if TYPE_CHECKING:
    from planner.models.catalogue.catalogue import Entry
    from planner.models.catalogue.refresh import Refreshed
    from planner.models.hub.client import HubFile

# What an engine reads of a checkpoint; weights in other formats of the same repository are left out.
_CHECKPOINT: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.py", "*.tiktoken")
# Copies of the same weights in the vendor's own format.
_DUPLICATES: Final = ("original/*", "metal/*")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Download:
    """What to fetch from one repository of the hub."""

    repo: str
    include: tuple[str, ...]  # patterns of file names
    folder: str  # below the bundle's own folder
    files: tuple[HubFile, ...] = ()  # what the patterns meant when the hub was asked; empty: not asked

    @property
    def size(self) -> int:
        """Bytes of all files; 0 where they are not known."""
        return sum(f.size for f in self.files)


@dataclass(frozen=True, slots=True)
class Item:
    """One model of a bundle."""

    model: str
    name: str  # a folder's name
    plan: Plan
    download: Download | None  # None: the engine's own registry
    tag: str | None
    start: str  # a shell script for the target
    licence: str
    licence_link: str
    notes: tuple[str, ...]
    tag_size: int = 0  # bytes of the tag, where known

    @property
    def size(self) -> int:
        """Bytes to fetch; 0 where not known."""
        return self.download.size if self.download is not None else self.tag_size


def make_item(model: Model, plan: Plan, fresh: Refreshed | None = None) -> Item:
    """Return what a planned model needs. Raises InputError where nothing is known to fetch it from."""
    name = _UNSAFE.sub("-", model.name).strip("-.") or "model"
    entry = model.entry
    licence, link = (entry.licence, _link(entry)) if entry is not None else ("unknown", "")
    notes: list[str] = []
    tag = engine_facts(plan.engine).own_tag(command_line(plan, model).source)
    download = None
    if tag is None:
        download = _download(model, plan, name, fresh)
        if not download.files:
            notes.append(
                "the hub was not asked for this: sizes, checksums and exact file names are not known"
            )
    return Item(
        model=model.id,
        name=name,
        plan=plan,
        download=download,
        tag=tag,
        start=_start_script(model, plan, name, tag),
        licence=licence,
        licence_link=link,
        notes=tuple(notes),
        tag_size=0 if tag is None or entry is None else _tag_size(entry, tag),
    )


def _tag_size(entry: Entry, tag: str) -> int:
    return next((t.size for t in entry.ollama if t.tag == tag), 0)


def _link(entry: Entry) -> str:
    from planner.models.catalogue.catalogue import card_of

    return card_of(entry).licence.link


def _download(model: Model, plan: Plan, name: str, fresh: Refreshed | None) -> Download:
    if model.path is not None:
        raise InputError(
            f"{shown(model.id)} lies on this machine: nothing has to be fetched; copy it over, or name its repository"
        )
    if not engine_facts(plan.engine).is_published(model, plan.quant):
        raise InputError(
            f"{shown(model.id)}: nobody is known to publish it as {plan.quant} for {plan.engine}: convert it where"
            " there is network, and copy the folder over"
        )
    if _loads_checkpoints(plan):
        repo = checkpoint_repository(plan, model)
        include: tuple[str, ...] = _CHECKPOINT
    else:
        found = gguf_repository(model, plan.quant)
        if found is None:
            raise InputError(
                f"{model.id}: no repository with GGUF files of it is known; name one: planner bundle OWNER/NAME-GGUF"
            )
        repo = found
        include = _gguf_patterns(plan.quant)
    folder = f"models/{name}"
    known = fresh.repositories.get(repo, ()) if fresh is not None else ()
    files = tuple(f for f in known if _matches(f.path, include))
    if known and not files:
        offered = ", ".join(fresh.sizes(repo)) if fresh is not None else ""
        raise InputError(f"{repo} has no {plan.quant}; it offers {offered or 'no GGUF model'}")
    return Download(repo, include, folder, files)


def _loads_checkpoints(plan: Plan) -> bool:
    return engine_facts(plan.engine).loads is not Weights.GGUF


def _gguf_patterns(quant: str) -> tuple[str, ...]:
    """Patterns of the files of one quantisation, whole or split, and of no other (Q6_K, not Q6_K_XL)."""
    if quant.upper().startswith("MXFP4"):
        return ("*mxfp4*.gguf",)
    return (f"*[-.]{quant}.gguf", f"*[-.]{quant}-*-of-*.gguf")


def _matches(path: str, include: Sequence[str]) -> bool:
    from fnmatch import fnmatch

    if "mmproj" in path.lower() or any(fnmatch(path, pattern) for pattern in _DUPLICATES):
        return False
    return any(fnmatch(path.lower(), pattern.lower()) for pattern in include)


def _start_script(model: Model, plan: Plan, name: str, tag: str | None) -> str:
    """Return the script that starts a model on the target, from the bundle's folder."""
    lines = ["#!/bin/sh", "# Starts the model from this bundle, without network.", "set -eu"]
    lines += ['cd "$(dirname "$0")"', "export HF_HUB_OFFLINE=1"]
    if tag is not None:
        launch = command_line(plan, model)
        lines += [f"export {key}={shlex.quote(value)}" for key, value in launch.env.items()]
        lines += engine_facts(plan.engine).serve_lines()
        for file, content in launch.files:
            lines += [f"cat > {shlex.quote(file)} <<'END'", content.rstrip("\n"), "END"]
        return "\n".join([*lines, launch.command]) + "\n"
    place = f"/bundle/{name}"
    local = replace(model, path=place, repository=None)
    launch = command_line(replace(plan, source=place), local)
    lines += [f"export {key}={shlex.quote(value)}" for key, value in launch.env.items()]
    if _loads_checkpoints(plan):
        lines.append(f'MODEL="$PWD/models/{name}"')
    else:
        # Of a split model the first part is named; llama.cpp finds the others beside it.
        lines.append(f'MODEL=$(find "models/{name}" -name "*.gguf" ! -name "mmproj*" | sort | head -n 1)')
        lines.append(
            'test -n "$MODEL" || { echo "no GGUF file in this bundle: run fetch.sh first" >&2; exit 1; }'
        )
    for file, content in launch.files:
        body = content.rstrip("\n").replace(place, "$MODEL")
        lines += [f"cat > {shlex.quote(file)} <<END", body, "END"]
    return "\n".join([*lines, launch.command.replace(place, '"$MODEL"')]) + "\n"


def fetch_script(items: Sequence[Item]) -> str:
    """Return the script that fetches everything on a machine with network."""
    lines = [
        "#!/bin/sh",
        "# Fetches what the target machine needs. Run it where there is network, then copy this folder over.",
        "# Needs the hub's client: pip install -U huggingface_hub",
        "set -eu",
        'cd "$(dirname "$0")"',
    ]
    for item in items:
        lines += ["", shell_comment(f"{item.model}: {item.plan.quant} for {item.plan.engine}")]
        if item.download is not None:
            words = ["hf", "download", item.download.repo]
            for pattern in item.download.include:
                words += ["--include", pattern]
            if _loads_checkpoints(item.plan):
                for pattern in _DUPLICATES:
                    words += ["--exclude", pattern]
            words += ["--local-dir", item.download.folder]
            lines.append(shlex.join(words))
        elif item.tag is not None:
            lines += engine_facts(item.plan.engine).fetch_lines(item.tag)
    for engine in dict.fromkeys(item.plan.engine for item in items):
        install = engine_facts(engine).install
        if install is not None and install.package is not None:
            lines += ["", f"python -m pip download {install.package} --dest packages/{install.package}"]
    # Not fetched by its name: an index that doesn't know it would give whatever a stranger calls so.
    lines += ["", "# The planner itself: copy here the wheel that you installed it from."]
    if checksums(items):
        lines += ["", "sha256sum -c SHA256SUMS"]
    return "\n".join(lines) + "\n"


def checksums(items: Sequence[Item]) -> str:
    """Return the lines of SHA256SUMS, for the files whose checksum the hub gives."""
    lines = [
        f"{f.sha256}  {item.download.folder}/{f.path}"
        for item in items
        if item.download is not None
        for f in item.download.files
        if f.sha256
    ]
    return "".join(f"{line}\n" for line in lines)
