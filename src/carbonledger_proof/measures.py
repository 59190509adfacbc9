"""Quantities of a receipt: ranges of emissions, token counts, money, versions. Integers only; unknown is None.

Owns their values, their sums and how they stand in JSON; what a receipt says with them is in ``statement``.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from carbonledger_proof import shape

SHARE_WHOLE = 10_000  # basis points
SCALE_MAX = 18
_CURRENCY = re.compile(r"[A-Z]{3}")


class Scope(enum.Enum):
    """Scope of the GHG Protocol, from the organization's side. Purchased AI is 3."""

    SCOPE_1 = "1"
    SCOPE_2 = "2"
    SCOPE_3 = "3"


class Basis(enum.Enum):
    """How electricity is counted. The two stand side by side and are never added."""

    LOCATION = "location"
    MARKET = "market"


class Bound(enum.Enum):
    """Which number of a range."""

    LOW = "low"
    MID = "mid"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate: low, mid, high. A change of one may be negative and in any order."""

    low: int
    mid: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gross:
    """Emissions of a scope on a basis; None: not known on this basis, which is not zero."""

    scope: Scope
    basis: Basis
    co2e_mg: Range | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Tokens by bucket, which never overlap."""

    uncached_input: int | None
    cached_input: int | None
    cache_creation_5m: int | None
    cache_creation_1h: int | None
    output: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens that the emissions are of, and those that no emissions could be estimated for."""

    covered: Buckets
    not_covered: Buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """``amount * 10^-scale`` of a currency."""

    currency: str
    amount: int
    scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A factor set or price book that was used, by its version and the SHA-256 of its file."""

    version: str
    sha256: str


def required_mg(gross: Iterable[Gross], *, basis: Basis, bound: Bound, share_bp: int) -> int | None:
    """Return how many milligrams a share of a bound is, over all scopes, rounded up; None if one is not known. Never below zero."""
    ranges = [entry.co2e_mg for entry in gross if entry.basis is basis]
    known = [getattr(range_, bound.value) for range_ in ranges if range_ is not None]
    if not ranges or len(known) != len(ranges):
        return None
    total: int = sum(known)
    return max(0, -(-total * share_bp // SHARE_WHOLE))


def summed_gross(entries: Iterable[Gross]) -> dict[tuple[Scope, Basis], tuple[int, int, int]]:
    sums: dict[tuple[Scope, Basis], tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    for entry in entries:
        if entry.co2e_mg is not None:
            low, mid, high = sums[entry.scope, entry.basis]
            sums[entry.scope, entry.basis] = (low + entry.co2e_mg.low, mid + entry.co2e_mg.mid, high + entry.co2e_mg.high)
    return {key: value for key, value in sums.items() if any(value)}


def summed_cost(costs: Iterable[Cost]) -> dict[str, int]:
    """Return sums by currency in units of the finest scale that there can be."""
    sums: dict[str, int] = defaultdict(int)
    for cost in costs:
        sums[cost.currency] += cost.amount * 10 ** (SCALE_MAX - cost.scale)
    return {currency: amount for currency, amount in sums.items() if amount}


COUNT = shape.integer(0)
RANGE = shape.record(Range, low=shape.integer(), mid=shape.integer(), high=shape.integer())
GROSS = shape.array(shape.record(Gross, scope=shape.choice(Scope), basis=shape.choice(Basis), co2e_mg=shape.nullable(RANGE)), most=6)
COST = shape.record(Cost, currency=shape.text(3, _CURRENCY), amount=shape.digits(), scale=shape.integer(0, SCALE_MAX))
COSTS = shape.array(COST, most=200)
_bucket = shape.nullable(COUNT)
_buckets = shape.record(
    Buckets,
    uncached_input=_bucket,
    cached_input=_bucket,
    cache_creation_5m=_bucket,
    cache_creation_1h=_bucket,
    output=_bucket,
)
VERSIONS = shape.array(shape.record(Version, version=shape.text(64), sha256=shape.hash_hex()), most=1000)
TOKENS = shape.record(Tokens, covered=_buckets, not_covered=_buckets)
