"""The questions: a record each, whose fields are its arguments, and whose answer is that of the command of its name."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from planner.api.questions.strangers import (
    LONGEST_LINE,
    LONGEST_TEXT,
    named_model,
    no_file,
    plain_settings,
    short,
)
from planner.errors import FieldError
from planner.fast_dataclass import dataclass, replace

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.plan import Plan, Workload

MOST_MODELS: Final = 6
MOST_PLANS: Final = 50
MOST_MACHINES: Final = 12


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about a machine; without any of these fields about the one in front of who asks."""

    profile: str | None = None
    """A machine by name, or composed: "rtx-4090", "2x rtx-3090 + 64GiB ddr5-5600"."""
    ram: str | None = None
    """RAM of the machine: "64GiB"."""
    vram: str | None = None
    """Memory of one otherwise unknown GPU: "24GiB"."""
    free: str | None = None
    """What is free on each device: "20GiB,ram=24GiB"."""
    backend: str | None = None
    """What drives the GPUs: cuda, rocm, vulkan, metal …"""

    def answer(self, here: bool) -> object:
        """Return the answer; `here`: the machine that computes is the asker's. Raises InputError and its kin."""
        raise NotImplementedError

    @property
    def names_machine(self) -> bool:
        """True where a machine is described."""
        return any(value is not None for value in (self.profile, self.ram, self.vram))

    def machine(self, here: bool) -> Machine:
        """Return the machine. Raises InputError for one that is not known, or none where nobody's is here."""
        from planner.api.hardware import adjust_machine, detect, load_profile

        if self.names_machine:
            profile = None if self.profile is None else no_file(self.profile, "profile")
            found = load_profile(profile, ram=self.ram, vram=self.vram)
        elif here:
            found = detect()
        else:
            raise FieldError("profile", "is missing: name a machine, for example rtx-4090")
        if self.free or self.backend:
            return adjust_machine(found, free=self.free, backend=self.backend)
        return found


@dataclass(frozen=True, kw_only=True)
class Used(Question):
    """A question about a machine and how it is used."""

    context: str | None = None
    """Tokens each user needs: "32k"; left out, what the use case needs."""
    users: int = 1
    """Requests at the same time."""
    use_case: str = "general"
    """general, coding, reasoning, multilingual, agents or vision."""
    min_speed: float | None = None
    """Tokens a second that each user should see."""
    load: str = "typical"
    """How full several users' contexts are at once: light, typical or worst."""

    def workload(self, **more: Any) -> Workload:
        """Return how it is used. Raises InputError for what cannot be."""
        from planner.plan import Workload

        found = Workload(
            context=self.context,
            users=self.users,
            use_case=self.use_case,
            min_speed=self.min_speed,
            load=self.load,
            **more,
        )
        return found if found.context is None else replace(found, prompt=min(found.prompt, found.context))


@dataclass(frozen=True, kw_only=True)
class OfModel(Used):
    """A question about one model on a machine."""

    model: str
    """A name of the catalogue (gpt-oss-20b, qwen3:32b), a repository, or an engine's own command line."""
    quant: str | None = None
    """The quantisation: Q4_K_M, FP8, UD-Q4_K_XL …; left out, the best that fits."""
    engine: str | None = None
    """The engine: llama.cpp, ollama, vllm, mlx, sglang; left out, the one that serves the case best."""
    settings: dict[str, Any] | None = None
    """Settings under the engine's own names: {"n_ctx": 8192}."""

    def plan(self, here: bool, **more: Any) -> Plan:
        """Return the plan. Raises InputError, UnsupportedError or RefusedError."""
        from planner.advice.plan.asked_command import Loading
        from planner.advice.plan.asked_command import plan_command as plan_read
        from planner.api.commands import read_command, starts_engine
        from planner.api.planning import plan, with_draft

        machine, workload = self.machine(here), self.workload(**more)
        text = short(self.model, "model", LONGEST_LINE)
        if not starts_engine(text):
            settings = plain_settings(self.settings or {})
            return plan(
                named_model(text), machine, workload, engine=self.engine, quant=self.quant, settings=settings
            )
        command = read_command(text)
        plain_settings({k: v for k, v in command.settings.items() if isinstance(v, str)})
        return plan_read(command, machine, workload, Loading(named_model, with_draft), self.quant)


