"""Pricing's front door: the price book of this process, what usage costs by it, and its publication.

The book ships with the code, so pricing asks no database. A version is published once, byte for byte, when a process first uses it:
events keep its small id, and what priced them can be read again. Nothing here belongs to an organization.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from datetime import datetime

from carbonledger.domains.pricing import data, store, types
from carbonledger.domains.pricing.core import book as books
from carbonledger.domains.pricing.core import breakdown, caching, comparison, costing, settling
from carbonledger.infra import db
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import RequestSize, Usage

_REMEMBERED = "pricing.book_ids"


@functools.cache
def book() -> books.PriceBook:
    """Return the price book of this process, read once. Raises ``BookUnreadable``."""
    return books.load(data.prices(), data.overrides())


def price(usage: Usage, *, size: RequestSize | None = None, reported: Money | None = None) -> types.Cost:
    """Return what usage costs. ``size``: how large each request's input was, if told; ``reported``: the provider's figure."""
    return book().price(usage, size=size, reported=reported)


def rates(usage: Usage) -> types.Rates:
    """Return the rates of usage of this model, served like this, through all time."""
    return book().timeline(usage)


def unit_prices(rate: types.Rate, *, size: RequestSize | None = None) -> types.UnitPrices:
    """Return what one token of each bucket costs at a rate; ``size``: how large each request's input was, if told (``core.caching``)."""
    return caching.unit_prices(rate, size=size)


def cache_saving(prices: types.UnitPrices, tokens: types.CacheTokens) -> types.Saving:
    """Return what reading from a cache saved, less what writing to it cost, at these prices (``core.caching``)."""
    return caching.saving(prices, tokens)


def factors(cost: types.Cost) -> types.Factors | None:
    """Return what the amount of a cost is made of, for all usage that differs in its counts alone (``core.costing.factors``)."""
    return costing.factors(cost)


def dated(*, provider: str, model: str) -> tuple[types.Rate, ...]:
    """Return the rates of a model through all time: the standard ones earliest first, then those of each service.

    A rate without price tiers is no price: the book has none in that stretch.
    """
    return book().rates(provider=provider, model=model)


def explain(cost: types.Cost) -> tuple[types.Step, ...]:
    """Return how a cost came about, in steps."""
    return breakdown.explain(cost)


def prices(*, provider: str | None, model: str | None, at: datetime, after: tuple[str, str, str] | None = None) -> Iterator[types.Listed]:
    """Yield the rates in force at an instant, by (provider, model, service), those ``after`` one of them.

    ``provider`` and ``model`` are found as usage's are, by any of their names; what the book does not have yields nothing.
    """
    return book().in_force(provider=provider, model=model, at=at, after=after)


def compare(other: bytes, *, at: datetime) -> types.Comparison:
    """Return where the book disagrees at an instant with another one in LiteLLM's form. Raises ``OtherBookUnreadable``."""
    return comparison.compare(book(), comparison.read_litellm(other), at=at)


@functools.cache
def settled() -> tuple[types.Settled, ...]:
    """Return our own entries, which decide where public books disagree or are silent, by provider."""
    return settling.settled(data.overrides())


def said(flag: types.Flag) -> str:
    """Return what a flag means, for a person."""
    return breakdown.SAID[flag]


async def book_id(uow: db.UnitOfWork, *, at: datetime) -> int:
    """Return the id of the process's price book in this database, publishing it at ``at`` (real time) if it is new there.

    Remembered once committed. Safe by many at once: the second waits for the first and takes its id.
    """
    version = book().version
    remembered: dict[str, int] = uow.remembered.setdefault(_REMEMBERED, {})
    found = remembered.get(version)
    if found is None:
        found = await _published(uow, version=version, at=at)
        uow.after_commit(functools.partial(remembered.__setitem__, version, found))
    return found


async def _published(uow: db.UnitOfWork, *, version: str, at: datetime) -> int:
    found = await store.price_book_id(uow, version=version)
    if found is None:
        files = types.BookFiles(version=version, as_of=book().as_of, source=book().source, prices=data.prices(), overrides=data.overrides())
        await store.insert_price_book(uow, book=files, at=at)
        found = await store.price_book_id(uow, version=version)
    if found is None:
        raise types.BookUnpublished(f"Price book {version} was added and is not there.")
    return found


async def published_books(uow: db.UnitOfWork, *, ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return (version, SHA-256 of its files in hex) of the price books that events name, by id. Raises ``BookUnpublished``.

    The digest is over the prices, a zero byte, and the overrides; a version ends with its first twelve digits.
    """
    found = await store.price_books(uow, ids=sorted(ids))
    if found.keys() != set(ids):
        raise types.BookUnpublished(f"Price books {sorted(set(ids) - found.keys())} are named by events and are not there.")
    return found


async def published_files(uow: db.UnitOfWork, *, versions: Collection[str]) -> dict[str, tuple[bytes, bytes]]:
    """Return (prices, overrides) of published price books, byte for byte, by version. Raises ``BookUnpublished``."""
    found = await store.price_book_files(uow, versions=sorted(versions))
    if found.keys() != set(versions):
        raise types.BookUnpublished(f"Price books {sorted(set(versions) - found.keys())} are not there.")
    return found
