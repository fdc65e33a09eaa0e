"""MODEL as people write it -> Model: a catalogue name, a Hugging Face id, a GGUF file, a folder.

The network is asked only for what neither this machine nor the catalogue knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.models.file_format import FileFormat
from planner.models.model import Model
from planner.own_files import expanded

if TYPE_CHECKING:
    from planner.models.catalogue.catalogue import Entry
    from planner.models.gguf.header import GgufHeader
    from planner.models.hub.gguf_header import Progress
    from planner.models.hub.repository import HubRef


def load_model(ref: str, progress: Progress | None = None) -> Model:
    """Return the model that a reference names.

    `ref` is a catalogue name, alias or Ollama tag; a Hugging Face id (``owner/name``, ``owner/name-GGUF``
    with ``:QUANT``, ``hf:…``); a path to a ``.gguf`` file or to a folder with a config.json; or the https
    address of a GGUF file. `progress` is told what is fetched where that takes time. Raises InputError with
    one line: what was not found, and what is near.
    """
    text = ref.strip()
    if not text:
        raise InputError("MODEL is empty; write for example gpt-oss-20b, qwen3:32b or ./model.gguf")
    if _is_path(text):
        return _from_path(text)
    from planner.models.catalogue.catalogue import lookup

    entry = lookup(text)
    if entry is not None:
        return as_named(from_entry(entry), text)
    with_quant = _with_quant(text)
    if with_quant is not None:
        return with_quant
    if text.startswith("https://") and text.lower().split("?")[0].endswith(".gguf"):
        hub = _hub_ref(text)
        return _from_hub(hub, progress) if hub else _from_address(text, progress)
    reference = _hub_ref(text)
    if reference is not None:
        return _asked_or_known(reference, progress)
    from planner.models.catalogue.catalogue import find_entry

    return from_entry(find_entry(text))  # raises InputError with the names that are near


def _with_quant(text: str) -> Model | None:
    """Return a catalogue's model in the quantisation behind its name, ``qwen3.6-27b:UD-Q4_K_XL``; None without one."""
    from planner.models.catalogue.catalogue import lookup
    from planner.models.published import listed_quants, plain_quant

    base, _, quant = text.rpartition(":")
    entry = lookup(base) if base and "/" not in base else None
    if entry is None:
        return None
    from planner.models.gguf.header import quant_of_name

    wanted = plain_quant(quant)
    listed = next((q for q in listed_quants(entry) if plain_quant(q) == wanted), None)
    named = listed or (quant.upper() if quant_of_name(f"model-{quant}.gguf") == quant.upper() else None)
    return None if named is None else replace(from_entry(entry), quant=named, holds="gguf")


def _asked_or_known(ref: HubRef, progress: Progress | None) -> Model:
    """Return what the hub holds; where it can't be asked, the base model that the name names, in its quantisation.

    Raises InputError where neither is known.
    """
    from planner.bounded_http import NoAnswerError

    try:
        return _from_hub(ref, progress)
    except NoAnswerError:
        from planner.models.by_base import model_by_base

        known = model_by_base(ref)
        if known is None:
            raise
        return known


def look_up(name: str) -> Model:
    """Return the model that a stranger names: of the catalogue, or a repository of the hub.

    Nothing else is looked at: no path, no address. Raises InputError as `load_model`.
    """
    from planner.models.catalogue.catalogue import lookup

    text = name.strip()
    entry = lookup(text)
    if entry is not None:
        return from_entry(entry)
    reference = None if "://" in text or text.startswith("hf:") else _hub_ref(text)
    if reference is None:
        raise InputError("no model of the catalogue or the hub is called so")
    return _from_hub(reference, None)


def known_model(name: str) -> Model:
    """Return the model that a name means by the catalogue alone: no file is opened, no network asked.

    A repository that the catalogue doesn't hold is its base model in the quantisation that its name says, where it
    says both. Raises InputError for a path, an address, or a name that means nothing here.
    """
    from planner.models.catalogue.catalogue import find_entry, lookup

    text = name.strip()
    if not text:
        raise InputError("model is empty; write for example gpt-oss-20b or qwen3:32b")
    if _is_path(text) or "://" in text or text.lower().endswith(".gguf"):
        raise InputError("model must be a name of the catalogue or a repository, not a path or an address")
    entry = lookup(text)
    if entry is not None:
        return as_named(from_entry(entry), text)
    with_quant = _with_quant(text)
    if with_quant is not None:
        return with_quant
    reference = _hub_ref(text)
    if reference is not None:
        from planner.models.by_base import model_by_base

        known = model_by_base(reference)
        if known is not None:
            return known
    return from_entry(find_entry(text))  # raises InputError with the names that are near


def from_entry(entry: Entry) -> Model:
    """Return the Model of a catalogue entry."""
    return Model(id=entry.id, name=entry.short_name, architecture=entry.architecture(), entry=entry)


