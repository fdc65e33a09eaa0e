"""Write YAML that is read as nothing but what was written.

Every string is double-quoted or, with several lines, a literal block where YAML can hold it so: no value
becomes a date, a number or a truth value for a reader of another version of YAML. No anchors, no tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from planner.safe_text import check_utf8

if TYPE_CHECKING:
    import yaml


def to_yaml(value: Mapping[str, Any], comment: str = "") -> str:
    """Return one YAML document; `comment` lines stand above it."""
    return to_yaml_documents([value], comment)


def to_yaml_documents(values: Sequence[Mapping[str, Any]], comment: str = "") -> str:
    """Return several YAML documents in one file."""
    import yaml

    head = "".join(f"# {line}\n" for line in comment.splitlines())
    bodies = (
        yaml.dump(value, Dumper=_dumper(), sort_keys=False, width=1 << 20, default_flow_style=False)
        for value in values
    )
    return head + "---\n".join(bodies)


@cache
def _dumper() -> type[yaml.SafeDumper]:
    """Return PyYAML's dumper with our styles; made where it is asked for: few commands write YAML."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)  # lists stand deeper than their key

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_mapping(
            self, tag: str, mapping: Any, flow_style: bool | None = None
        ) -> yaml.MappingNode:
            node = super().represent_mapping(tag, mapping, flow_style)
            for key, _ in node.value:
                # Quoted only where a plain word would be read as something else; "y" and "n" by old readers.
                key.style = '"' if key.value.lower() in ("y", "n") else None
            return node

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        check_utf8(value, "YAML")
        style = "|" if "\n" in value.rstrip("\n") else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    Dumper.add_multi_representer(str, text)
    return Dumper
