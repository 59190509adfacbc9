"""Adding lines up, and rounding what they come to for a receipt: once, and so that parts add up to the whole. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.emissions.types import Quanta, times
from carbonledger.domains.receipts.types.totals import Part, Rate, Rates, Tokens, Totals, Whole
from carbonledger.domains.telemetry.types import UNKNOWN, Fact
from carbonledger.domains.telemetry.types.closing import Line, LineKey, LineSums
from carbonledger.kernel import decimals

QUANTA_PER_UWH: Final = 10**12  # of 10^-18 Wh
QUANTA_PER_MG: Final = 10**15  # of 10^-18 g
_DUPLICATE, _METERED = int(Fact.DUPLICATE), int(Fact.METERED)
_NOT_COVERED, _COST_NOT_COVERED = int(Fact.EMISSIONS_NOT_COVERED), int(Fact.COST_NOT_COVERED)
_COUNTS: Final = len(LineSums._fields) - 2  # then two decimals, which Python's own arithmetic would round to 28 digits
_NONE: Final = Decimal(0)


def plus(left: LineSums, right: LineSums) -> LineSums:
    """Return both together, exactly."""
    counts = [mine + its for mine, its in zip(left[:_COUNTS], right[:_COUNTS], strict=True)]
    amounts = (decimals.add(left.quantity, right.quantity), decimals.add(left.cost_amount, right.cost_amount))
    return LineSums._make([*counts, *amounts])


def minus(sums: LineSums) -> LineSums:
    """Return what takes ``sums`` away."""
    return LineSums._make([*(-count for count in sums[:_COUNTS]), sums.quantity.copy_negate(), sums.cost_amount.copy_negate()])


def merged(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return one line for each key, without those that come to nothing, in the order of their keys."""
    sums: dict[LineKey, LineSums] = {}
    for key, some in lines:
        present = sums.get(key)
        sums[key] = some if present is None else plus(present, some)
    return tuple(Line(key, sums[key]) for key in sorted(sums, key=_order) if any(sums[key]))


def difference(whole: Iterable[Line], parts: Iterable[Line]) -> tuple[Line, ...]:
    """Return what ``whole`` is more than ``parts`` together, or less; nothing where they are the same."""
    return merged([*whole, *(Line(key, minus(sums)) for key, sums in parts)])


def _order(key: LineKey) -> tuple[tuple[bool, str], ...]:
    return tuple((part is not None, f"{part:020d}" if isinstance(part, int) else str(part)) for part in key)


def _tokens(lines: Sequence[Line]) -> Tokens:
    sums = [sum(line.sums[2 + place] for line in lines) for place in range(len(UNKNOWN))]
    unknown = (sum(line.sums.events for line in lines if line.key.facts & fact) for fact in UNKNOWN)
    return Tokens._make([*sums, tuple(unknown)])


def totals(lines: Iterable[Line], rates: Rates) -> Totals:
    """Return what lines come to. ``rates`` has every rate that one of them names."""
    found = tuple(lines)
    counted = [line for line in found if not line.key.facts & (_DUPLICATE | _METERED)]
    covered = [line for line in counted if not line.key.facts & _NOT_COVERED]
    amount = _NONE
    for line in counted:
        amount = decimals.add(amount, line.sums.cost_amount)
    is_market_known = all(_rate(line, rates).co2e_market is not None for line in covered)
    is_known = bool(covered) or not counted
    return Totals(
        events=sum(line.sums.events for line in counted),
        duplicates=sum(line.sums.events for line in found if line.key.facts & _DUPLICATE),
        metered=sum(line.sums.events for line in found if line.key.facts & (_DUPLICATE | _METERED) == _METERED),
        requests=sum(line.sums.requests for line in counted),
        covered=_tokens(covered),
        not_covered=_tokens([line for line in counted if line.key.facts & _NOT_COVERED]),
        cost_usd=amount,
        cost_not_covered=sum(line.sums.events for line in counted if line.key.facts & _COST_NOT_COVERED),
        energy=_sum(taken(line, _rate(line, rates).energy) for line in covered) if is_known else None,
        co2e_location=_sum(taken(line, _rate(line, rates).co2e_location) for line in covered) if is_known else None,
        co2e_market=_sum(taken(line, _rate(line, rates).co2e_market or ()) for line in covered) if is_known and is_market_known else None,
    )


