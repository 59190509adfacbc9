"""What the stand-ins charge: ``data/rates.csv``, USD per million tokens, as published.

Owns the money of the cost endpoints and nothing else. Each call is charged for itself; no model of the demo has a price that depends on
how long the input is within the lengths that occur.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from carbonledger_sandbox import calls, traces

MILLION = Decimal(1_000_000)
KINDS = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")


class NoRate(LookupError):
    """The rate card does not know this model at this tier, or not this kind of token."""


@dataclass(frozen=True, slots=True)
class RateCard:
    """Rates by (model, tier) and kind of token."""

    rates: Mapping[tuple[str, str], Mapping[str, Decimal]]

    def charges(self, call: calls.Call) -> dict[str, tuple[int, Decimal]]:
        """Return tokens and USD by kind of token, without the kinds that the call has none of."""
        application, tokens = call.application, call.tokens
        tier = "batch" if application.batch else application.tier
        counts = (tokens.uncached, tokens.cached, tokens.created_5m, tokens.created_1h, tokens.output)
        try:
            rates = self.rates[application.model, tier]
            return {kind: (count, count * rates[kind] / MILLION) for kind, count in zip(KINDS, counts, strict=True) if count}
        except KeyError as missing:
            raise NoRate(f"{application.model} {tier}: {missing}") from missing

    def total(self, call: calls.Call) -> Decimal:
        """Return what a call costs, in USD."""
        return sum((usd for _, usd in self.charges(call).values()), Decimal(0))


def shipped() -> RateCard:
    """Return the rate card of ``data/``."""
    return RateCard(
        {(row["model"], row["tier"]): {kind: Decimal(row[kind]) for kind in KINDS if row[kind]} for row in traces.table("rates.csv")}
    )
