"""What is handed to strangers: a wheel and an sdist that build the same, install alone, and a site of the pages."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = ("planner", "open-weight-planner")


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"no {module} here (extra [test])")


def ran(*words: str | Path, folder: Path, **env: str) -> str:
    """Run a command in a folder; what it prints."""
    done = subprocess.run(
        [str(w) for w in words],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the sdist of this checkout."""
    needs("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "hatchling", "build", "--directory", folder, folder=ROOT)
    return folder


def test_the_sdist_builds_the_very_wheel(built: Path, tmp_path: Path) -> None:
    """In another folder, from files of another time, under another mask: byte for byte the same."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    (source / "planner" / "__init__.py").touch()
    (source / "planner" / "api" / "__init__.py").chmod(0o600)
    ran(sys.executable, "-m", "hatchling", "build", "--directory", tmp_path / "again", folder=source)
    again = {p.name: sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "again").iterdir()}
    assert again == {p.name: sha256(p.read_bytes()).hexdigest() for p in built.iterdir()}
    assert len(again) == 2


def test_the_index_would_take_them(built: Path) -> None:
    needs("twine")
    said = ran(
        sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), folder=ROOT, NO_COLOR="1"
    )
    assert said.count("PASSED") == 2


def test_both_names_run_where_the_wheel_alone_is_installed(built: Path, tmp_path: Path) -> None:
    """As pipx and uvx do: an environment of its own, an empty home, no checkout in sight."""
    venv.create(tmp_path / "own", symlinks=os.name == "posix")
    bin = tmp_path / "own" / ("Scripts" if os.name == "nt" else "bin")
    python = bin / "python"
    (wheel,) = built.glob("*.whl")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-index",
        "--no-compile",
    ]
    ran(*pip, "--no-deps", "--disable-pip-version-check", wheel, folder=tmp_path)
    # What it depends on is the same as here, and isn't fetched again; its own files come before ours.
    libraries = Path(
        ran(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip()
    )
    (libraries / "here.pth").write_text(sysconfig.get_path("purelib"))
    place = ran(python, "-c", "import planner; print(planner.__file__)", folder=tmp_path)
    assert str(tmp_path) in place
    for name in NAMES:
        assert re.fullmatch(r"planner \d+\.\d+\.\d+\s*", ran(bin / name, "--version", folder=tmp_path))
    said = ran(
        bin / NAMES[1], "plan", "gpt-oss-20b", "--profile", "rtx-4090", folder=tmp_path, HF_HUB_OFFLINE="1"
    )
    assert "gpt-oss-20b" in said and "MXFP4" in said, "the catalogue and the profiles are inside"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    needs("mkdocs")
    ran(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path, folder=ROOT)
    assert "kubernetes" in (tmp_path / "project" / "index.html").read_text(encoding="utf-8"), (
        "the README is in it"
    )
    for page in (ROOT / "docs").glob("*.md"):
        name = "." if page.name == "README.md" else page.stem
        assert (tmp_path / name / "index.html").exists(), page.name


def test_the_container_runs_as_a_user_and_copies_what_is_there() -> None:
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1] not in ("0", "root")
    for line in lines:
        if line.startswith("COPY "):
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line
        if line.startswith("FROM "):
            assert re.search(r":\d+\.\d+", line), "images are named by release"
    assert f'ENTRYPOINT ["{NAMES[1]}"]' in lines
