"""The command line, in this process, beside the server."""

from tests.cli.conftest import cli

__all__ = ["cli"]
