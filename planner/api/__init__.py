"""The Python API: all that the commands do, typed and documented. `planner.NAME` is `planner.api.NAME`.

    import planner

    machine = planner.detect()                      # or planner.load_profile("rtx-4090")
    plan = planner.plan("gpt-oss-20b", machine, planner.Workload(context="32k"))
    print(plan.fits, plan.memory.total, plan.command)

Sizes are bytes, contexts and prompts tokens, rates tokens a second, times seconds. Answers are frozen records;
`planner.document(answer)` is what the command prints with --json. A question that cannot be answered raises
InputError, UnsupportedError or RefusedError, each with one line; "nothing fits" is an answer.

Names are imported when they are first used: importing planner costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from planner.advice.bench import Bench, BenchPoint
    from planner.advice.best_machine import MachineAnswer, MachineOption
    from planner.advice.claims import Finding, Verdict
    from planner.advice.money.buy import AUDIBLE_WATTS, QUIET_WATTS, BuyAnswer, BuyTerms, Option
    from planner.advice.money.market import Market, Offer
    from planner.advice.money.own_cost import CostAnswer, CostTerms, OtherCost, OwnCost
    from planner.advice.money.shipped_prices import EUR_FOR_USD, ApiPrice, Electricity
    from planner.advice.plan.comparison import Column, Comparison
    from planner.advice.plan.depth import DepthPoint
    from planner.advice.plan.side_by_side import QuantRow, QuantTable
    from planner.advice.recommend.catalogue_check import CardCheck, FileCheck
    from planner.advice.recommend.recommend import Recommendation
    from planner.advice.together.together import Member, Together
    from planner.advice.together.wish import Wish
    from planner.api.catalogue import (
        check_models,
        compare,
        is_known,
        list_models,
        load_model,
        model_names,
        models_near,
        refresh_models,
        show,
    )
    from planner.api.commands import (
        engine_key,
        plan_command,
        read_command,
        read_options,
        short_options,
        starts_engine,
    )
    from planner.api.evidence import (
        bench_line,
        bench_model,
        bench_server,
        claim_names,
        claims,
        diagnose,
        export_rows,
        forget_speeds,
        measured_like,
        remember,
        verify_file,
        verify_server,
    )
    from planner.api.hardware import (
        adjust_machine,
        detect,
        doctor,
        export_profile,
        list_profiles,
        load_cluster,
        load_profile,
        read_nodes,
    )
    from planner.api.money import api_prices, buy, buy_machine, cost, cost_curves, electricity, read_prices
    from planner.api.offline import bundle, write_bundle
    from planner.api.own_defaults import HERE, config, set_default
    from planner.api.planning import (
        address,
        alternatives,
        check,
        check_cluster,
        connect,
        daemon_of,
        differences_here,
        is_command,
        launch,
        over_depth,
        plan,
        planned_by,
        recommend,
        run,
        shortage,
        side_by_side,
        started_context,
        user_speed,
    )
    from planner.api.together import (
        launch_together,
        plan_together,
        recommend_set,
        set_names,
        wish,
        writes_text,
    )
    from planner.api.vocabulary import (
        backend_names,
        client_names,
        document,
        engine_names,
        engine_title,
        launch_formats,
        quants,
        schema,
        schema_names,
        schemas,
        starter_names,
    )
    from planner.documents.bundle import Bundle
    from planner.documents.check import Check
    from planner.documents.claims import Claims
    from planner.documents.config import Config
    from planner.documents.doctor import Doctor
    from planner.documents.models import CheckedModels, Models
    from planner.documents.profiles import Profiles
    from planner.documents.show import ModelPage
    from planner.documents.verify import Verifications
    from planner.engines.commands import Command
    from planner.engines.launch import Launch
    from planner.errors import (
        FieldError,
        InputError,
        PlannerError,
        RefusedError,
        UnfitError,
        UnsupportedError,
    )
    from planner.hardware.machine import Accelerator, Backend, Cpu, Host, Machine
    from planner.hardware.profiles.listing import ProfileInfo
    from planner.launching.clients.connect import Connected
    from planner.launching.clients.connection import ClientFile
    from planner.launching.run import Ended
    from planner.models.catalogue.catalogue import Entry
    from planner.models.catalogue.refresh import Report
    from planner.models.catalogue.scores import SCALE
    from planner.models.model import Model
    from planner.models.role import Role
    from planner.plan import (
        DeviceMemory,
        Interval,
        MemoryEstimate,
        Placement,
        Plan,
        PlanRequest,
        SpeedEstimate,
        UseCase,
        Workload,
    )
    from planner.reason import Reason, ReasonKind
    from planner.verify.comparison import Part, Verification
    from planner.verify.diagnose.diagnose import Diagnosed

__all__ = [
    "AUDIBLE_WATTS",
    "EUR_FOR_USD",
    "HERE",
    "QUIET_WATTS",
    "SCALE",
    "Accelerator",
    "ApiPrice",
    "Backend",
    "Bench",
    "BenchPoint",
    "Bundle",
    "BuyAnswer",
    "BuyTerms",
    "CardCheck",
    "Check",
    "CheckedModels",
    "Claims",
    "ClientFile",
    "Column",
    "Command",
    "Comparison",
    "Config",
    "Connected",
    "CostAnswer",
    "CostTerms",
    "Cpu",
    "DepthPoint",
    "DeviceMemory",
    "Diagnosed",
    "Doctor",
    "Electricity",
    "Ended",
    "Entry",
    "FieldError",
    "FileCheck",
    "Finding",
    "Host",
    "InputError",
    "Interval",
    "Launch",
    "Machine",
    "MachineAnswer",
    "MachineOption",
    "Market",
    "Member",
    "MemoryEstimate",
    "Model",
    "ModelPage",
    "Models",
    "Offer",
    "Option",
    "OtherCost",
    "OwnCost",
    "Part",
    "Placement",
    "Plan",
    "PlanRequest",
    "PlannerError",
    "ProfileInfo",
    "Profiles",
    "QuantRow",
    "QuantTable",
    "Reason",
    "ReasonKind",
    "Recommendation",
    "RefusedError",
    "Report",
    "Role",
    "SpeedEstimate",
    "Together",
    "UnfitError",
    "UnsupportedError",
    "UseCase",
    "Verdict",
    "Verification",
    "Verifications",
    "Wish",
    "Workload",
    "address",
    "adjust_machine",
    "alternatives",
    "api_prices",
    "backend_names",
    "bench_line",
    "bench_model",
    "bench_server",
    "bundle",
    "buy",
    "buy_machine",
    "check",
    "check_cluster",
    "check_models",
    "claim_names",
    "claims",
    "client_names",
    "compare",
    "config",
    "connect",
    "cost",
    "cost_curves",
    "daemon_of",
    "detect",
    "diagnose",
    "differences_here",
    "doctor",
    "document",
    "electricity",
    "engine_key",
    "engine_names",
    "engine_title",
    "export_profile",
    "export_rows",
    "forget_speeds",
    "is_command",
    "is_known",
    "launch",
    "launch_formats",
    "launch_together",
    "list_models",
    "list_profiles",
    "load_cluster",
    "load_model",
    "load_profile",
    "measured_like",
    "model_names",
    "models_near",
    "over_depth",
    "plan",
    "plan_command",
    "plan_together",
    "planned_by",
    "quants",
    "read_command",
    "read_nodes",
    "read_options",
    "read_prices",
    "recommend",
    "recommend_set",
    "refresh_models",
    "remember",
    "run",
    "schema",
    "schema_names",
    "schemas",
    "set_default",
    "set_names",
    "short_options",
    "shortage",
    "show",
    "side_by_side",
    "started_context",
    "starter_names",
    "starts_engine",
    "user_speed",
    "verify_file",
    "verify_server",
    "wish",
    "write_bundle",
    "writes_text",
]

# module -> what is found there; the same as is imported for type checkers above
_HOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "planner.advice.bench": (
        "Bench",
        "BenchPoint",
    ),
    "planner.advice.claims": (
        "Finding",
        "Verdict",
    ),
    "planner.advice.best_machine": (
        "MachineAnswer",
        "MachineOption",
    ),
    "planner.advice.money.buy": (
        "AUDIBLE_WATTS",
        "QUIET_WATTS",
        "BuyAnswer",
        "BuyTerms",
        "Option",
    ),
    "planner.advice.money.market": (
        "Market",
        "Offer",
    ),
    "planner.advice.money.own_cost": (
        "CostAnswer",
        "CostTerms",
        "OtherCost",
        "OwnCost",
    ),
    "planner.advice.money.shipped_prices": (
        "EUR_FOR_USD",
        "ApiPrice",
        "Electricity",
    ),
    "planner.advice.plan.comparison": (
        "Column",
        "Comparison",
    ),
    "planner.advice.plan.depth": ("DepthPoint",),
    "planner.advice.plan.side_by_side": (
        "QuantRow",
        "QuantTable",
    ),
    "planner.advice.recommend.catalogue_check": (
        "CardCheck",
        "FileCheck",
    ),
    "planner.advice.recommend.recommend": ("Recommendation",),
    "planner.advice.together.together": (
        "Member",
        "Together",
    ),
    "planner.advice.together.wish": ("Wish",),
    "planner.api.catalogue": (
        "check_models",
        "compare",
        "is_known",
        "list_models",
        "load_model",
        "model_names",
        "models_near",
        "refresh_models",
        "show",
    ),
    "planner.api.commands": (
        "engine_key",
        "plan_command",
        "read_command",
        "read_options",
        "short_options",
        "starts_engine",
    ),
    "planner.api.own_defaults": (
        "HERE",
        "config",
        "set_default",
    ),
    "planner.api.evidence": (
        "bench_line",
        "bench_model",
        "bench_server",
        "claim_names",
        "claims",
        "diagnose",
        "export_rows",
        "forget_speeds",
        "measured_like",
        "remember",
        "verify_file",
        "verify_server",
    ),
    "planner.api.hardware": (
        "adjust_machine",
        "detect",
        "doctor",
        "export_profile",
        "list_profiles",
        "load_cluster",
        "load_profile",
        "read_nodes",
    ),
    "planner.api.money": (
        "api_prices",
        "buy",
        "buy_machine",
        "cost",
        "cost_curves",
        "electricity",
        "read_prices",
    ),
    "planner.api.offline": (
        "bundle",
        "write_bundle",
    ),
    "planner.api.planning": (
        "address",
        "alternatives",
        "check",
        "check_cluster",
        "connect",
        "daemon_of",
        "differences_here",
        "is_command",
        "launch",
        "over_depth",
        "plan",
        "planned_by",
        "recommend",
        "run",
        "shortage",
        "side_by_side",
        "started_context",
        "user_speed",
    ),
    "planner.api.together": (
        "launch_together",
        "plan_together",
        "recommend_set",
        "set_names",
        "wish",
        "writes_text",
    ),
    "planner.api.vocabulary": (
        "backend_names",
        "client_names",
        "document",
        "engine_names",
        "engine_title",
        "launch_formats",
        "quants",
        "schema",
        "schema_names",
        "schemas",
        "starter_names",
    ),
    "planner.documents.bundle": ("Bundle",),
    "planner.documents.check": ("Check",),
    "planner.documents.claims": ("Claims",),
    "planner.documents.config": ("Config",),
    "planner.documents.doctor": ("Doctor",),
    "planner.documents.models": (
        "CheckedModels",
        "Models",
    ),
    "planner.documents.profiles": ("Profiles",),
    "planner.documents.show": ("ModelPage",),
    "planner.documents.verify": ("Verifications",),
    "planner.engines.commands": ("Command",),
    "planner.engines.launch": ("Launch",),
    "planner.errors": (
        "FieldError",
        "InputError",
        "PlannerError",
        "RefusedError",
        "UnfitError",
        "UnsupportedError",
    ),
    "planner.hardware.machine": (
        "Accelerator",
        "Backend",
        "Cpu",
        "Host",
        "Machine",
    ),
    "planner.hardware.profiles.listing": ("ProfileInfo",),
    "planner.launching.clients.connect": ("Connected",),
    "planner.launching.clients.connection": ("ClientFile",),
    "planner.launching.run": ("Ended",),
    "planner.models.catalogue.catalogue": ("Entry",),
    "planner.models.catalogue.refresh": ("Report",),
    "planner.models.catalogue.scores": ("SCALE",),
    "planner.models.model": ("Model",),
    "planner.models.role": ("Role",),
    "planner.plan": (
        "DeviceMemory",
        "Interval",
        "MemoryEstimate",
        "Placement",
        "Plan",
        "PlanRequest",
        "SpeedEstimate",
        "UseCase",
        "Workload",
    ),
    "planner.reason": (
        "Reason",
        "ReasonKind",
    ),
    "planner.verify.comparison": (
        "Part",
        "Verification",
    ),
    "planner.verify.diagnose.diagnose": ("Diagnosed",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module 'planner.api' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
