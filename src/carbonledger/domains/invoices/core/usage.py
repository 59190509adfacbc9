"""What meters said of several stretches of time put together, and what shows it later. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from carbonledger.domains.catalog.types import Aggregation, Meter
from carbonledger.domains.catalog.types.charges import QUANTITY_PLACES, TokenKind, Usage
from carbonledger.kernel import decimals, instant
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.period import Period
from carbonledger.kernel.quantity import Co2eG

SCHEMA: Final = "carbon-ledger/usage/v1"
_ZERO: Final = Decimal(0)
NOTHING: Final = Usage(
    quantity=_ZERO, event_count=0, event_amounts=(), metered_cost=_ZERO, cost_by_kind={}, co2e=Co2eG(_ZERO, _ZERO, _ZERO)
)
"""Where nothing was used: every model can price it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a meter said of one stretch. ``factors``: versions of the factor sets that its CO2e rests on; ``prices``: of the price book."""

    stretch: Period
    usage: Usage
    factors: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()


def together(aggregation: Aggregation, said: Sequence[Said]) -> Usage:
    """Return the usage of stretches, in their order, as that of one time.

    Counts and sums add up, and so do costs and emissions; of largest values it is the largest, of latest ones the last. How many different
    values there were in all of them nobody said: the most that one of them had is taken, which charges nobody for the same one twice. A
    weighted sum is weighted again, with the length of each.
    """
    if len(said) == 1:
        return said[0].usage
    if not said:
        return NOTHING
    every = [one.usage for one in said]
    amounts = [one.event_amounts for one in every]
    costs = [one.metered_cost for one in every]
    return Usage(
        quantity=_quantity(aggregation, said),
        event_count=sum(one.event_count or 0 for one in every),
        event_amounts=None if None in amounts else tuple(amount for found in amounts if found is not None for amount in found),
        metered_cost=None if None in costs else _sum([cost for cost in costs if cost is not None]),
        cost_by_kind=_by_kind(every),
        co2e=_co2e(every),
    )


def _quantity(aggregation: Aggregation, said: Sequence[Said]) -> Decimal:
    quantities = [one.usage.quantity for one in said]
    match aggregation:
        case Aggregation.MAX | Aggregation.UNIQUE:
            return max(quantities)
        case Aggregation.LATEST:
            return next((one.usage.quantity for one in reversed(said) if one.usage.event_count), _ZERO)
        case Aggregation.WEIGHTED_SUM:
            return _weighted(said)
        case _:
            return _sum(quantities)


def _weighted(said: Sequence[Said]) -> Decimal:
    seconds = [int((one.stretch.end - one.stretch.start).total_seconds()) for one in said if one.stretch.end is not None]
    parts = [
        decimals.quotient(one.usage.quantity, Decimal(length), Decimal(sum(seconds)), places=QUANTITY_PLACES, mode=Rounding.HALF_UP)
        for one, length in zip(said, seconds, strict=True)
    ]
    return _sum(parts)


def _by_kind(every: Sequence[Usage]) -> dict[TokenKind, Decimal]:
    found: dict[TokenKind, Decimal] = {}
    for one in every:
        for kind, cost in one.cost_by_kind.items():
            found[kind] = decimals.add(found.get(kind, _ZERO), cost)
    return found


def _co2e(every: Sequence[Usage]) -> Co2eG | None:
    known = [one.co2e for one in every if one.co2e is not None]
    if len(known) != len(every):
        return None
    return Co2eG(_sum([one.low for one in known]), _sum([one.mid for one in known]), _sum([one.high for one in known]))


def _sum(values: Sequence[Decimal]) -> Decimal:
    total = _ZERO
    for value in values:
        total = decimals.add(total, value)
    return total


def versions(found: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return all versions that stretches name, each once, in their order."""
    return tuple(sorted({version for one in found for version in one}))


def digest(meter: Meter, account: str | None, said: Sequence[Said]) -> str:
    """Return the SHA-256, in hex, over everything that a meter said: another event, or another count of one, makes another digest."""
    content = {"schema": SCHEMA, "meter": str(meter.id), "account": account, "said": [_plain(one) for one in said]}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _plain(said: Said) -> dict[str, Any]:
    usage, text = said.usage, decimals.to_api_decimal
    return {
        "start": instant.to_api_instant(said.stretch.start),
        "end": None if said.stretch.end is None else instant.to_api_instant(said.stretch.end),
        "quantity": text(usage.quantity),
        "events": usage.event_count,
        "amounts": None if usage.event_amounts is None else [text(amount) for amount in usage.event_amounts],
        "cost": None if usage.metered_cost is None else text(usage.metered_cost),
        "cost_by_kind": {kind.value: text(cost) for kind, cost in usage.cost_by_kind.items()},
        "co2e_g": None if usage.co2e is None else [text(usage.co2e.low), text(usage.co2e.mid), text(usage.co2e.high)],
    }
