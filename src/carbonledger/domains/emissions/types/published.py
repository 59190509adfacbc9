"""What is published of factor sets: the sets themselves, and the rates that were made of them for a tier at a place.

Owns those values and the faults about them. Events of the ledger name rates by their id; their amounts are token counts times these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from carbonledger.domains.emissions.types.factors import EmissionsFault
from carbonledger.domains.emissions.types.results import PerToken, Rates
from carbonledger.kernel import errors


class FactorSetNotFound(EmissionsFault):
    """There is no such factor set."""

    kind = errors.Kind.NOT_FOUND
    code = "factor_set_not_found"


class FactorSetChanged(EmissionsFault):
    """Another factor set was published under this version."""

    kind = errors.Kind.CONFLICT
    code = "factor_set_changed"


class RatesUnpublished(EmissionsFault):
    """Rates could not be published."""

    kind = errors.Kind.INTERNAL
    code = "rates_unpublished"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSet:
    """A factor set that was published, without its file."""

    version: str
    digest: str
    effective_from: date
    published_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile(PublishedSet):
    """A factor set that was published, with its file byte for byte."""

    document: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRates:
    """Rates with what they were made for, by the names that the factor set gives.

    ``context_low`` and ``context_high`` are the steps of long context, in input tokens a request (0: none), that low and mid, and that
    high are of. They differ where the number of requests was not told.
    """

    digest: bytes  # SHA-256 of everything below
    version: str
    tier: str
    is_fallback: bool
    host: str
    grid: str
    market: str | None
    is_batch: bool
    context_low: int
    context_high: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class RateNames:
    """Published rates by their names alone, as ``NamedRates`` has them, under the id that events refer to them by."""

    id: int
    digest: bytes
    version: str
    tier: str
    is_fallback: bool
    host: str
    grid: str
    market: str | None
    is_batch: bool
    context_low: int
    context_high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRates:
    """Rates that events refer to, as they were published: quanta of one token. ``digest`` is of the factor set, in hex."""

    version: str
    digest: str
    energy: PerToken
    co2e_location: PerToken
    co2e_market: PerToken | None
