"""Choose engine and quantisation where they are left open: the best complete plan of a model on a machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from planner.advice.plan.candidates import (
    EIGHT_BITS,
    FASTEST_BITS,
    FOUR_BITS,
    SIXTEEN_BITS,
    bits_of,
    engines_for,
    is_last_resort,
    ladders,
    offered_quants,
    quants_for,
    serves_all,
)
from planner.advice.plan.licence import hold_to_licence
from planner.advice.plan.one_plan import bare_plan, complete, ranking_plan, shortage, with_measurement
from planner.advice.plan.question import PlanQuestion
from planner.advice.plan.rivals import rather_than, the_only_one
from planner.advice.plan.worth import (
    OWN_ABILITY,
    Worth,
    comfortable_speed,
    enough_speed,
    is_short,
    is_usable,
    misses_speed,
    started_context,
    user_interval,
    user_speed,
    worth,
)
from planner.engines.facts import Weights
from planner.engines.register import engine_facts, get_engine, offered
from planner.errors import InputError, RefusedError, UnsupportedError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.models.load import from_entry
from planner.models.model import Model
from planner.plan import Placement, Plan, UseCase
from planner.reason import Reason, ReasonKind, Value
from planner.units import rate_text

_DEMANDING: Final = frozenset({UseCase.CODING, UseCase.REASONING, UseCase.AGENTS})


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan with what it is worth."""

    plan: Plan
    worth: Worth
    final: bool = True  # False: good enough to rank; the longest context may be understated

    @property
    def usable(self) -> bool:
        """True where a user would call it usable; set against the workload when it was chosen."""
        return self.worth.total > float("-inf")


def quant_loss(
    model: Model, quant: str, score: float | None = None, use_case: UseCase = UseCase.GENERAL
) -> float:
    """Points of quality that a quantisation is expected to cost this model, of the score that it has."""
    from planner.quant.loss import quality_loss, same_format

    arch = model.architecture
    native = next((name for name in _published_formats(model) if same_format(quant, name)), "")
    return quality_loss(
        quant,
        float(arch.parameters()),
        score,
        native,
        float(arch.active_parameters()),
        demanding=use_case in _DEMANDING,
    )[0]


def _published_formats(model: Model) -> Iterable[str]:
    """Names of the format that the maker published the weights in: what the scores were measured in."""
    found = model.architecture.quantization or {}
    yield str(found.get("quant_method", ""))
    if str(found.get("format", "")).startswith("mxfp4"):
        yield "MXFP4"
    own = model.entry.files[:1] if model.entry is not None else ()
    for file in own:
        if model.entry is not None and file.repo == model.entry.id and len(file.quants) == 1:
            yield file.quants[0]


def choose(
    question: PlanQuestion,
    score: float | None = None,
    *,
    last_resort: bool = True,
    ranking: bool = False,
    spill: bool = True,
) -> Choice | None:
    """Return the best plan over engines and quantisations; None where no engine runs the model at all.

    `score`: the model's published one, where its plans are to be ranked among those of other models; without it
    they are compared with each other, by the share of the model's own ability that they keep. `last_resort`
    allows quantisations that lose too much to be recommended. Where nothing fits, the plan that is nearest to
    fitting is returned, with fits=False. `ranking` allows plans that are good enough to rank but not to show;
    the choice then says whether it is one. Without `spill`, nothing runs partly from RAM.
    """
    search = _Search(question, OWN_ABILITY if score is None else score, ranking=ranking)
    serving = question.engine is None and serves_all(question.machine)
    for engine in engines_for(question):
        facts = engine_facts(engine)
        if serving and search.serves and not facts.serves_many:
            continue  # nobody serves one person after the other on the GPUs of a server
        if search.whole and facts.variant_of is not None:
            continue  # it would run the same with defaults of its own
        if question.quant is not None:
            search.first_that_fits(engine, (question.quant,))
        else:
            whole, rest = ladders(question, engine, last_resort=last_resort)
            ready = tuple(quant for quant in whole if facts.is_published(question.model, quant))
            if ready or question.engine is None:  # nobody is sent to convert what is found ready
                whole = ready
            search.first_whole(engine, whole)
            if (
                rest
                and spill
                and not (search.whole and search.best and bits_of(search.best.plan.quant) >= FOUR_BITS)
            ):
                search.first_that_fits(engine, rest)
    return search.answer()


