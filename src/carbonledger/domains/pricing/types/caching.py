"""What one token of each bucket costs, and what reading input from a cache saved at such prices."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from carbonledger.domains.pricing.types import costs


class UnitPrices(NamedTuple):
    """Prices of one token by bucket, in pico-USD; None: the book has none.

    ``is_lowest``: the model costs more for large requests, how large these were is not told, and the prices are those of its lowest tier.
    """

    uncached_input: int | None = None
    cached_input: int | None = None
    cache_creation_5m: int | None = None
    cache_creation_1h: int | None = None
    output: int | None = None
    is_lowest: bool = False


class CacheTokens(NamedTuple):
    """Input tokens that have to do with a cache: read from it, and written to it for five minutes or an hour."""

    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.cached_input + self.cache_creation_5m + self.cache_creation_1h


class Saving(NamedTuple):
    """What a cache saved in pico-USD, below zero where writing to it cost more, and of how many of its tokens that is known.

    ``covered`` and ``not_covered`` are all the tokens; ``lowest`` are those of the covered ones whose prices are of a lowest tier.
    """

    amount_pico: int = 0
    covered: int = 0
    not_covered: int = 0
    lowest: int = 0

    def plus(self, other: Saving) -> Saving:
        """Return both together."""
        return Saving(*(mine + its for mine, its in zip(self, other, strict=True)))

    @property
    def amount(self) -> Decimal | None:
        """US dollars, exact; None where nothing is covered, unless there was nothing to cover."""
        return None if self.not_covered and not self.covered else costs.dollars(self.amount_pico)
