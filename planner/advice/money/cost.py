"""What running one's own model costs, against a subscription, an API or a rented GPU.

Pure arithmetic on stated prices, in whatever currency the person uses; nothing is converted. A month is
365.25 / 12 days.
"""

from __future__ import annotations

from collections.abc import Sequence

from planner.fast_dataclass import dataclass

DAYS_PER_MONTH = 365.25 / 12
MAX_MONTHS = 1200  # a break-even later than a century is "never"


@dataclass(frozen=True, slots=True)
class Usage:
    """How much the model is used. Tokens are for all users together."""

    output_tokens_per_day: float
    """Tokens generated a day."""
    input_tokens_per_day: float
    """Tokens read a day."""
    hours_on_per_day: float = 24.0
    """Hours a day that the machine is switched on."""

    def months(self, months: float) -> tuple[float, float]:
        """Return (input, output) tokens over a number of months."""
        days = months * DAYS_PER_MONTH
        return self.input_tokens_per_day * days, self.output_tokens_per_day * days


@dataclass(frozen=True, slots=True)
class OwnHardware:
    """A machine bought and run at home or in the office."""

    name: str
    price: float
    idle_w: float
    load_w: float
    decode_tps: float  # tokens/s of the whole machine (all streams together)
    prefill_tps: float
    kwh_price: float
    resale_fraction: float = 0.0  # of the price, got back at the end of `lifetime_months`
    lifetime_months: float = 36.0

    def busy_hours_per_day(self, usage: Usage) -> float:
        """Hours a day that the machine computes."""
        seconds = (
            usage.output_tokens_per_day / self.decode_tps + usage.input_tokens_per_day / self.prefill_tps
        )
        return seconds / 3600

    def can_do(self, usage: Usage) -> bool:
        """True where the day's tokens fit into the hours that the machine is on."""
        return self.busy_hours_per_day(usage) <= usage.hours_on_per_day

    def kwh_per_day(self, usage: Usage) -> float:
        """Electricity a day: load power while computing, idle power for the rest of the hours on."""
        on = min(usage.hours_on_per_day, 24.0)
        busy = min(self.busy_hours_per_day(usage), on)
        return (busy * self.load_w + (on - busy) * self.idle_w) / 1000

    def running_per_month(self, usage: Usage) -> float:
        """Electricity a month."""
        return self.kwh_per_day(usage) * self.kwh_price * DAYS_PER_MONTH

    def cumulative(self, months: float, usage: Usage) -> float:
        """Money spent after a number of months, less what the machine would still fetch.

        The value falls in a straight line from the price to the resale value at the end of the lifetime;
        with a resale fraction of 0 nothing is got back, ever.
        """
        return self.price - self.resale_value(months) + self.running_per_month(usage) * months

    def resale_value(self, months: float) -> float:
        """What the machine fetches after some months: 0 where no resale is assumed."""
        if self.resale_fraction <= 0:
            return 0.0
        share = min(months / self.lifetime_months, 1.0)
        return self.price * (1.0 - share * (1.0 - self.resale_fraction))


@dataclass(frozen=True, slots=True)
class Subscription:
    """So much a month and user."""

    name: str
    per_month: float
    users: int = 1

    def cumulative(self, months: float, usage: Usage) -> float:
        """Money spent after a number of months (paid at the start of each month; here spread evenly)."""
        return self.per_month * self.users * months


@dataclass(frozen=True, slots=True)
class Api:
    """So much a million tokens in and out; less for a share of the input that lies in the provider's cache."""

    name: str
    input_per_million: float
    output_per_million: float
    cached_per_million: float | None = None
    cached_share: float = 0.0

    def cumulative(self, months: float, usage: Usage) -> float:
        """Money spent after a number of months."""
        tokens_in, tokens_out = usage.months(months)
        cached = self.input_per_million if self.cached_per_million is None else self.cached_per_million
        read = self.input_per_million * (1.0 - self.cached_share) + cached * self.cached_share
        return (tokens_in * read + tokens_out * self.output_per_million) / 1e6


@dataclass(frozen=True, slots=True)
class CloudGpu:
    """A rented machine by the hour, for the hours that it is on."""

    name: str
    per_hour: float

    def cumulative(self, months: float, usage: Usage) -> float:
        """Money spent after a number of months."""
        return self.per_hour * min(usage.hours_on_per_day, 24.0) * DAYS_PER_MONTH * months


Alternative = Subscription | Api | CloudGpu
Curve = list[tuple[float, float]]  # (month, cumulative cost)


def break_even_month(own: OwnHardware, other: Alternative, usage: Usage) -> float | None:
    """Month (with fraction) from which the own machine is cheaper for good; None where it never is.

    Own cost is a line, or two joined at the end of the lifetime; the alternative is a line through zero.
    """
    per_month = other.cumulative(1.0, usage)
    running = own.running_per_month(usage)
    if own.resale_fraction > 0:
        # Until the end of the lifetime: price × share × (1 - resale) + running × m = per_month × m
        loss = own.price * (1.0 - own.resale_fraction) / own.lifetime_months
        if own.price == 0 or loss + running <= per_month:
            return 0.0
        lost = own.price * (1.0 - own.resale_fraction)
    else:
        lost = own.price
        if lost == 0 and running <= per_month:
            return 0.0
    if per_month <= running:
        return None
    month = lost / (per_month - running)
    return month if month <= MAX_MONTHS else None


def cost_per_million(option: OwnHardware | Alternative, usage: Usage, months: float) -> float | None:
    """Cost of a million output tokens over a period, everything included; None without output."""
    _, tokens_out = usage.months(months)
    return None if tokens_out <= 0 else option.cumulative(months, usage) / tokens_out * 1e6


def curve(option: OwnHardware | Alternative, usage: Usage, months: Sequence[float]) -> Curve:
    """Points (month, cumulative cost) for a table or a plot."""
    return [(m, option.cumulative(m, usage)) for m in months]