def _rate(line: Line, rates: Rates) -> Rate:
    if line.key.emission_rate_id is None:
        message = f"a line of {line.key.model} is covered and names no rate"
        raise ValueError(message)
    return rates[line.key.emission_rate_id]


def taken(line: Line, rate: Sequence[int]) -> Quanta:
    """Return what a line takes or emits by a rate: nine numbers for one token, as ``PerToken`` has them."""
    sums = line.sums
    prefill = sums.uncached_input + sums.cache_creation_5m + sums.cache_creation_1h
    return times(rate, prefill, sums.cached_input, sums.output)  # type: ignore[arg-type]  # nine numbers; empty ones are never multiplied


def _sum(amounts: Iterable[Quanta]) -> Quanta:
    low = mid = high = 0
    for a_low, a_mid, a_high in amounts:
        low, mid, high = low + a_low, mid + a_mid, high + a_high
    return low, mid, high


def rounded(quanta: Quanta | None, per_unit: int) -> Whole | None:
    """Return quanta in whole units, each bound rounded half to even; None stays None."""
    return None if quanta is None else Whole(*(_half_even(bound, per_unit) for bound in quanta))


def _half_even(number: int, per_unit: int) -> int:
    whole, rest = divmod(number, per_unit)
    return whole + (2 * rest > per_unit or (2 * rest == per_unit and whole % 2 == 1))


def shared(parts: Sequence[Quanta | None], whole: Quanta | None, per_unit: int) -> list[Whole | None]:
    """Return parts in whole units that add up to the rounded whole exactly (largest remainder; of equal ones the earlier first).

    ``whole`` is the sum of the parts; where it is not known, no part is.
    """
    total = rounded(whole, per_unit)
    if total is None:
        return [None] * len(parts)
    known = [(0, 0, 0) if part is None else part for part in parts]
    bounds = [_apportioned([part[bound] for part in known], total[bound], per_unit) for bound in range(3)]
    return [None if part is None else Whole(*(bound[place] for bound in bounds)) for place, part in enumerate(parts)]


def _apportioned(parts: Sequence[int], total: int, per_unit: int) -> list[int]:
    shares = [divmod(part, per_unit) for part in parts]
    left = total - sum(share for share, _ in shares)
    by_rest = sorted(range(len(parts)), key=lambda place: -shares[place][1])
    more = frozenset(by_rest[:left])
    return [share + (place in more) for place, (share, _) in enumerate(shares)]


def parts(
    lines: Sequence[Line], whole: Totals, rates: Rates, *, by: Callable[[LineKey], UUID | tuple[str, str] | None]
) -> tuple[Part, ...]:
    """Return what lines come to by ``by`` (None: left out), the largest emissions first; in whole units they add up to the whole."""
    grouped: dict[UUID | tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        name = by(line.key)
        if name is not None:
            grouped[name].append(line)
    names = sorted(grouped, key=str)
    found = [totals(grouped[name], rates) for name in names]
    energy = shared([one.energy for one in found], whole.energy, QUANTA_PER_UWH)
    location = shared([one.co2e_location for one in found], whole.co2e_location, QUANTA_PER_MG)
    market = shared([one.co2e_market for one in found], whole.co2e_market, QUANTA_PER_MG)
    made = [Part(*row) for row in zip(names, found, energy, location, market, strict=True)]
    return tuple(sorted(made, key=lambda part: -(part.co2e_location_mg.mid if part.co2e_location_mg else 0)))


def of_project(key: LineKey) -> UUID:
    """Return the project of a line."""
    return key.project_id


def of_model(key: LineKey) -> tuple[str, str] | None:
    """Return provider and model of a line; None: it is of a metered event."""
    return None if key.provider is None or key.model is None else (key.provider, key.model)
