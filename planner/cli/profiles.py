"""`planner profiles`: the devices and machines that --profile knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import FormatOption, JsonOption
from planner.cli.output import PLAIN, diagnostic, print_document, print_line, print_table
from planner.units import GIB

if TYPE_CHECKING:
    from planner.api import ProfileInfo


def profiles(
    search: Annotated[
        list[str] | None,
        typer.Argument(
            help="Words of name, maker, kind or size, in any order: '3090', 'mac studio', 'nvidia 80gb'."
        ),
    ] = None,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """The devices and machines that --profile knows, with memory, bandwidth and a dated price."""
    from planner.api import list_profiles

    words = " ".join(search or [])
    answer = list_profiles(words)
    found = answer.profiles
    for problem in answer.problems:
        diagnostic(f"one of your own profiles is left out: {problem}")
    if json:
        print_document(answer)
        return 0 if found else 1
    if not found:
        diagnostic(f"no profile matches '{words}'; list all with: planner profiles")
        return 1
    sizes = {i.id: i.memory for i in list_profiles().profiles} if any(i.gpu for i in found) else {}
    rows = [_row(i, sizes) for i in found]
    headers = ("profile", "kind", "memory GiB", "GB/s", "US$", "as of")
    print_table(rows, headers, format, ("left", "left", "right", "right", "right", "left"))
    if format == PLAIN:
        count = "1 profile" if len(found) == 1 else f"{len(found)} profiles"
        print_line(f"{count}. Use one with: planner check --profile {found[0].id}")
    return 0


_PRICE_KINDS = ("launch", "new", "used", "list")


def _row(info: ProfileInfo, sizes: dict[str, int | None]) -> tuple[str, ...]:
    memory = info.memory if info.kind == "gpu" else info.ram
    count = f"{info.gpu_count} x {_gib(sizes.get(info.gpu))}" if info.gpu else ""
    bandwidth = "" if info.bandwidth is None else f"{info.bandwidth / 1e9:,.0f}"
    return (info.id, info.kind, count or _gib(memory), bandwidth, _price(info), _month(info.price_date))


def _month(date: str | None) -> str:
    return date[:7] if date and date[:4].isdigit() else ""


def _gib(size: int | None) -> str:
    return "" if size is None else f"{size / GIB:.1f}".removesuffix(".0")


def _price(info: ProfileInfo) -> str:
    if info.hourly_price is not None and info.price_low is None:
        return f"{info.hourly_price:.2f}/h"
    if info.price_low is None or info.price_high is None:
        return ""
    low, high = f"{info.price_low:,.0f}", f"{info.price_high:,.0f}"
    kind = next((k for k in _PRICE_KINDS if (info.price_kind or "").startswith(k)), "")
    return f"{low if low == high else f'{low}-{high}'} {kind}".rstrip()
