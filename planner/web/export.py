"""The page as a static site that computes in the browser: the planner's own wheel, Pyodide's files, a service worker.

Pyodide (MPL-2.0) is taken from its own package, as npm hands it out, and by its hash alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import planner
from planner.bounded_read import read_bytes
from planner.errors import InputError
from planner.own_files import write_files
from planner.shipped_files import profiles_dir, seeds_dir

PYODIDE: Final = "314.0.8"
# As the registry of npm states it for pyodide 314.0.8.
INTEGRITY: Final = (
    "sha512-74Wq1kXOC+CCEzAfxuRAO701nAcCMLjf8NrwvWpu8S41dVMXwXmLQ05dYB+F4e46AdnGo0oq7YHSVUpHsoarLQ=="
)
MOST_BYTES: Final = 64 << 20  # of the package, which has 6.5 MB
RUNTIME: Final = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
    "package.json",
)
WHEEL: Final = "planner.whl"
# What a browser has no use for: the other faces.
_LEFT_OUT: Final = frozenset({"cli", "web", "mcp", "_data", "__main__.py"})
# What the page may do, where no server says it. Pyodide compiles WebAssembly; nothing comes from elsewhere.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'"
)


def export(folder: Path, package: Path) -> int:
    """Write the site into a folder and return its bytes; `package` is npm's file of Pyodide.

    Raises InputError for a package that is not the one whose hash is known, and where a name in the folder is taken
    by anything but a regular file.
    """
    runtime = _runtime(package)
    shipped = resources.files("planner.web") / "static"
    site = {file.name: file.read_bytes() for file in shipped.iterdir() if file.is_file()}
    site["index.html"] = _index(site["index.html"])
    site[WHEEL] = wheel()
    every = {**site, **{f"pyodide/{name}": content for name, content in runtime.items()}}
    del every["offline.js"]
    site["offline.js"] = _kept(site["offline.js"], every)
    write_files(folder, site, replace=True)
    write_files(folder / "pyodide", runtime, replace=True)
    return sum(map(len, every.values())) + len(site["offline.js"])


def wheel() -> bytes:
    """Return the planner without its faces, and PyYAML, as a wheel: the same bytes for the same planner."""
    about = f"open_weight_planner-{planner.__version__}.dist-info"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        described = f"Metadata-Version: 2.1\nName: open-weight-planner\nVersion: {planner.__version__}\n"
        for name, content in (*_sources(), (f"{about}/METADATA", described.encode())):
            entry = zipfile.ZipInfo(name)  # of 1980: no clock in it
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()


def _sources() -> Iterator[tuple[str, bytes]]:
    package = Path(planner.__file__).parent
    for file in distribution("PyYAML").files or ():  # compose files and manifests; its own Python, not its C
        if (file.suffix == ".py" and file.parts[0] == "yaml") or file.name == "LICENSE":
            yield file.as_posix(), Path(str(file.locate())).read_bytes()
    for base, place in (
        (package, "planner"),
        (seeds_dir(), "planner/_data/seeds"),
        (profiles_dir(), "planner/_data/profiles"),
    ):
        for path in sorted(base.rglob("*")):
            parts = path.relative_to(base).parts
            if path.is_file() and parts[0] not in _LEFT_OUT and "__pycache__" not in parts:
                yield "/".join((place, *parts)), path.read_bytes()


def _runtime(package: Path) -> dict[str, bytes]:
    """Pyodide's files out of its package, which is read only once its hash is right."""
    content = read_bytes(package, MOST_BYTES)
    if _integrity(content, "sha512") != INTEGRITY:
        raise InputError(
            f"{package} is not the package of Pyodide {PYODIDE} (its hash differs); "
            f"get it by: npm pack pyodide@{PYODIDE}"
        )
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        found = {name: archive.extractfile(f"package/{name}") for name in RUNTIME}
        return {name: file.read() for name, file in found.items() if file is not None}


def _index(page: bytes) -> bytes:
    """The page's first file, told to compute in a worker."""
    head = b'<meta charset="utf-8">\n'
    told = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<meta name="planner" content="worker">\n'
    return page.replace(head, head + told.encode(), 1)


def _kept(script: bytes, files: Mapping[str, bytes]) -> bytes:
    """The service worker with the list of what it keeps, each with its hash."""
    hashes = {name: _integrity(content, "sha256") for name, content in sorted(files.items())}
    release = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:16]
    site = json.dumps({"release": release, "files": hashes}, indent=1)
    return script.replace(b"const SITE = null;", f"const SITE = {site};".encode(), 1)


def _integrity(content: bytes, how: str) -> str:
    return f"{how}-{base64.b64encode(hashlib.new(how, content).digest()).decode()}"