def as_named(model: Model, ref: str) -> Model:
    """Return a catalogue's model as the repository that was named holds it.

    A repository of a quantisation is that quantisation, and what the command fetches. The model's own id names no
    format: which of the published ones is best is for the planner to say.
    """
    from planner.models.catalogue.catalogue import normalise

    entry = model.entry
    wanted = normalise(ref.removeprefix("hf:"))
    if entry is None or wanted == normalise(entry.id):
        return model
    file = next((f for f in entry.files if normalise(f.repo) == wanted), None)
    if file is None:
        return _as_tagged(model, entry, ref)
    if file.format == "gguf":
        return replace(model, repository=file.repo, holds="gguf")
    if len(file.quants) != 1:
        return model
    holds = "checkpoint" if file.format == FileFormat.SAFETENSORS else file.format
    return replace(model, id=file.repo, quant=file.quants[0], repository=file.repo, holds=holds)


def _as_tagged(model: Model, entry: Entry, ref: str) -> Model:
    """Return a catalogue's model as the tag of the Ollama library that was named holds it.

    A tag that spells its quantisation (``qwen3.6:27b-q8_0``) is that one on every engine; of one that doesn't,
    only Ollama knows which file it is.
    """
    from planner.models.gguf.header import quant_of_name

    named = ref.strip().lower()
    tag = next((t for t in entry.ollama if t.tag.lower() == named), None)
    if tag is None:
        return model
    spelled = quant_of_name(f"{tag.tag.replace(':', '-')}.gguf")
    fixed = tag.quant if spelled is not None and tag.quant.upper() == spelled else None
    return replace(model, tag=tag.tag, quant=fixed, holds="gguf" if fixed else model.holds)


def _is_path(text: str) -> bool:
    if text.startswith(("https://", "http://", "hf:")):
        return False
    if text.lower().endswith(".gguf") and text.count("/") != 2:
        return True
    return text.startswith(("./", "../", "/", "~", ".\\")) or text in {".", ".."} or Path(text).is_dir()


def _from_path(text: str) -> Model:
    path = expanded(text)
    if path.is_dir():
        return _from_folder(path, text)
    if not path.exists():
        raise InputError(f"{text}: no such file or folder")
    from planner.models.gguf.header import read_gguf

    return _from_header(read_gguf(path), text, path=str(path))


def _from_folder(path: Path, text: str) -> Model:
    from planner.models.config.architecture import architecture_from_config
    from planner.models.hub.repository import read_config

    architecture = architecture_from_config(read_config(path), name=text)
    return Model(id=text, name=path.resolve().name, architecture=architecture, path=str(path))


def _from_header(
    header: GgufHeader,
    ident: str,
    *,
    path: str | None = None,
    repository: str | None = None,
    file: str | None = None,
) -> Model:
    from planner.models.gguf.architecture import architecture_from_gguf, tensors_from_gguf

    return Model(
        id=ident,
        name=header.name or ident.rsplit("/", 1)[-1],
        architecture=architecture_from_gguf(header),
        quant=header.quant,
        file_bytes=header.weight_bytes,
        tensors=tensors_from_gguf(header),
        path=path,
        repository=repository,
        file=file,
    )


def _hub_ref(text: str) -> HubRef | None:
    from planner.models.hub.repository import parse_hub_ref

    return parse_hub_ref(text)


def _from_address(text: str, progress: Progress | None) -> Model:
    from planner.models.hub.gguf_header import read_remote_gguf

    return _from_header(read_remote_gguf(text, progress=progress), text, path=text)


def _from_hub(ref: HubRef, progress: Progress | None) -> Model:
    from planner.models.hub.gguf_files import pick_gguf
    from planner.models.hub.repository import list_gguf, read_hub_gguf

    if ref.path is None and ref.quant is None and "gguf" not in ref.repo_id.lower():
        return _from_checkpoint(ref.repo_id)
    if ref.path is not None:
        header = read_hub_gguf(ref.repo_id, ref.path, progress)
        return _from_header(header, f"{ref.repo_id}/{ref.path}", repository=ref.repo_id, file=ref.path)
    files = list_gguf(ref.repo_id)
    chosen = pick_gguf(ref.repo_id, files, ref.quant)
    header = read_hub_gguf(ref.repo_id, chosen.path, progress)
    offered = ", ".join(dict.fromkeys(f.quant for f in files if not f.mmproj))
    model = _from_header(header, f"{ref.repo_id}:{chosen.quant}", repository=ref.repo_id, file=chosen.path)
    if ref.quant is None:
        note = f"{ref.repo_id} offers {offered}; planned for {chosen.quant}"
        return replace(model, notes=(note,))
    return model


def _from_checkpoint(repo_id: str) -> Model:
    from planner.models.config.architecture import architecture_from_config
    from planner.models.hub.repository import fetch_config

    architecture = architecture_from_config(fetch_config(repo_id), name=repo_id)
    return Model(id=repo_id, name=repo_id.rsplit("/", 1)[-1], architecture=architecture, repository=repo_id)
