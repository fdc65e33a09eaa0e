"""Money: which hardware to get for a model, and what owning it costs against renting or an API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from planner.api.arguments import instance_of, text_of, the_models, the_plan, the_workload

if TYPE_CHECKING:
    from planner.advice.best_machine import MachineAnswer
    from planner.advice.money.buy import BuyAnswer, BuyTerms
    from planner.advice.money.cost import Curve
    from planner.advice.money.market import Market
    from planner.advice.money.own_cost import CostAnswer, CostTerms
    from planner.advice.money.shipped_prices import ApiPrice, Electricity
    from planner.models.model import Model
    from planner.plan import Plan, Workload


def buy(
    models: Model | str | Sequence[Model | str],
    workload: Workload | None = None,
    terms: BuyTerms | None = None,
    *,
    market: Market | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BuyAnswer:
    """Find which hardware to get for models, one at a time: the cheapest, what is better, and what not to buy.

    `terms` hold budget, electricity and period, `market` prices of one's own. `progress(done, all)` is called
    while it works (seconds). Raises InputError for a model or profile that isn't known.

        >>> answer = planner.buy("gpt-oss-20b", terms=planner.BuyTerms(budget=1500))
        >>> all(option.offer.price <= 1500 for option in answer.best)
        True
    """
    from planner.advice.money.buy import BuyTerms, Question
    from planner.advice.money.buy import buy as find
    from planner.advice.money.market import Market, offers
    from planner.hardware.profiles.load import load_profile

    here = Market() if market is None else instance_of(market, Market, "market")
    asked = Question(
        tuple(the_models(models)),
        the_workload(workload),
        BuyTerms() if terms is None else instance_of(terms, BuyTerms, "terms"),
    )
    if here.have is not None:
        load_profile(f"rtx-3090 + {here.have}")  # says at once when the parts are not understood
    return find(asked, offers(here), load_profile, progress)


def buy_machine(
    workload: Workload | None = None,
    terms: BuyTerms | None = None,
    *,
    among: Sequence[str] = (),
    market: Market | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MachineAnswer:
    """Find which machine to get where no model is named: the best that each runs, and which is worth its price.

    `among`: profiles that are compared ("rtx-5090", "dgx-spark", "2x rtx-3090"); without it, all that is sold
    within the terms' budget. `progress(done, all)` is called while it works (seconds). Raises InputError for a
    profile that isn't known.

        >>> answer = planner.buy_machine(planner.Workload(use_case="coding"), among=["apple-m4-16gb"])
        >>> answer.options[0].offer.spec
        'apple-m4-16gb'
    """
    from planner.advice.best_machine import MachineQuestion, best_machine
    from planner.advice.money.buy import BuyTerms
    from planner.advice.money.market import Market, described, offers
    from planner.hardware.profiles.load import load_profile

    here = Market() if market is None else instance_of(market, Market, "market")
    names = tuple(text_of(name, "among") for name in among)
    asked = MachineQuestion(
        the_workload(workload), BuyTerms() if terms is None else instance_of(terms, BuyTerms, "terms"), names
    )
    sold = (described(name, here) for name in names) if names else offers(here, cloud=False)
    return best_machine(asked, sold, load_profile, progress)


def read_prices(path: str | PathLike[str]) -> dict[str, float]:
    """Return the prices of a TOML file of NAME = PRICE lines, for a Market. Raises InputError for another file."""
    from planner.advice.money.market import read_prices as read

    return read(Path(text_of(fspath(path), "prices")))


def cost(plan: Plan, terms: CostTerms | None = None) -> CostAnswer:
    """Reckon what a plan costs on hardware of one's own, against a subscription, an API and a rented GPU.

    `terms` hold how much it is used, and prices. Raises InputError for a plan that does not fit.

        >>> plan = planner.plan("gpt-oss-20b", "rtx-4090")
        >>> planner.cost(plan, planner.CostTerms(tokens_per_day=100_000, api=(0.10, 0.40))).own.feasible
        True
    """
    from planner.advice.money.own_cost import CostTerms, own_cost

    return own_cost(the_plan(plan), CostTerms() if terms is None else instance_of(terms, CostTerms, "terms"))


def cost_curves(answer: CostAnswer, points: int = 61) -> dict[str, Curve]:
    """Return what each option has cost by each month: name -> (month, money spent)."""
    from planner.advice.money.cost import curve

    months = [answer.months * i / (points - 1) for i in range(points)]
    return {option.name: curve(option, answer.usage, months) for option in answer.options}


def electricity(country: str) -> Electricity:
    """Return what households of a country or US state pay for a kilowatt-hour. Raises InputError for another.

    >>> planner.electricity("DE").currency
    'EUR'
    """
    from planner.advice.money.shipped_prices import electricity as of_country

    return of_country(text_of(country, "country"))


def api_prices(model: Model | str) -> tuple[ApiPrice, ...]:
    """Return what providers ask for a model's tokens, US dollars a million; empty where none is known.

    >>> planner.api_prices("gpt-oss-20b")[0].output < 1
    True
    """
    from planner.advice.money.shipped_prices import api_prices as of_model

    (named,) = the_models(model)
    return of_model(named.id)
