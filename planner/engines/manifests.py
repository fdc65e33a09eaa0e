"""Commands in the text of a supervisor: a compose file, a systemd unit, a Kubernetes manifest.

What each container or unit starts, with its environment and the GPUs that it asks for; everything else in the text
is left alone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from planner.engines.pasted import Pasted
from planner.errors import InputError

_UNIT: Final = re.compile(r"^\s*ExecStart\s*=", re.MULTILINE)
_YAML: Final = re.compile(r"^\s*-?\s*[\"']?(?:services|apiVersion|kind|image)[\"']?\s*:", re.MULTILINE)
_CONTINUED: Final = re.compile(r"\\\n\s*")
_LIMIT: Final = 200_000  # characters
_DEPTH: Final = 12  # of a pod's specification inside its owner's
_DEFAULTED: Final = re.compile(r"\$\{\w+(?::?-([^}]*))?\}")  # ${NAME:-default}: what isn't set here


def commands_in(text: str) -> list[Pasted]:
    """Return what the text starts; nothing for text of another kind.

    Raises InputError for a file that is too long, or a unit or YAML that can't be read.
    """
    if len(text) > _LIMIT:
        return []
    if _UNIT.search(text):
        return [_unit(text)]
    if not _YAML.search(text):
        return []
    import yaml

    try:
        documents = [d for d in yaml.safe_load_all(text) if isinstance(d, Mapping)]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"the YAML can't be read: {str(error).splitlines()[0]}") from error
    found: list[Pasted] = []
    for document in documents:
        services = document.get("services")
        if isinstance(services, Mapping):
            found += [_service(each) for each in services.values() if isinstance(each, Mapping)]
        else:
            found += [_pod_container(each) for each in _containers(document, _DEPTH)]
    return found


def _unit(text: str) -> Pasted:
    """systemd.service(5): the last ExecStart, and every Environment."""
    env: dict[str, str] = {}
    words: list[str] = []
    for line in _CONTINUED.sub(" ", text).splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.strip() not in ("ExecStart", "Environment"):
            continue
        try:
            parts = [part.replace("%%", "%") for part in shlex.split(value)]
        except ValueError as error:
            raise InputError(
                f"the unit's {name.strip()} can't be split into words: {str(error).lower()}"
            ) from error
        if name.strip() == "Environment":
            env |= {key: said for key, _, said in (part.partition("=") for part in parts)}
        elif parts:
            words = [parts[0].lstrip("@-:+!"), *(part.replace("$$", "$") for part in parts[1:])]
    return Pasted(tuple(words), env)


def _service(service: Mapping[str, Any]) -> Pasted:
    """A service of a compose file."""
    words = _words(service.get("command"))
    entrypoint = _words(service.get("entrypoint"))
    return Pasted(
        (*entrypoint, *words), _environment(service.get("environment")), _image(service), _gpus(service)
    )


def _gpus(service: Mapping[str, Any]) -> str | None:
    """What deploy.resources.reservations.devices, or gpus, asks for, as docker's --gpus says it."""
    said = service.get("gpus")
    if isinstance(said, str | int):
        return str(said)
    devices: Any = service
    for key in ("deploy", "resources", "reservations", "devices"):
        devices = devices.get(key) if isinstance(devices, Mapping) else None
    for device in devices if isinstance(devices, list) else ():
        if isinstance(device, Mapping) and "gpu" in _texts(device.get("capabilities")):
            chosen = _texts(device.get("device_ids"))
            return f"device={','.join(chosen)}" if chosen else str(device.get("count", "all"))
    return None


def _containers(document: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """The containers of a pod, wherever its specification stands in a manifest."""
    for key, value in document.items():
        if key == "containers" and isinstance(value, list):
            yield from (each for each in value if isinstance(each, Mapping))
        elif isinstance(value, Mapping) and depth:
            yield from _containers(value, depth - 1)


def _pod_container(container: Mapping[str, Any]) -> Pasted:
    words = (*_words(container.get("command")), *_words(container.get("args")))
    named = container.get("env")
    pairs = [each for each in named if isinstance(each, Mapping)] if isinstance(named, list) else []
    env = {str(each["name"]): str(each["value"]) for each in pairs if "name" in each and "value" in each}
    resources = container.get("resources")
    limits = resources.get("limits") if isinstance(resources, Mapping) else None
    asked = limits if isinstance(limits, Mapping) else {}
    gpus = next((str(count) for name, count in asked.items() if str(name).endswith("/gpu")), None)
    return Pasted(words, env, _image(container), gpus)


def _image(container: Mapping[str, Any]) -> str | None:
    image = container.get("image")
    return image if isinstance(image, str) else None


def _environment(said: Any) -> dict[str, str]:
    if isinstance(said, Mapping):
        return {str(name): _set(str(value)) for name, value in said.items() if value is not None}
    pairs = (text.partition("=") for text in _texts(said))
    return {name: _set(value) for name, equals, value in pairs if equals}


def _set(text: str) -> str:
    """A value with the defaults of the variables that are not set here."""
    return _DEFAULTED.sub(lambda found: found[1] or "", text)


def _words(said: Any) -> tuple[str, ...]:
    if isinstance(said, str):
        try:
            return tuple(_set(word) for word in shlex.split(said))
        except ValueError as error:
            raise InputError(f"a command can't be split into words: {str(error).lower()}") from error
    return tuple(_set(word) for word in _texts(said))


def _texts(said: Any) -> tuple[str, ...]:
    return (
        tuple(str(each) for each in said if isinstance(each, str | int | float))
        if isinstance(said, list)
        else ()
    )