@dataclass(frozen=True, kw_only=True)
class Check(Used):
    """What runs best on a machine, best first, each with the command that starts it."""

    license: str = "any"
    """any, commercial or permissive."""
    engine: str | None = None
    """Only plans of this engine."""
    limit: int = 8
    """How many plans."""

    def answer(self, here: bool) -> object:
        """Return the check."""
        from planner.api.planning import check

        if self.limit > MOST_PLANS:
            raise FieldError("limit", f"{self.limit} is more than {MOST_PLANS}")
        workload = self.workload(license=self.license)
        return check(self.machine(here), workload, engine=self.engine, limit=self.limit)


@dataclass(frozen=True, kw_only=True)
class PlanOf(OfModel):
    """One model on a machine: memory a device, longest context, speed, what limits it, and the command."""

    prompt: int = 1024
    """Length of a prompt, tokens, for the time to the first token."""
    output: int = 512
    """Length of an answer, tokens, for the speed of several users."""

    def answer(self, here: bool) -> object:
        """Return the plan."""
        return self.plan(here, prompt=self.prompt, output=self.output)


@dataclass(frozen=True, kw_only=True)
class Neighbours(OfModel):
    """What would change a plan's answer, and its memory and speed over the context."""

    def answer(self, here: bool) -> object:
        """Return alternatives and points."""
        from planner.api.planning import alternatives, over_depth
        from planner.documents.neighbours import NeighbourPage

        plan = self.plan(here)
        return NeighbourPage(alternatives(plan), over_depth(plan) if plan.fits else ())


@dataclass(frozen=True, kw_only=True)
class Quants(Used):
    """Every quantisation of a model on a machine: size, longest context, speed, what it loses, whether it fits."""

    model: str
    """A name of the catalogue or a repository."""
    engine: str | None = None
    """Only this engine."""

    def answer(self, here: bool) -> object:
        """Return the quantisations."""
        from planner.api.planning import side_by_side

        return side_by_side(named_model(self.model), self.machine(here), self.workload(), engine=self.engine)


@dataclass(frozen=True, kw_only=True)
class Launch(OfModel):
    """The exact command, and files, that start a model so that its plan holds."""

    format: str = "shell"
    """shell, compose, systemd, kubernetes …"""

    def answer(self, here: bool) -> object:
        """Return the plan with what starts it."""
        from planner.api.planning import launch, planned_by
        from planner.documents.launch import launched

        engine, format = planned_by(self.engine, self.format)
        plan = replace(self, engine=engine).plan(here)
        return launched(plan, launch(plan, format=format) if plan.fits else None)


@dataclass(frozen=True, kw_only=True)
class Buy(Used):
    """Which hardware to get for models, and what not to buy, and why."""

    models: list[str]
    """What it has to run, one at a time."""
    context: str | None = "16k"
    """Tokens each user needs."""
    budget: float | None = None
    """The most that may be spent, US dollars."""
    max_watts: float | None = None
    """The most that the computer may draw under load."""
    have: str | None = None
    """What is there already, to add cards to: "64GiB ddr5-5600"."""
    hours_per_day: float = 8.0
    """Hours a day that it is switched on."""
    kwh_price: float = 0.30
    """Price of a kilowatt-hour."""
    months: float = 36.0
    """Months over which it is counted."""

    def answer(self, here: bool) -> object:
        """Return the options."""
        from planner.advice.money.buy import BuyTerms
        from planner.advice.money.market import Market
        from planner.api.money import buy

        terms = BuyTerms(
            budget=self.budget, max_watts=self.max_watts, hours_per_day=self.hours_per_day,
            kwh_price=self.kwh_price, months=self.months,
        )  # fmt: skip
        market = Market(have=None if self.have is None else no_file(self.have, "have"))
        return buy(_several(self.models), self.workload(), terms, market=market)


@dataclass(frozen=True, kw_only=True)
class BuyMachine(Used):
    """Which machine to get where no model is named: what each runs best, and which is worth its price."""

    license: str = "any"
    """permissive, commercial or any."""
    among: list[str] = field(default_factory=list)
    """Machines that are compared, as profiles; without any, all that is sold within the budget."""
    budget: float | None = None
    """The most that may be spent, US dollars."""
    max_watts: float | None = None
    """The most that the computer may draw under load."""

    def answer(self, here: bool) -> object:
        """Return the machines. Raises InputError for more of them than one question may hold."""
        from planner.advice.money.buy import BuyTerms
        from planner.api.money import buy_machine

        if self.budget is None and not self.among:
            raise FieldError("budget", "is missing: say what may be spent, or which machines among")
        if len(self.among) > MOST_MACHINES:
            raise FieldError("among", f"are more than {MOST_MACHINES} machines")
        terms = BuyTerms(budget=self.budget, max_watts=self.max_watts)
        names = [no_file(name, "among") for name in self.among]
        return buy_machine(self.workload(license=self.license), terms, among=names)


