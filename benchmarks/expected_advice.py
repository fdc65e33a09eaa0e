"""What an expert demands of a recommendation, for forty machines, six use cases and one or eight users.

Written from what people of the field say they run, before the answers were looked at: a rule by class of machine and
kind of work, and the exceptions with their reason. A floor of quality is the name of a model that the class is known
to run well, so that it moves with the index; what is recommended first may be no worse than nine tenths of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypedDict

from planner.plan import UseCase


class Work(Enum):
    """Use cases that ask the same of a machine."""

    CHAT = "chat"
    REASONING = "reasoning"
    TOOLS = "tools"


WORK: Final = {
    UseCase.GENERAL: Work.CHAT,
    UseCase.MULTILINGUAL: Work.CHAT,
    UseCase.VISION: Work.CHAT,
    UseCase.REASONING: Work.REASONING,
    UseCase.CODING: Work.TOOLS,
    UseCase.AGENTS: Work.TOOLS,
}
# Nobody starts more than this where every token of it is taken from the memory beforehand.
MOST: Final = {Work.CHAT: 32768, Work.REASONING: 65536, Work.TOOLS: 131072}


class Kind(Enum):
    """Which kind of engine an expert takes; one for many also where no other runs the model, and the plan says so."""

    ANY = "any"
    LOCAL = "for one person"
    SERVER = "batches requests"


@dataclass(frozen=True, slots=True)
class Expected:
    """Floors of one answer: its first place, and for kind of engine and files each of the first three."""

    context: int = 0  # tokens for each user
    speed: float = 0.0  # tokens/s that each user sees
    as_good_as: str = ""  # a model; no floor where empty
    kind: Kind = Kind.ANY
    left: float = 0.0  # GiB of the RAM that stay free


class Changes(TypedDict, total=False):
    """Fields of `Expected` that an exception sets."""

    context: int
    speed: float
    as_good_as: str
    kind: Kind
    left: float


@dataclass(frozen=True, slots=True)
class Class:
    """A class of machines: what one person there, and what eight may expect."""

    machines: tuple[str, ...]
    context: tuple[int, int, int]  # chat, reasoning, tools
    speed: float
    as_good_as: str
    kind: Kind = Kind.LOCAL
    left: float = 0.0
    eight: Expected | None = None  # None: no machine for eight; whatever is said must only exist


K: Final = 1024
CLASSES: Final = (
    Class(("raspberry-pi-5-8gb",), (8 * K, 8 * K, 16 * K), 4, "Qwen3.5-2B", left=2),
    Class(("phone-mid",), (4 * K, 4 * K, 0), 4, "Qwen3.5-2B", left=2),
    Class(("jetson-orin-nano-8gb",), (8 * K, 16 * K, 16 * K), 6, "Qwen3.5-2B", left=2),
    # Two channels of RAM read 30 to 90 GB/s: four billions of weights are what a person waits for.
    Class(("laptop-ddr4-16", "iris-xe-adl-16"), (16 * K,) * 3, 5, "Qwen3.5-4B", left=4),
    Class(("radeon-890m", "laptop-lpddr5x-32"), (16 * K, 32 * K, 32 * K), 6, "Qwen3.5-9B", left=4),
    Class(("apple-m1-8gb",), (8 * K, 8 * K, 16 * K), 8, "Qwen3.5-2B", left=2),
    # Nine billions in four bits don't finish on 16 GB with a browser open.
    Class(("apple-m4-16gb",), (16 * K, 32 * K, 32 * K), 10, "Qwen3.5-4B", left=4),
    Class(("apple-m5-pro-24gb",), (16 * K, 32 * K, 64 * K), 10, "Qwen3.5-9B", left=4),
    Class(
        ("apple-m4-pro-48gb", "apple-m4-max-64gb", "strix-halo-395-64"),
        (32 * K, 64 * K, 64 * K),
        20,
        "Qwen3.6-35B-A3B",
        left=4,
        eight=Expected(8 * K, 8, "Qwen3.5-9B", Kind.ANY, 4),
    ),
    # Owners of these regret dense models at 12 tokens/s: sparse ones are what they stay with.
    Class(
        ("apple-m4-max-128gb", "apple-m3-ultra-96gb", "strix-halo-395-128", "dgx-spark"),
        (32 * K, 64 * K, 64 * K),
        20,
        "Qwen3.6-35B-A3B",
        kind=Kind.ANY,
        left=4,
        eight=Expected(16 * K, 10, "Qwen3.6-35B-A3B", Kind.ANY, 4),
    ),
    Class(
        ("apple-m3-ultra-512gb",),
        (32 * K, 64 * K, 64 * K),
        20,
        "GLM-5.3-Flash",
        left=4,
        eight=Expected(16 * K, 10, "Qwen3.6-35B-A3B", Kind.LOCAL, 4),
    ),
    # Experts in RAM: people run 35 billions, three of them active, at 64k and more on cards of six gigabytes.
    Class(
        ("rtx-4060-laptop", "gtx-1070"),
        (16 * K, 32 * K, 64 * K),
        15,
        "Qwen3.6-35B-A3B",
        eight=Expected(8 * K, 8, "Qwen3.5-4B"),
    ),
    Class(
        ("rtx-3060-12gb", "arc-b580", "rtx-4060-ti-16gb", "rtx-5060-ti-16", "rx-9070-xt"),
        (16 * K, 32 * K, 64 * K),
        20,
        "Qwen3.6-35B-A3B",
        eight=Expected(8 * K, 8, "Qwen3.5-4B"),
    ),
    Class(
        ("rtx-3090", "rtx-4090", "rx-7900-xtx"),
        (32 * K, 32 * K, 64 * K),
        20,
        "Qwen3.6-27B",
        eight=Expected(16 * K, 15, "Qwen3.5-9B"),
    ),
    Class(
        ("rtx-5090", "r9700", "2x rtx-3090 + 128GiB ddr5-5600"),
        (32 * K, 64 * K, 64 * K),
        20,
        "Qwen3.6-27B",
        kind=Kind.ANY,
        eight=Expected(16 * K, 15, "Qwen3.6-35B-A3B"),
    ),
    # Server cards serve: nobody runs an engine for one person on them.
    Class(
        ("l40s", "rtx-pro-6000", "a100-80gb", "h100-80gb", "mi300x"),
        (32 * K, 64 * K, 64 * K),
        25,
        "Qwen3.6-27B",
        kind=Kind.ANY,
        eight=Expected(32 * K, 15, "Qwen3.6-27B", Kind.SERVER),
    ),
    Class(
        ("2x dgx-spark",),
        (32 * K, 64 * K, 64 * K),
        20,
        "Qwen3.8-27B",
        kind=Kind.SERVER,
        left=4,
        eight=Expected(32 * K, 8, "Qwen3.6-35B-A3B", Kind.SERVER, 4),
    ),
    Class(
        ("2x h100-sxm", "8x h100-sxm", "8x h200"),
        (32 * K, 64 * K, 128 * K),
        40,
        "Qwen3.8-27B",
        kind=Kind.SERVER,
        eight=Expected(64 * K, 20, "Qwen3.8-27B", Kind.SERVER),
    ),
)
MACHINES: Final = tuple(name for each in CLASSES for name in each.machines)

ONE: Final = 1
EIGHT: Final = 8
USERS: Final = (ONE, EIGHT)

# (machine, None: every use case, users): what differs from the class's rule, with its reason.
EXCEPTIONS: Final[dict[tuple[str, UseCase | None, int], tuple[Changes, str]]] = {
    ("h100-80gb", None, ONE): (
        {"kind": Kind.SERVER, "speed": 50.0},
        "eight bits by vLLM write a third faster than llama.cpp's Q8_0, and read prompts four times as fast",
    ),
    ("8x h100-sxm", None, ONE): (
        {"as_good_as": "GLM-5.3-Flash"},
        "640 GB hold the largest models; a small one leaves seven cards idle",
    ),
    ("8x h200", None, ONE): ({"as_good_as": "GLM-5.3-Flash"}, "as eight H100"),
    ("dgx-spark", None, EIGHT): (
        {"kind": Kind.SERVER},
        "its memory reads 273 GB/s: eight streams only share it where they are batched",
    ),
    ("rx-7900-xtx", None, ONE): ({"kind": Kind.LOCAL}, "vLLM's kernels for RDNA are young"),
    ("a100-80gb", None, ONE): ({"speed": 30.0}, "2 TB/s read 27 billions in eight bits 60 times a second"),
}


def expected(machine: str, use_case: UseCase, users: int) -> Expected:
    """Return the floors for a machine of the table, a use case and one or eight users."""
    group = next(each for each in CLASSES if machine in each.machines)
    work = WORK[use_case]
    if users == ONE:
        at = list(Work).index(work)
        rule = Expected(group.context[at], group.speed, group.as_good_as, group.kind, group.left)
    elif group.eight is None:
        rule = Expected(kind=group.kind, left=group.left)
    else:
        # Chat is what eight people do with it; who gives tools to eight wants twice as much.
        times = 1 if work is Work.CHAT else 2
        rule = replace(group.eight, context=group.eight.context * times)
    for case in (None, use_case):
        if (machine, case, users) in EXCEPTIONS:
            rule = replace(rule, **EXCEPTIONS[machine, case, users][0])
    return rule
