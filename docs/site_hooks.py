"""mkdocs' hooks: what the pages point at outside docs/ is taken into the site, and their links are set to it.

In the repository every link works as it stands (tests/test_docs.py); the site has the same pages at other places.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
OUTSIDE = ("*.md", "LICENSE", "examples/*", "skills/planner/*.md")
_LINK = re.compile(r"\]\(([^)#\s]+)")


def place(path: str) -> str:
    """Return where a file of the repository lies in the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return path if "/" in path else f"project/{path}"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and files outside docs/."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                name = path.relative_to(ROOT).as_posix()
                files.append(File.generated(config, place(name), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set links between files of the repository to the same files of the site."""
    here = page.file.src_uri
    source = here.removeprefix("project/") if here.startswith("project/") else here
    if here == source and not here.startswith(("examples/", "skills/")):
        source = f"docs/{here}"

    def moved(found: re.Match[str]) -> str:
        if "://" in found[1]:
            return found[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[1]))
        return f"]({posixpath.relpath(place(target), posixpath.dirname(here) or '.')}"

    return _LINK.sub(moved, markdown)
