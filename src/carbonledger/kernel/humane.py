"""Numbers as a person reads them: three significant digits, a unit that suits the size, and the exact value beside it.

Owns: units and their steps, rounding for the eye, ranges in words, shares and comparisons. What is shown is never computed with; the exact
value stays with it. A column shares one unit, so that its numbers can be compared at a glance (``Scale.of``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from carbonledger.kernel import decimals
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.quantity import Range

T = TypeVar("T")

DIGITS: Final = 3  # significant digits of an estimate: no more than its range supports
RANGE_DIGITS: Final = 2
_HUNDRED: Final = Decimal(100)
_ONE: Final = Decimal(1)
_PLACES_MAX: Final = 30
_MINUTE_S: Final = 60
_SPANS: Final = ((86_400, "day"), (3_600, "hour"), (_MINUTE_S, "minute"))


@dataclass(frozen=True, slots=True)
class Step:
    """A unit and what one of it is, as a power of ten of the base unit. ``least``: used from that power of ten on."""

    unit: str
    power: int
    least: int | None = None

    @property
    def threshold(self) -> Decimal:
        """The smallest amount, in the base unit, that is shown in this unit."""
        return decimals.shifted(_ONE, self.power if self.least is None else self.least)


@dataclass(frozen=True, slots=True)
class Shown:
    """A number for the eye, its unit, and the exact value with the base unit for whoever wants it."""

    number: str
    unit: str
    exact: str

    @property
    def text(self) -> str:
        """Number and unit."""
        return f"{self.number} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Scale:
    """The units of one kind of amount, smallest first. ``base`` names the unit of the exact value."""

    base: str
    steps: tuple[Step, ...]
    least_places: int = 0
    """Places that an amount in the base unit always has: 2 for money."""

    def step(self, value: Decimal | int) -> Step:
        """Return the largest unit of which ``value`` is at least one; the smallest for less, the base unit for nothing."""
        size = abs(decimals.of(value))
        if not size:
            return next(step for step in self.steps if step.power == 0)
        above = max(size.adjusted() - DIGITS + 1, 0)
        size = decimals.shifted(_rounded(decimals.shifted(size, -above), DIGITS), above)  # so that 999,999 is 1 M, not 1,000 k
        fitting = [step for step in self.steps if step.threshold <= size]
        return fitting[-1] if fitting else self.steps[0]

    def of(self, values: Iterable[Decimal | int | None]) -> Step:
        """Return the one unit for a column: that of its largest value."""
        return self.step(max((abs(decimals.of(value)) for value in values if value is not None), default=Decimal(0)))

    def show(self, value: Decimal | int, *, step: Step | None = None) -> Shown:
        """Return ``value`` (in the base unit) in a unit that suits it, or in ``step``, the unit of its column.

        In a column an amount that is no plain count keeps its zeros (18.0 above 16.3), so that digits can be compared by their place.
        """
        exact = decimals.of(value)
        chosen = step or self.step(exact)
        scaled = self.in_unit(exact, chosen)
        least = self.least_places if chosen.power == 0 else 0
        places = least
        if step is not None and not least and (isinstance(value, Decimal) or step.power) and abs(scaled) >= _ONE:
            places = max(DIGITS - 1 - scaled.adjusted(), 0)
        return Shown(number(scaled, least_places=places), chosen.unit, f"{grouped(decimals.to_api_decimal(exact))} {self.base}".rstrip())

    def in_unit(self, value: Decimal | int, step: Step) -> Decimal:
        """Return ``value`` (in the base unit) as so many of ``step``, exactly."""
        return decimals.shifted(decimals.of(value), -step.power)

    def show_range(self, value: Range, *, step: Step | None = None) -> Shown:
        """Return a range in one unit, such as ``0.8 to 3.1 kg``; the exact text has low, mid and high."""
        step = step or self.step(value.mid)
        low, high = (coarse(self.in_unit(bound, step)) for bound in (value.low, value.high))
        exact = ", ".join(
            f"{name} {grouped(decimals.to_api_decimal(bound))}"
            for name, bound in (("low", value.low), ("mid", value.mid), ("high", value.high))
        )
        words = low if low == high else f"{low} to {high}"
        return Shown(words, step.unit, f"{exact} {self.base}")


COUNT: Final = Scale("", (Step("", 0), Step("k", 3), Step("M", 6), Step("B", 9), Step("T", 12)))
USD: Final = Scale("USD", (Step("¢", -2), Step("USD", 0), Step("k USD", 3, 5), Step("M USD", 6)), least_places=2)
ENERGY: Final = Scale("Wh", (Step("µWh", -6), Step("mWh", -3), Step("Wh", 0), Step("kWh", 3), Step("MWh", 6), Step("GWh", 9)))
CO2E: Final = Scale(
    "g CO2e",
    (
        Step("µg CO2e", -6),
        Step("mg CO2e", -3),
        Step("g CO2e", 0),
        Step("kg CO2e", 3),
        Step("t CO2e", 6),
        Step("kt CO2e", 9),
    ),
)
WATER: Final = Scale("ml", (Step("µl", -3), Step("ml", 0), Step("l", 3), Step("m³", 6)))


def significant(value: Decimal, digits: int = DIGITS) -> str:
    """Return ``value`` with so many significant digits, thousands grouped; digits before the point are never zeroed out."""
    return grouped(decimals.to_api_decimal(_rounded(value, digits)))


def coarse(value: Decimal) -> str:
    """Return a bound with two significant digits, also before the point: a bound of 2,962 is 3,000."""
    if not value:
        return "0"
    above = max(value.adjusted() - RANGE_DIGITS + 1, 0)
    return significant(decimals.shifted(_rounded(decimals.shifted(value, -above), RANGE_DIGITS), above), RANGE_DIGITS)


def _rounded(value: Decimal, digits: int) -> Decimal:
    places = min(max(digits - 1 - value.adjusted(), 0), _PLACES_MAX) if value else 0
    return decimals.rounded(value, places=places, mode=Rounding.HALF_UP)


def number(value: Decimal, *, least_places: int = 0) -> str:
    """Return ``value`` with three significant digits, or with ``least_places`` places where it is large enough for them."""
    if least_places and abs(value) >= _ONE:
        rounded = decimals.rounded(value, places=least_places, mode=Rounding.HALF_UP)
        return grouped(f"{rounded:.{least_places}f}")
    return significant(value)


def span(seconds: int) -> str:
    """Return a stretch of time in words, in whole units of the largest that fits: ``4 minutes``, ``2 days``."""
    if seconds < _MINUTE_S:
        return "less than a minute"
    unit, words = next((size, name) for size, name in _SPANS if seconds >= size)
    count = seconds // unit
    return f"{count:,} {words}{'' if count == 1 else 's'}"


def grouped(plain: str) -> str:
    """Return a plainly written number with its thousands grouped by commas."""
    whole, point, fraction = plain.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{fraction}"


def share(part: Decimal | int, whole: Decimal | int) -> Decimal:
    """Return ``part / whole`` between 0 and 1 with six places; 0 of nothing."""
    if not whole:
        return Decimal(0)
    return decimals.quotient(_ONE, decimals.of(part), decimals.of(whole), places=6, mode=Rounding.HALF_UP)


def percent(of_one: Decimal) -> str:
    """Return a share in percent. A part that is there is never shown as none, nor one that is not whole as all."""
    scaled = decimals.multiply(of_one, _HUNDRED)
    tenth, rest = Decimal("0.1"), Decimal("99.9")
    if 0 < scaled < tenth:
        return "< 0.1 %"
    if rest < scaled < _HUNDRED:
        return "> 99.9 %"
    places = 1 if scaled < 10 else 0  # noqa: PLR2004 - two digits are enough to compare by
    return f"{decimals.to_api_decimal(decimals.rounded(scaled, places=places, mode=Rounding.HALF_UP))} %"


def width(of_one: Decimal) -> str:
    """Return a share as the width of a bar: percent with two places."""
    return f"{decimals.to_api_decimal(decimals.rounded(decimals.multiply(of_one, _HUNDRED), places=2, mode=Rounding.HALF_UP))}%"


def change(now: Decimal | int, before: Decimal | int) -> str:
    """Return how ``now`` compares with ``before``, in words; both are zero or more."""
    present, past = decimals.of(now), decimals.of(before)
    if present == past:
        return "the same as before"
    if not past:
        return "none before"
    if not present:
        return "none now"
    twice = decimals.multiply(past, Decimal(2))
    if present >= twice:
        times = decimals.quotient(_ONE, present, past, places=6, mode=Rounding.HALF_UP)
        return f"{significant(times, RANGE_DIGITS)} times as much as before"
    difference = share(abs(decimals.subtract(present, past)), past)
    return f"{percent(difference)} {'more' if present > past else 'less'} than before"


def together(values: Iterable[Decimal | int | None]) -> Decimal:
    """Return the sum of what is known."""
    total = Decimal(0)
    for value in values:
        if value is not None:
            total = decimals.add(total, decimals.of(value))
    return total


def most(values: Iterable[Decimal | int | None]) -> Decimal:
    """Return the largest of what is known; 0 of nothing."""
    return max((decimals.of(value) for value in values if value is not None), default=Decimal(0))


def batched(rows: Sequence[T], size: int) -> dict[int, Sequence[T]]:
    """Return rows cut into numbered pages, the first being 1; none of nothing."""
    return {1 + start // size: rows[start : start + size] for start in range(0, len(rows), size)}


def cumulative(shares: Sequence[Decimal]) -> list[Decimal]:
    """Return where each part of a bar begins, when its parts stand side by side."""
    starts: list[Decimal] = []
    so_far = Decimal(0)
    for one in shares:
        starts.append(so_far)
        so_far = decimals.add(so_far, one)
    return starts