class _Search:
    """Plans one after the other, keeping the best and what came nearest to fitting."""

    def __init__(self, question: PlanQuestion, score: float, *, ranking: bool) -> None:
        self._question = question
        self._model = question.model
        self._workload = question.workload
        self._score = score
        self._ranking = ranking
        self._nearest: Plan | None = None
        self._needs_speed = False
        self._by_engine: dict[str, Choice] = {}
        self._refused: dict[str, str] = {}  # engine -> why it runs nothing of the model here
        self.best: Choice | None = None

    @property
    def whole(self) -> bool:
        """True where the best plan lies on GPUs alone."""
        return self.best is not None and self.best.plan.placement is Placement.GPU

    @property
    def serves(self) -> bool:
        """True where the best plan is one that somebody can work with."""
        return self.best is not None and is_usable(self.best.plan, self._workload)

    def first_whole(self, engine: str, quants: Iterable[str]) -> None:
        """Try quantisations, largest first, until one lies on GPUs alone, with a decent context and speed.

        Smaller ones only lose quality from there on, except eight bits after sixteen: they lose next to
        nothing and read half the bytes.
        """
        found = False
        for quant in quants:
            if found and bits_of(quant) < EIGHT_BITS:
                return
            plan = self._try(engine, quant)
            if plan is None or plan.placement is not Placement.GPU:
                continue
            context = started_context(plan)
            # What would take too long to read is not made longer by fewer bits.
            short = is_short(context, self._workload) and plan.request.open_context is None
            whole_context = context >= self._model.usable_context
            tps = user_speed(plan, self._workload)
            # Below four bits, what is won in speed is lost in quality.
            slow = (
                tps is not None and tps < comfortable_speed(self._workload) and bits_of(quant) > FASTEST_BITS
            )
            if not slow and (not short or whole_context):
                if misses_speed(plan, self._workload):
                    # Smaller ones only count from here on if they reach the speed that was asked for.
                    self._needs_speed = True
                    continue
                if bits_of(quant) < SIXTEEN_BITS or (tps is not None and tps >= enough_speed(self._workload)):
                    return
                found = True

    def first_that_fits(self, engine: str, quants: Iterable[str]) -> None:
        """Try quantisations, largest first, until one fits at all."""
        for quant in quants:
            if self._try(engine, quant) is not None:
                return

    def _try(self, engine: str, quant: str) -> Plan | None:
        """Plan one quantisation; None where it does not fit or cannot be run."""
        request = self._question.request(quant)
        refusal = get_engine(engine).supports(request.model, quant, request.machine)
        if refusal is not None:
            self._refused.setdefault(engine, str(refusal))
            return None
        try:
            plan, final = ranking_plan(engine, request)
            if not (plan.fits or final or self._ranking):
                plan, final = bare_plan(engine, request), True
        except (RefusedError, UnsupportedError) as error:
            self._refused.setdefault(engine, str(error))
            return None
        if not plan.fits:
            self._refused[engine] = f"in {quant} {shortage(plan)}"
            if self._nearest is None or plan.memory.total < self._nearest.memory.total:
                self._nearest = plan
            return None
        bare = plan
        plan = complete(plan, ranking=True)
        if plan.request is not bare.request:
            final = False  # its context was made shorter, well enough to rank
        loss = quant_loss(self._model, quant, self._score, self._workload.use_case)
        value = worth(plan, self._score, loss, self._workload)
        known = self._by_engine.get(engine)
        if known is None or value.total > known.worth.total:
            self._by_engine[engine] = Choice(plan, value, final)
        if self._needs_speed:
            if not misses_speed(plan, self._workload):
                self.best, self._needs_speed = Choice(plan, value, final), False
        elif self.best is None or self._beats(plan, value, self.best):
            self.best = Choice(plan, value, final)
        return plan

    def _beats(self, plan: Plan, value: Worth, best: Choice) -> bool:
        """True for what is worth more, or the same and faster: beyond enough speed none is worth more."""
        if value.total != best.worth.total:
            return value.total > best.worth.total
        mine, other = user_speed(plan, self._workload), user_speed(best.plan, self._workload)
        return mine is not None and other is not None and mine > other

    def answer(self) -> Choice | None:
        """Return the best plan, else the nearest to fitting, else None."""
        if self.best is not None:
            best = self.best if self._ranking or self.best.final else self._planned_anew(self.best)
            return self._beside_others(best)
        if self._nearest is None:
            return None
        plan = complete(self._nearest)
        return Choice(plan, worth(plan, self._score, 0.0, self._workload))

    def _planned_anew(self, best: Choice) -> Choice:
        """The choice as it is shown: what ranked may understate the longest context, and no more than that."""
        request = self._question.request(best.plan.quant)
        plan = complete(bare_plan(best.plan.engine, request))
        value = worth(plan, self._score, best.worth.quant_loss, self._workload)
        return Choice(plan, value)

    def _beside_others(self, best: Choice) -> Choice:
        """The choice, saying what it was chosen over where another engine runs the model here too."""
        others = [c for engine, c in self._by_engine.items() if engine != best.plan.engine]
        other = max(others, key=lambda c: c.worth.total, default=None)
        if other is None:
            return self._alone(best)
        reason = rather_than(best.plan, other.plan, self._workload)
        return replace(best, plan=replace(best.plan, why=(*best.plan.why, reason)))

    def _alone(self, best: Choice) -> Choice:
        """The choice of what one engine alone runs here, with the others' own reasons."""
        others = {engine: why for engine, why in self._refused.items() if engine != best.plan.engine}
        if self._model.architecture.gguf_arch is None:
            for facts in offered():
                if facts.loads is Weights.GGUF and facts.variant_of is None:
                    refusal = get_engine(facts.name).supports(
                        self._model, best.plan.quant, self._question.machine
                    )
                    others |= {} if refusal is None else {facts.name: str(refusal)}
        if not others:
            return best
        reason = the_only_one(best.plan, others)
        return replace(best, plan=replace(best.plan, why=(*best.plan.why, reason)))


