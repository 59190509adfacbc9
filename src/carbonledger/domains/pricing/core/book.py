"""The price book in use: from a provider, a model and an instant to a rate, and from usage to a cost.

Owns finding the provider by its names, the model among its own and then among its makers', and the service; and remembering what was
found, since the same few models are priced all day. It does not own what an entry or a rate is (``entries``, ``timelines``).

A provider is found by its id or one of a closed list of other names, never by resemblance: an unknown one is not covered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime

from carbonledger.domains.pricing import types
from carbonledger.domains.pricing.core import costing, entries, timelines
from carbonledger.domains.pricing.types import Cost, Flag, Rate
from carbonledger.kernel import instant
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import RequestSize, Usage

FOUND_MAX = 4_000  # names are chosen by whoever sends usage; what is remembered of the longest ones is 7 MB and no more
_DIGEST_CHARS = 12
_WITHOUT_PRICE = Flag.BATCH_RATE_MISSING.bit | Flag.SERVICE_TIER_RATE_MISSING.bit  # the standard price in place of one of the service

_Key = tuple[str, str, bool, str | None, str | None]


class PriceBook:
    """A version of the price book. Holds no state but what it has already looked up, and may be shared between threads."""

    __slots__ = ("_book", "_found", "version")

    def __init__(self, book: entries.Book, version: str) -> None:
        """Take a book that was read, under the name that costs will keep."""
        self._book = book
        self._found: dict[_Key, timelines.Timeline] = {}
        self.version = version

    @property
    def as_of(self) -> date:
        """The day on which its prices were taken."""
        return self._book.as_of

    @property
    def source(self) -> Mapping[str, str]:
        """Name, version, address, digest and licence of the release that it was made of."""
        return self._book.source

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers that it has."""
        return tuple(self._book.providers)

    def models(self, provider: str) -> tuple[str, ...]:
        """Return the models of a provider; none if the book does not have it."""
        found = self._provider(provider)
        return () if found is None else tuple(model.id for model in found.models)

    def price(self, usage: Usage, *, size: RequestSize | None = None, reported: Money | None = None) -> Cost:
        """Return what ``usage`` costs. ``size``: how large each request's input was; ``reported``: the provider's own figure."""
        timeline = self.timeline(usage)
        rate = timeline.only or timeline.at(usage.occurred_at)
        return costing.cost(rate, usage, version=self.version, size=size, reported=reported)

    def timeline(self, usage: Usage) -> timelines.Timeline:
        """Return the rates of usage of this model, served like this, through all time."""
        key = (usage.provider, usage.model, usage.batch, usage.service_tier, usage.region)
        return self._found.get(key) or self._find(key)

    def rate_at(
        self,
        *,
        provider: str,
        model: str,
        at: datetime,
        batch: bool = False,
        service_tier: str | None = None,
        region: str | None = None,
    ) -> Rate:
        """Return the rate in force at an instant. Where the book has none it has no tiers, and its flags say why."""
        key = (provider, model, batch, service_tier, region)
        return (self._found.get(key) or self._find(key)).at(instant.utc(at))

    def rates(self, *, provider: str, model: str) -> tuple[Rate, ...]:
        """Return the rates of a model through all time: the standard ones earliest first, then those of each service."""
        found = self._model(provider, model)
        services = (types.STANDARD,) if found is None else tuple(found.entries)
        return tuple(rate for service in services for rate in self._timeline(provider, model, service, None).rates())

    def in_force(
        self, *, provider: str | None, model: str | None, at: datetime, after: tuple[str, str, str] | None = None
    ) -> Iterator[types.Listed]:
        """Yield the rates in force at an instant, by (provider, model, service), those ``after`` one of them.

        ``provider`` and ``model`` are names as usage has them; None: all. What has no price is left out, and so is a service that
        costs what the standard one does for want of a price. Batches are among them where the provider has a general discount.
        """
        moment = instant.utc(at)
        for server, found in self._lines(provider, model):
            if after is not None and (server.id, found.id) < after[:2]:
                continue
            services = {*found.entries, *((types.BATCH,) if server.batches else ())}
            for service in sorted(services):
                rate = timelines.compiled(found, _terms(server, service, None)).at(moment)
                if rate.tiers and not rate.bits & _WITHOUT_PRICE and (after is None or (server.id, found.id, service) > after):
                    yield types.Listed(server.id, rate)

    def check(self) -> int:
        """Compile every rate of the book and return their number. Raises ``BookUnreadable`` at the first entry that is not one."""
        return sum(
            len(tuple(timelines.compiled(model, _terms(provider, service, region)).rates()))
            for provider in self._book.providers.values()
            for model in provider.models
            for service in {*model.entries, types.BATCH}
            for region in {None, *(one.region for one in provider.regions)}
        )

    def _find(self, key: _Key) -> timelines.Timeline:
        provider, model, batch, service_tier, region = key
        found = self._timeline(provider, model, self._service(batch=batch, service_tier=service_tier), region)
        if len(self._found) >= FOUND_MAX:
            self._found.clear()
        self._found[key] = found
        return found

    def _timeline(self, provider: str, model: str, service: str, region: str | None) -> timelines.Timeline:
        server = self._provider(provider)
        found = self._model(provider, model)
        if server is None or found is None:
            flag = Flag.PROVIDER_UNKNOWN if server is None else Flag.MODEL_UNKNOWN
            return timelines.unpriced(provider=provider, model=model, service=service, flag=flag)
        return timelines.compiled(found, _terms(server, service, region))

    def _lines(self, provider: str | None, model: str | None) -> Iterator[tuple[entries.Provider, entries.Model]]:
        """Yield providers with those of their models that are asked for, in their order."""
        asked = None if provider is None else self._provider(provider)
        servers = (
            ([] if asked is None else [asked]) if provider is not None else sorted(self._book.providers.values(), key=lambda one: one.id)
        )
        for server in servers:
            if model is None:
                yield from ((server, found) for found in sorted(server.models, key=lambda one: one.id))
            elif (found := self._model(server.id, model)) is not None:
                yield server, found

    def _provider(self, name: str) -> entries.Provider | None:
        small = name.lower()
        return self._book.providers.get(self._book.words.providers.get(small, small))

    def _model(self, provider: str, name: str) -> entries.Model | None:
        """Return the provider's own model of that name, or else that of the first maker whose models it serves."""
        server = self._provider(provider)
        if server is None:
            return None
        makers = (self._book.providers[maker] for maker in server.makers)
        return next((model for one in (server, *makers) if (model := one.find(name)) is not None), None)

    def _service(self, *, batch: bool, service_tier: str | None) -> str:
        """Return our word for how it was served. A batch is a batch, whatever service tier the provider names beside it."""
        if batch:
            return types.BATCH
        small = (service_tier or types.STANDARD).lower()
        return self._book.words.services.get(small, small)


def _terms(server: entries.Provider, service: str, region: str | None) -> timelines.Terms:
    return timelines.Terms(
        provider=server.id,
        service=service,
        region=None if region is None else region.lower(),
        batches=server.batches,
        regions=server.regions,
    )


def load(prices: bytes, overrides: bytes) -> PriceBook:
    """Return the price book of the two files. Its version is the day of its prices and a digest of every byte of both.

    Raises ``BookUnreadable``.
    """
    book = entries.read(prices, overrides)
    digest = hashlib.sha256(prices + b"\x00" + overrides).hexdigest()[:_DIGEST_CHARS]
    return PriceBook(book, f"{book.as_of.isoformat()}-{digest}")
