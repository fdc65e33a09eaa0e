"""How the JSON of a record differs from its fields: what is left out, renamed, rounded, or printed beside them.

Everything that is declared of any record stands here; a record that isn't named is printed field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the JSON of one record differs from its fields."""

    without: tuple[str, ...] = ()
    """Fields that are left out."""
    also: tuple[str, ...] = ()
    """Properties that are printed after the fields."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Field or property -> its name in the JSON."""
    by: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Field or property -> what its value goes through, where there is one."""
    inline: tuple[str, ...] = ()
    """Fields that are records, whose own fields stand here instead of them."""
    alone: str | None = None
    """The one field that is printed instead of an object."""


def four_digits(value: float) -> float:
    """Round to four significant digits: what lies behind is not known."""
    return float(f"{value:.4g}")


def two_decimals(value: float) -> float:
    """Round to hundredths."""
    return round(value, 2)


def four_decimals(value: float) -> float:
    """Round to ten thousandths."""
    return round(value, 4)


def five_decimals(value: float) -> float:
    """Round to hundred thousandths."""
    return round(value, 5)


def six_decimals(value: float) -> float:
    """Round to millionths."""
    return round(value, 6)


def whole(value: float) -> int:
    """Cut off what is behind the point."""
    return int(value)


def or_null(value: Any) -> Any:
    """Return None for an empty text or a 0, which here means that nothing is known."""
    return value or None


def dotted(version: tuple[int, int]) -> str:
    """Write a compute capability as NVIDIA does: "8.9"."""
    return f"{version[0]}.{version[1]}"


def ids(models: Iterable[Any]) -> list[str]:
    """Name models by their ids alone."""
    return [str(model.id) for model in models]


PLAIN_FORM: Final = Form()
# "module:class" -> how it differs. Words instead of classes: nothing is imported to print something else.
FORMS: Final[Mapping[str, Form]] = {
    "planner.reason:Reason": Form(alone="text"),
    "planner.plan:Plan": Form(also=("tight",), by={"max_concurrency": four_digits}),
    "planner.plan:MemoryEstimate": Form(also=("total",)),
    "planner.plan:DeviceMemory": Form(also=("total",)),
    "planner.plan:Interval": Form(by={"low": four_digits, "expected": four_digits, "high": four_digits}),
    "planner.hardware.machine:Host": Form(named={"accelerators": "gpus"}),
    # The serial number of somebody's card is nobody's business.
    "planner.hardware.machine:Accelerator": Form(
        without=("uuid",), by={"compute_capability": dotted, "memory_bandwidth": whole}
    ),
    "planner.hardware.profiles.listing:ProfileInfo": Form(
        named={"device_class": "class", "bandwidth": "memory_bandwidth"}, by={"bandwidth": whole}
    ),
    "planner.advice.together.together:Together": Form(also=("takes_turns",)),
    "planner.advice.together.usage:SharedDevice": Form(also=("fits",)),
    "planner.documents.launch:LaunchedPlan": Form(inline=("plan",)),
    "planner.documents.launch:LaunchedTogether": Form(inline=("together",)),
    "planner.models.catalogue.catalogue:Entry": Form(
        also=(
            "id", "short_name", "family", "vendor", "released", "licence", "licence_class", "context",
            "context_extended", "total_params", "active_params", "capabilities", "judged_scores", "verified",
            "superseded_by",
        ),
        named={"short_name": "name", "judged_scores": "scores"},
        by={
            "released": or_null,
            "context_extended": or_null,
            "total_params": whole,
            "active_params": whole,
            "verified": or_null,
            "superseded_by": or_null,
        },
    ),
    "planner.documents.fleet:FleetPlaces": Form(also=("complete",)),
    "planner.documents.show:ModelPage": Form(inline=("entry",)),
    "planner.models.hub.client:HubFile": Form(by={"sha256": or_null}),
    "planner.models.catalogue.shape_check:ShapeCheck": Form(
        without=("error",),
        also=("complete", "verified", "difference"),
        named={
            "text": "counted",
            "counted": "published_count_holds",
            "verified": "parameters_verified",
            "read": "dimensions_read",
        },
        by={
            "text": or_null,
            "published": or_null,
            "counted": or_null,
            "reason": or_null,
            "difference": six_decimals,
        },
    ),
    "planner.advice.recommend.catalogue_check:FileCheck": Form(
        also=("error",), named={"error": "difference"}, by={"error": six_decimals}
    ),
    "planner.advice.recommend.catalogue_check:CardCheck": Form(
        also=("by_file",), named={"by_file": "file_verified"}, inline=("shape",)
    ),
    "planner.documents.models:CheckedModels": Form(also=("summary",)),
    "planner.advice.plan.comparison:Comparison": Form(named={"columns": "models"}),
    "planner.advice.plan.comparison:Column": Form(
        named={"cache": "kv_cache"}, by={"reason": or_null}, inline=("entry",)
    ),
    "planner.advice.plan.side_by_side:QuantRow": Form(
        named={"speed": "decode_tps", "loss": "quality_loss"}, by={"loss": four_digits}
    ),
    "planner.advice.money.buy:BuyAnswer": Form(named={"best": "options"}, inline=("question",)),
    "planner.advice.money.buy:Question": Form(by={"models": ids}, inline=("terms",)),
    "planner.advice.money.buy:Option": Form(
        named={"speed": "decode_tps", "loss": "quality_loss"},
        by={"cost": two_decimals, "loss": four_digits},
        inline=("offer",),
    ),
    "planner.advice.best_machine:MachineAnswer": Form(inline=("question",)),
    "planner.advice.best_machine:MachineQuestion": Form(inline=("terms",)),
    "planner.advice.best_machine:MachineOption": Form(
        named={"speed": "decode_tps"},
        by={"cost": two_decimals, "score": four_digits, "worth": four_digits},
        inline=("offer",),
    ),
    "planner.advice.money.market:Offer": Form(named={"spec": "profile", "hourly": "hourly_price"}),
    "planner.advice.money.own_cost:CostAnswer": Form(inline=("usage",)),
    "planner.advice.money.own_cost:OwnCost": Form(
        by={
            "kwh_per_day": four_decimals,
            "running_per_month": four_decimals,
            "total": two_decimals,
            "per_million_output": four_decimals,
        }
    ),
    "planner.advice.money.own_cost:OtherCost": Form(
        by={"per_month": four_decimals, "total": two_decimals, "per_million_output": four_decimals}
    ),
    "planner.documents.bundle:BundledEngine": Form(named={"source": "from"}),
    "planner.verify.comparison:Verification": Form(also=("agrees",)),
    "planner.verify.comparison:Part": Form(
        also=("error", "agrees"), by={"predicted": whole, "measured": whole, "error": five_decimals}
    ),
}  # fmt: skip