def plan_model(question: PlanQuestion) -> Plan:
    """Plan one model on one machine; what is left open is chosen.

    Raises UnsupportedError where no engine (or the one that was asked for) runs the model, with its reason;
    RefusedError where the engine would refuse the settings, or the licence is another than was asked for; InputError
    for bad settings.
    """
    model, quant = question.model, question.quant
    hold_to_licence(model, question.workload)
    if quant is not None and model.quant is not None and quant.lower() != model.quant.lower():
        model = _in_another(model, quant)
        question = replace(question, model=model)
    wanted = model.quant or quant
    if wanted is not None:
        wanted = _spelled(model, engines_for(question), wanted)
    question = replace(question, quant=wanted)
    if question.engine is not None and wanted is not None:
        # Everything is decided: let the engine say itself why it would not do it.
        name, request = get_engine(question.engine).name, question.request(wanted)
        reason = get_engine(name).supports(model, wanted, question.machine)
        if reason is not None:
            raise UnsupportedError(f"{name} cannot run {model.name} as {wanted} here: {reason}", reason)
        return _finished(complete(bare_plan(name, request)))
    # As in a recommendation, what loses too much is left out unless nothing else fits.
    choice = choose(question, last_resort=False)
    if choice is None or not choice.plan.fits:
        choice = choose(question)
    if choice is not None:
        return _finished(_as_last_resort(choice.plan))
    raise UnsupportedError(_why_not(question))


