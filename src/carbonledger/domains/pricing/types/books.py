"""A price book as a whole: its files, our own entries in it, and how it compares with another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from carbonledger.domains.pricing.types.costs import PriceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BookFiles:
    """A version of the price book as it is published: the two files, and what is said of them without reading them."""

    version: str
    as_of: date
    source: Mapping[str, str]
    prices: bytes
    overrides: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An entry of our own: where public books disagree or are silent, what we follow, from when until when, and why.

    ``prices`` in USD per million tokens by kind; empty for a factor on a provider's other prices of these ``kinds``, which is ``times``.
    """

    rule: str
    provider: str
    models: tuple[str, ...]  # none: all of the provider
    service: str
    starts_on: str | None  # a day or an instant, as the entry has it
    ends_on: str | None
    prices: Mapping[str, str]
    times: str | None
    kinds: tuple[str, ...]
    hours: tuple[tuple[str, str], ...]  # of the day in UTC, from and until; none: at all
    days: tuple[int, ...]  # of the week, Monday is 1; none: on all
    reason: str
    links: tuple[str, ...]
    decided_on: date
    is_disputed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A price that two books give differently: USD per million tokens, None where a book has none. ``key``: its name over there."""

    provider: str
    model: str
    service: str
    kind: PriceKind
    above_tokens: int
    ours: Decimal | None
    theirs: Decimal | None
    rules: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What comparing with another book gave: rows by (provider, model, service, tier, kind), and how much of it could be compared."""

    rows: tuple[Disagreement, ...]
    agreed: int  # prices that are the same
    only_theirs: tuple[str, ...]  # keys of models that our book does not have
