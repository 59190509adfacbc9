"""The facts of an event: what of it is unknown, estimated, provisional or not covered.

Owns which flag of a cost or an estimate makes which fact. It does not own the flags (pricing, emissions).
"""

from __future__ import annotations

from typing import Final

from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import types as pricing_types
from carbonledger.domains.telemetry.types import Booking, Fact
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import TokenBuckets, UsageQuality

_HOUR_S: Final = 3600
# As plain integers: these run for every event, and IntFlag arithmetic costs more than all the rest of it.
_UNCACHED, _CACHED, _CREATION_5M, _CREATION_1H, _OUTPUT, _REASONING, _REQUESTS = (1 << place for place in range(7))
_COST_NOT_COVERED = int(Fact.COST_NOT_COVERED)
_COST_ESTIMATED = int(Fact.COST_ESTIMATED)
_EMISSIONS_NOT_COVERED = int(Fact.EMISSIONS_NOT_COVERED)
_EMISSIONS_ASSUMED = int(Fact.EMISSIONS_ASSUMED)
_WIDER_THAN_HOUR = int(Fact.WIDER_THAN_HOUR)
_COST_REPORTED = int(Fact.COST_REPORTED)
_QUALITY: Final = {
    UsageQuality.REPORTED: 0,
    UsageQuality.ESTIMATED: int(Fact.ESTIMATED),
    UsageQuality.PARTIAL: int(Fact.PARTIAL),
}
METERED: Final = int(Fact.METERED | Fact.COST_NOT_COVERED | Fact.EMISSIONS_NOT_COVERED)
"""What is true of every metered event: it has no tokens to price or rate."""
# A flag that only says where a price was found does not make the amount an estimate.
_PRICE_ESTIMATES = sum(flag.bit for flag in pricing_types.Flag if flag.is_covered)
_EMISSION_ASSUMPTIONS = sum(flag.bit for flag in emission_types.Flag if flag.is_covered)


def of_booking(booking: Booking) -> int:
    """Return the facts that all events of a booking share."""
    return (int(Fact.PROVISIONAL) if booking.is_provisional else 0) | (int(Fact.DUPLICATE) if booking.is_duplicate else 0)


def of_tokens(tokens: TokenBuckets, requests: int | None) -> int:
    """Return which counts are unknown."""
    return (
        (_UNCACHED if tokens.uncached_input is None else 0)
        | (_CACHED if tokens.cached_input is None else 0)
        | (_CREATION_5M if tokens.cache_creation_5m is None else 0)
        | (_CREATION_1H if tokens.cache_creation_1h is None else 0)
        | (_OUTPUT if tokens.output is None else 0)
        | (_REASONING if tokens.reasoning is None else 0)
        | (_REQUESTS if requests is None else 0)
    )


def of_judgement(*, is_priced: bool, cost_bits: int, is_rated: bool, emission_bits: int) -> int:
    """Return what pricing and emissions say of it."""
    facts = _COST_NOT_COVERED if not is_priced else (_COST_ESTIMATED if cost_bits & _PRICE_ESTIMATES else 0)
    if not is_rated:
        return facts | _EMISSIONS_NOT_COVERED
    return facts | (_EMISSIONS_ASSUMED if emission_bits & _EMISSION_ASSUMPTIONS else 0)


def of_draft(quality: UsageQuality, duration_s: int, reported: Money | None) -> int:
    """Return what the source says of its own counts, and that it tells what they cost."""
    facts = _QUALITY[quality] | (_WIDER_THAN_HOUR if duration_s > _HOUR_S else 0)
    return facts if reported is None or reported.currency != pricing_types.USD else facts | _COST_REPORTED
