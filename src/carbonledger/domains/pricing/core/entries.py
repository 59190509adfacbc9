"""The price book as it is written: entries with their dates, hours and prices, grouped by model and provider.

Owns reading the two files of ``data``. It does not own what an entry comes to at an instant (``timelines``). Providers are parsed when
they are first asked for: a process prices the models of a few, and the book has thousands.

A model's entries stand in order, those of the release first, ours after them: of those in force the last one counts.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from carbonledger.domains.pricing import types
from carbonledger.domains.pricing.core import matching
from carbonledger.kernel import decimals, errors, instant

FORMAT = 1
_SECTION = '{"provider":'
_WEEK = frozenset(range(1, 8))
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """What holds from an instant, or ever since, to another outside it, or for good."""

    origin: types.Origin
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            raise types.BookUnreadable(f"{self.origin.rule} ends before it begins.")

    def holds(self, start: datetime | None, end: datetime | None) -> bool:
        """Say whether it is in force all through a stretch of time in which nothing begins or ends."""
        began = self.starts_at is None or (start is not None and self.starts_at <= start)
        return began and (self.ends_at is None or (end is not None and end <= self.ends_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Dated):
    """Prices of a model for one service, from an instant to another, perhaps at certain hours and weekdays (in UTC) only.

    ``rates``: US dollars per million tokens, or per request, as text; with price tiers a list, the base and then [above, price] each.
    ``hours``: minutes of the day, each from one inside to one outside, over midnight where the first is larger. ``days``: 1 is Monday.
    """

    rates: Mapping[str, object]
    hours: tuple[tuple[int, int], ...] = ()
    days: frozenset[int] = frozenset()
    is_disputed: bool = False
    disputed_above: int | None = None

    @property
    def is_daily(self) -> bool:
        """Whether it holds at certain hours or on certain days only."""
        return bool(self.hours or self.days)

    def holds_at(self, at: datetime) -> bool:
        """Say whether the hour and the day of the week are right."""
        minute = at.hour * 60 + at.minute
        right_hour = not self.hours or any(_inside(minute, start, end) for start, end in self.hours)
        return right_hour and (not self.days or at.isoweekday() in self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier(Dated):
    """What a provider makes of all its prices of these kinds: of batches in general, or of what is served in one region."""

    times: Decimal
    kinds: frozenset[str]
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a provider with all its entries, by service."""

    provider: str
    id: str
    match: tuple[object, ...]
    entries: Mapping[str, tuple[Entry, ...]]
    other: tuple[str, ...] = ()  # what else the provider bills


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider and its models, parsed and indexed when first needed."""

    id: str
    name: str
    makers: tuple[str, ...]  # whose models it serves at their price, in this order
    links: tuple[str, ...]
    batches: tuple[Multiplier, ...]  # for models without a batch price of their own
    regions: tuple[Multiplier, ...]  # over any price, where the provider's word for the region is this
    lines: tuple[str, ...]
    added: tuple[Mapping[str, Any], ...]  # models of ours
    overrides: tuple[Mapping[str, Any], ...]
    # Filled once, by whoever asks first; two that ask at once find the same.
    _parsed: list[tuple[tuple[Model, ...], matching.Names]] = field(default_factory=list, repr=False, compare=False)

    @property
    def models(self) -> tuple[Model, ...]:
        """All models, ours first."""
        return self._index()[0]

    def find(self, name: str) -> Model | None:
        """Return the model that ``name`` means, or None."""
        models, names = self._index()
        place = names.find(name)
        return None if place is None else models[place]

    def _index(self) -> tuple[tuple[Model, ...], matching.Names]:
        if not self._parsed:
            models = _readable(lambda: tuple(_models(self)))
            self._parsed.append((models, matching.Names(model.match for model in models)))
        return self._parsed[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How providers and services are called elsewhere, by our word for them."""

    providers: Mapping[str, str]
    services: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The two files, read."""

    as_of: date
    source: Mapping[str, str]
    providers: Mapping[str, Provider]
    words: Words


def read(prices: bytes, overrides: bytes) -> Book:
    """Return the book that the files hold. Raises ``BookUnreadable``, now or when a provider is first used."""
    return _readable(lambda: _read(prices.decode().removesuffix("\n").split("\n"), json.loads(overrides)))


def _readable(read_it: Callable[[], _Read]) -> _Read:
    """Return what is read, turning what a file of another form makes fail into a fault that says so."""
    try:
        return read_it()
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, errors.Invalid) as error:
        raise types.BookUnreadable(f"The price book does not have the form that this version reads: {error!r}") from error


def _read(lines: Sequence[str], ours: Mapping[str, Any]) -> Book:
    head = json.loads(lines[0])
    if head["format"] != FORMAT or ours["format"] != FORMAT:
        raise ValueError("another format")
    starts = [place for place, line in enumerate(lines) if line.startswith(_SECTION)]
    sections = [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    providers = [_provider(section, ours) for section in sections]
    known = {provider.id: provider for provider in providers}
    lost = {maker for provider in providers for maker in provider.makers} - known.keys()
    if lost:
        raise ValueError(f"models of {', '.join(sorted(lost))}, which the book does not have")
    for row in (*ours["models"], *ours["prices"], *ours["batches"], *ours["regions"]):
        if row["provider"] not in known:
            raise ValueError(f"an override of {row['provider']}, which the book does not have")
    words = Words(providers=_inverse(ours["providers"]), services=_inverse(ours["services"]))
    return Book(as_of=date.fromisoformat(head["as_of"]), source=head["source"], providers=known, words=words)


def _provider(section: Sequence[str], ours: Mapping[str, Any]) -> Provider:
    head = json.loads(section[0])
    mine = functools.partial(_of_provider, head["provider"])
    return Provider(
        id=head["provider"],
        name=head["name"],
        makers=tuple(head.get("makers", ())),
        links=tuple(head.get("links", ())),
        batches=tuple(_multiplier(row) for row in mine(ours["batches"])),
        regions=tuple(_multiplier(row) for row in mine(ours["regions"])),
        lines=tuple(section[1:]),
        added=tuple(mine(ours["models"])),
        overrides=tuple(mine(ours["prices"])),
    )


def _of_provider(provider: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (row for row in rows if row["provider"] == provider)


def _models(provider: Provider) -> Iterator[Model]:
    rows = [*provider.added, *(json.loads(line) for line in provider.lines)]
    for name in {name for row in provider.overrides for name in row["models"]} - {row["id"] for row in rows}:
        raise types.BookUnreadable(f"An override names {provider.id}/{name}, which the book does not have.")
    for row in rows:
        links = tuple(row.get("links", ())) or provider.links
        entries = {types.STANDARD: [_entry(provider.id, row["id"], types.STANDARD, price, links) for price in row.get("prices", ())]}
        for service, prices in row.get("services", {}).items():
            entries[service] = [_entry(provider.id, row["id"], service, price, links) for price in prices]
        for override in provider.overrides:
            if row["id"] in override["models"]:
                entries.setdefault(override.get("service", types.STANDARD), []).append(_override(override))
        if any(entry.is_daily for service, found in entries.items() if service != types.STANDARD for entry in found):
            raise types.BookUnreadable(f"{provider.id}/{row['id']}: only standard prices may have hours.")
        yield Model(
            provider=provider.id,
            id=row["id"],
            match=tuple(row.get("match", ())) or (f"={row['id'].lower()}",),
            entries={service: tuple(found) for service, found in entries.items()},
            other=tuple(row.get("other", ())),
        )


def _entry(provider: str, model: str, service: str, row: Mapping[str, Any], links: tuple[str, ...]) -> Entry:
    marks = [f":{service}"] if service != types.STANDARD else []
    marks += [f"@{row['from']}"] if "from" in row else []
    marks += ["@" + ",".join(f"{start}-{end}" for start, end in row["hours"])] if "hours" in row else []
    return _dated(types.Origin(rule=f"{provider}/{model}{''.join(marks)}", links=links), row)


def _override(row: Mapping[str, Any]) -> Entry:
    return _dated(types.Origin(rule=f"override:{row['id']}", links=tuple(row["links"]), reason=row["reason"]), row)


def _dated(origin: types.Origin, row: Mapping[str, Any]) -> Entry:
    disputed = row.get("disputed")
    days = frozenset(row.get("days", ()))
    if not days <= _WEEK:
        raise ValueError(f"{sorted(days)} are not all days of the week")
    return Entry(
        origin=origin,
        rates=row["rates"],
        starts_at=_instant(row.get("from")),
        ends_at=_instant(row.get("to")),
        hours=tuple(_hours(start, end) for start, end in row.get("hours", ())),
        days=days,
        is_disputed=disputed is not None,
        disputed_above=disputed.get("above_tokens") if disputed else None,
    )


def _multiplier(row: Mapping[str, Any]) -> Multiplier:
    return Multiplier(
        origin=types.Origin(rule=f"override:{row['id']}", links=tuple(row["links"]), reason=row["reason"]),
        times=decimals.from_api_decimal(row["times"], places=6),
        kinds=frozenset(row["kinds"]),
        region=row.get("region"),
        starts_at=_instant(row.get("from")),
        ends_at=_instant(row.get("to")),
    )


def _inverse(words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {other: word for word, others in words.items() for other in others}


def _instant(text: str | None) -> datetime | None:
    """Return an instant, or the first of a day in UTC."""
    if text is None:
        return None
    return instant.from_api_instant(text) if "T" in text else datetime.combine(date.fromisoformat(text), time(), UTC)


def _hours(start: str, end: str) -> tuple[int, int]:
    first, last = time.fromisoformat(start), time.fromisoformat(end)
    if first == last:
        raise ValueError(f"from {start} until {end} is all day or never")
    return first.hour * 60 + first.minute, last.hour * 60 + last.minute


def _inside(minute: int, start: int, end: int) -> bool:
    return start <= minute < end if start < end else minute >= start or minute < end
