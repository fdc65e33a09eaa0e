"""Every --json document validates against the schema that the program publishes, alone on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Cli

COMMANDS = [
    ["check"],
    ["check", "--profile", "h100-80gb", "--context", "32k", "--users", "8"],
    ["check", "--profile", "rtx-4090", "--use-case", "coding", "--license", "permissive"],
    ["check", "--vram", "16GiB", "--ram", "32GiB"],
    ["check", "--ram", "2GiB"],
    ["plan", "gpt-oss-120b", "--profile", "rtx-4090"],
    ["plan", "gpt-oss-120b", "--profile", "rtx-4090", "--engine", "vllm"],
    ["plan", "qwen3:32b", "--profile", "rtx-3090 x2", "--engine", "ollama"],
    ["plan", "deepseek-r1", "--profile", "rtx-4090"],
    ["launch", "gpt-oss-20b", "--profile", "rtx-4090"],
    ["launch", "gpt-oss-120b", "--profile", "h100-80gb", "--engine", "vllm", "--format", "compose"],
    ["buy", "gpt-oss-20b", "--budget", "1500"],
    ["cost", "gpt-oss-20b", "--profile", "rtx-4090"],
    ["models", "gpt-oss"],
    ["profiles", "4090"],
    ["show", "gpt-oss-20b"],
    ["compare", "gpt-oss-20b", "qwen3-32b"],
    ["claims"],
    ["doctor"],
    ["bundle", "gpt-oss-20b", "--profile", "rtx-4090", "--no-ask", "--out", "TMP/bundle"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=[" ".join(c) for c in COMMANDS])
def test_document_validates(cli: Cli, arguments: list[str], tmp_path: Path) -> None:
    answer = cli(*(word.replace("TMP", str(tmp_path)) for word in arguments), "--json")
    assert answer.code in (0, 1), answer.err
    document = json.loads(answer.out)
    schema = json.loads(cli("schema", arguments[0]).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    assert document["schema_version"] == 1


def test_schema_without_a_name_lists_all_of_them(cli: Cli) -> None:
    schemas = json.loads(cli("schema").out)
    assert {c[0] for c in COMMANDS} <= set(schemas)
