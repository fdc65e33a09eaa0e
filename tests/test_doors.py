"""Only a few modules open files or ask the network; whoever reads what strangers wrote goes through them."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "planner"
DOORS = {"bounded_read.py", "bounded_http.py", "own_files.py"}
# Files of the program itself: shipped with it, or written when it is built.
SHIPPED = {
    "advice/claims.py",
    "advice/money/market.py",
    "advice/money/shipped_prices.py",
    "engines/llama_cpp/shipped/constants.py",
    "engines/llama_cpp/shipped/curves.py",
    "hardware/profiles/build_index.py",
    "models/catalogue/build_index.py",
    "models/catalogue/card.py",
    "models/catalogue/catalogue.py",
    "models/catalogue/ratings.py",
    "speed/coefficients.py",
    "speed/measured.py",
    "verify/diagnose/read.py",
}
# module -> what else it may call, and why
OTHERS = {
    "cli/main.py": {"open"},  # the null device, in place of a closed stream
    "cli/doctor.py": {"open"},  # a new file under the name that the user gave, never over another
    "verify/real_llama_cpp.py": {"open"},  # lengthens its own temporary copy
    "engines/llama_cpp/real_engine.py": {"open"},  # the same
    "web/app.py": {"read_bytes"},  # a file of the page, looked up by its name among those that are shipped
    "web/export.py": {"read_bytes", "open"},  # the program itself, packed for a browser
    "hardware/cluster.py": {"create_connection"},  # asks whether anybody listens, reads nothing
}
RAW = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "urlopen", "urlretrieve"}
RAW |= {"expanduser", "home", "create_connection", "recv", "HTTPConnection", "HTTPSConnection"}


def raw_calls(path: Path) -> set[str]:
    """Names of the raw calls in a module; a function of one of the doors, called by its name, is none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("planner.")
        for alias in node.names
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                of_system = isinstance(node.func.value, ast.Name) and node.func.value.id == "system"
                name = "" if of_system else node.func.attr  # System.home reads a variable
            else:
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                name = "" if name in ours else name
            found |= {name} & RAW
    return found


def test_nobody_else_opens_files_or_connections() -> None:
    seen = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in DOORS | SHIPPED and (calls := raw_calls(path) - OTHERS.get(name, set())):
            seen[name] = calls
    assert seen == {}, "read through planner.bounded_read, bounded_http or own_files"


def test_the_scan_sees_raw_calls(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "from planner.bounded_read import read_text\nread_text('a')\nopen('a')\nPath('a').read_bytes()\n"
        "urllib.request.urlopen('http://a')\nPath.home()\n"
    )
    assert raw_calls(path) == {"open", "read_bytes", "urlopen", "home"}
