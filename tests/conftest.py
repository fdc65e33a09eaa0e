"""Before anything is imported: the tests run with nobody's own defaults and profiles."""

from __future__ import annotations

import os
import tempfile

os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="planner-tests-")