@dataclass(frozen=True, kw_only=True)
class Cost(OfModel):
    """What one's own machine costs over months against a subscription, an API and a rented GPU."""

    tokens_per_day: float = 50_000.0
    """Tokens generated a day, all users together."""
    hours_per_day: float = 8.0
    """Hours a day that it is switched on."""
    kwh_price: float = 0.30
    """Price of a kilowatt-hour."""
    months: float = 36.0
    """Months over which it is counted."""
    price: float | None = None
    """What the whole machine costs; left out, what its profile says."""
    resale: float = 0.0
    """Share of the price got back at the end."""
    subscription: float = 20.0
    """Price of a subscription, a month and user."""
    api_in: float | None = None
    """Price of an API for a million tokens in."""
    api_out: float | None = None
    """Price of an API for a million tokens out."""
    cloud: float | None = None
    """Price of a rented GPU by the hour."""

    def answer(self, here: bool) -> object:
        """Return the costs."""
        from planner.advice.money.own_cost import CostTerms
        from planner.api.money import cost

        if (self.api_in is None) != (self.api_out is None):
            raise FieldError("api_in", "and api_out belong together")
        terms = CostTerms(
            tokens_per_day=self.tokens_per_day, hours_per_day=self.hours_per_day, kwh_price=self.kwh_price,
            months=self.months, price=self.price, resale=self.resale, subscription=self.subscription,
            api=None if self.api_in is None or self.api_out is None else (self.api_in, self.api_out),
            cloud=self.cloud,
        )  # fmt: skip
        return cost(self.plan(here), terms)


@dataclass(frozen=True, kw_only=True)
class Compare(Used):
    """Models side by side: size, licence, scores, memory; with a machine, how each runs there."""

    models: list[str]
    """Two to six models."""
    engine: str | None = None
    """Only this engine."""

    def answer(self, here: bool) -> object:
        """Return the comparison."""
        from planner.api.catalogue import compare

        _several(self.models)
        machine = self.machine(here) if self.names_machine else None
        return compare(self.models, machine, self.workload(), engine=self.engine)


@dataclass(frozen=True, kw_only=True)
class Models(Question):
    """The models of the catalogue, or those that hold every word of a search."""

    search: str = ""
    """Words of names, makers, licences, abilities."""
    license: str = "any"
    """any, commercial or permissive."""

    def answer(self, here: bool) -> object:
        """Return the list."""
        from planner.api.catalogue import list_models

        return list_models(self.search, license=self.license)


@dataclass(frozen=True, kw_only=True)
class Show(Question):
    """All that is known of one model: shape, files, scores with their sources, licence in plain words."""

    name: str
    """A name of the catalogue."""

    def answer(self, here: bool) -> object:
        """Return the page of a model."""
        from planner.api.catalogue import show

        named_model(self.name)
        return show(self.name)


@dataclass(frozen=True, kw_only=True)
class Profiles(Question):
    """Machines, cards and rented instances that `profile` may name."""

    search: str = ""
    """Words of names, makers, kinds."""

    def answer(self, here: bool) -> object:
        """Return the list."""
        from planner.api.hardware import list_profiles

        return list_profiles(self.search)


@dataclass(frozen=True, kw_only=True)
class Claims(Question):
    """What articles say of models and machines, checked by calculation."""

    name: str | None = None
    """One of them; left out, all."""

    def answer(self, here: bool) -> object:
        """Return the findings."""
        from planner.api.evidence import claims

        return claims(self.name)


@dataclass(frozen=True, kw_only=True)
class Diagnose(Question):
    """What happened in a pasted command, log or error, why, and the smallest change that works."""

    text: str
    """The paste."""

    def answer(self, here: bool) -> object:
        """Return the diagnosis."""
        from planner.api.evidence import diagnose
        from planner.documents.diagnose import diagnosis

        return diagnosis(diagnose(short(self.text, "text", LONGEST_TEXT)))


def _several(names: list[str]) -> list[Any]:
    if not 1 <= len(names) <= MOST_MODELS:
        raise FieldError("models", f"must be 1 to {MOST_MODELS} names")
    return [named_model(name) for name in names]
