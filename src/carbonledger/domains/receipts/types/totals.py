"""What a period comes to: exact integers of small units, by project and by model, and what was adjusted.

Energy is in quanta of 10^-18 Wh and emissions in quanta of 10^-18 g while they are added up, so that they add up exactly; a receipt has
them in microwatt-hours and milligrams, rounded once (``core.totals``). The two bases of emissions stand side by side and are never added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from carbonledger.domains.emissions.types import PerToken, Quanta
from carbonledger.domains.receipts.types.periods import Period
from carbonledger.domains.telemetry.types.closing import Line


class Whole(NamedTuple):
    """Low, mid and high as whole numbers of the unit that the name says. A change may be negative and in any order."""

    low: int
    mid: int
    high: int


class Tokens(NamedTuple):
    """Known tokens by bucket, and for each bucket how many events have an unknown count that is not in the sum."""

    uncached_input: int
    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int
    output: int
    unknown: tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A published rate, as far as totals need it: what one token of each phase takes and emits, in quanta."""

    version: str  # of the factor set
    energy: PerToken
    co2e_location: PerToken
    co2e_market: PerToken | None


Rates = Mapping[int, Rate]


class Version(NamedTuple):
    """A factor set or price book, by its version and the SHA-256 of its files in hex."""

    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What lines come to. Duplicates are counted and in no sum. Ranges are None where nothing is known, which is not zero.

    ``cost_usd`` is of what has a price; ``cost_not_covered`` counts the events that have none.
    """

    events: int
    duplicates: int
    metered: int
    requests: int
    covered: Tokens
    not_covered: Tokens
    cost_usd: Decimal
    cost_not_covered: int
    energy: Quanta | None
    co2e_location: Quanta | None
    co2e_market: Quanta | None


class Part(NamedTuple):
    """A share of the whole: of a project, or of a provider's model. ``key``: a project's id, or (provider, model)."""

    key: UUID | tuple[str, str]
    totals: Totals
    energy_uwh: Whole | None
    co2e_location_mg: Whole | None
    co2e_market_mg: Whole | None


class Booked(NamedTuple):
    """What was booked of an earlier period: its lines hold changes."""

    period_id: UUID
    booked_in: UUID
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What late events and revisions of an earlier month changed, inside the totals of the period that it is booked in."""

    period_id: UUID
    month: date
    booked_in: UUID | None
    """The period that it is booked in; None: it waits for the next that is frozen."""
    events: int
    """Events more, or fewer, than before; one that was only revised changes no number of events."""
    totals: Totals
    energy_uwh: Whole | None
    co2e_location_mg: Whole | None
    co2e_market_mg: Whole | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPeriod:
    """A closed period, as a receipt states it. ``totals`` and every part include adjustments; parts add up to the whole exactly.

    ``cost`` is whole 10^-12 USD. ``root`` and ``leaves``: the Merkle tree over its events (ADR 0015), the adjusted ones of earlier periods
    included.
    """

    period: Period
    totals: Totals
    energy_uwh: Whole | None
    co2e_location_mg: Whole | None
    co2e_market_mg: Whole | None
    cost_pico_usd: int
    projects: tuple[Part, ...]
    models: tuple[Part, ...]
    adjustments: tuple[Adjustment, ...]
    factor_sets: tuple[Version, ...]
    price_books: tuple[Version, ...]
    root: bytes
    leaves: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A period compared with a fresh computation: what was frozen, what was booked of it since, what waits, and what differs."""

    period: Period
    frozen: tuple[Line, ...]
    adjustments: tuple[Line, ...]
    pending: tuple[Line, ...]
    fresh: tuple[Line, ...]
    differences: tuple[Line, ...]
    """Fresh less all the others; empty where it is as it has to be."""