def _in_another(model: Model, quant: str) -> Model:
    """The model in another quantisation than the repository that was named holds; InputError for a file's."""
    if model.entry is None or model.tensors is not None:
        raise InputError(f"{model.id} holds {model.quant}, not {quant}; leave out --quant")
    note = f"{model.id} holds {model.quant}: planned in {quant} instead, as --quant asks, from another repository."
    return replace(from_entry(model.entry), notes=(note, *model.notes))


def _as_last_resort(plan: Plan) -> Plan:
    """Say of a quantisation that was chosen because no better one fits what it costs."""
    if not plan.fits or not is_last_resort(plan.quant):
        return plan
    from planner.quant.loss import loss_share

    loss = loss_share(plan.quant, float(plan.request.arch.parameters()))[0]
    text = (
        f"{plan.quant} is a last resort, as nothing larger fits: expect about {loss:.0%} less of what the model"
        " can do. A smaller model in four bits may serve better (planner check)."
    )
    warning = Reason(ReasonKind.LAST_RESORT, text, {"quant": plan.quant, "loss": loss})
    return replace(plan, warnings=(warning, *plan.warnings))


def _finished(plan: Plan) -> Plan:
    workload = plan.request.workload
    speed = user_interval(plan, workload.users)
    if speed is not None and misses_speed(plan, workload):
        each = " for each user" if workload.users > 1 else ""
        asked = workload.min_speed or 0.0
        text = (
            f"{rate_text(speed.expected)} tokens/s{each} is below the {rate_text(asked)} "
            "asked for (--min-speed)."
        )
        figures: dict[str, Value] = {"speed": speed.expected, "asked": asked, "users": workload.users}
        warning = Reason(ReasonKind.BELOW_ASKED_SPEED, text, figures)
        plan = replace(plan, warnings=(warning, *plan.warnings))
    return with_measurement(plan) if plan.request.machine.detected else plan


def _spelled(model: Model, engines: tuple[str, ...], quant: str) -> str:
    """Return the quantisation as the engine spells it; InputError where no engine offers it."""
    offered: list[str] = []
    for engine in engines:
        for name in offered_quants(model, engine):
            if name.lower() == quant.lower():
                return name
            offered.append(name)
    if model.quant is not None:
        return model.quant
    if not quant.strip():
        raise InputError("--quant is empty; write for example Q4_K_M, or leave it out")
    names = list(dict.fromkeys(offered))
    near = next(iter(_near(quant, names)), None)
    hint = f" Did you mean {near}?" if near else ""
    raise InputError(f"quantisation '{quant}' is not one of those for {model.name}.{hint} {', '.join(names)}")


def _near(word: str, names: list[str]) -> list[str]:
    """Return the names that a mistyped one may mean, the nearest first."""
    from difflib import get_close_matches

    spelled = {re.sub(r"[^a-z0-9]", "", n.lower()): n for n in names}
    return [spelled[n] for n in get_close_matches(re.sub(r"[^a-z0-9]", "", word.lower()), spelled, 1)]


def _why_not(question: PlanQuestion) -> str:
    """Return the first engine's own reason, by asking it once more."""
    model, machine, engine = question.model, question.machine, engines_for(question)[0]
    name = question.quant or next(iter(quants_for(model, engine)), None)
    reason = get_engine(engine).supports(model, name or "BF16", machine)
    if name is None:
        return f"{engine} cannot run {model.name}: {reason or 'it has no quantisation for it'}"
    if reason is None:
        try:
            bare_plan(engine, question.request(name))
        except (RefusedError, UnsupportedError) as error:
            return str(error)
    return f"{engine} cannot run {model.name} here: {reason}{_instead(model, machine, engine)}"


def _instead(model: Model, machine: Machine, engine: str) -> str:
    """Return which engine runs the model here where this one never does; nothing where none does."""
    for other in (facts.name for facts in offered()):
        if other != engine and any(
            get_engine(other).supports(model, quant, machine) is None
            for quant in quants_for(model, other)[:1]
        ):
            return f"; {other} does: --engine {other}"
    return ""
