"""The periods of a subscription as they are shown, and when something is due next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from carbonledger.domains.catalog.types import PlanVersion
from carbonledger.domains.subscriptions.core import eras as eras_
from carbonledger.domains.subscriptions.core import standing, story
from carbonledger.domains.subscriptions.core.eras import Era
from carbonledger.domains.subscriptions.core.spans import Span
from carbonledger.domains.subscriptions.types import Cycle, Fact
from carbonledger.kernel.period import Period


def cycles(facts: Sequence[Fact], versions: Mapping[UUID, PlanVersion], *, since: datetime | None = None, limit: int) -> tuple[Cycle, ...]:
    """Return up to ``limit`` periods that end after ``since`` (None: all), in order, as far as today's facts say."""
    return tuple(islice(_all(facts, versions, since=since), limit))


def _all(facts: Sequence[Fact], versions: Mapping[UUID, PlanVersion], *, since: datetime | None) -> Iterator[Cycle]:
    found = eras_.eras(story.tell(facts), versions)
    for era in found:
        for span in era.spans(since=since):
            part = _part(era, span)
            if part is not None and (since is None or span.end > since):
                yield Cycle(service=Period(span.start, span.end), part=part, first=span.first, after=span.after, zone=span.zone)


def _part(era: Era, span: Span) -> Period | None:
    end = span.end
    if era.closed is not None and era.turns[era.closed].fact.effective_at < span.end:
        end = min(end, eras_.closing(era).flat)
    start = max(span.start, era.begins)
    return Period(start, end) if start < end else None


def current(facts: Sequence[Fact], versions: Mapping[UUID, PlanVersion], *, at: datetime) -> Span | None:
    """Return the period that holds ``at``, None where none does: in a trial, before the start, or after the end.

    What takes effect later decides only where a period is cut, so it is left out: the period is the whole one.
    """
    turns = story.tell(facts, until=at)
    found = eras_.eras(turns, versions)
    if not found or found[-1].closed is not None:
        return None
    return eras_.span_at(found[-1], at)


def next_due(facts: Sequence[Fact], versions: Mapping[UUID, PlanVersion], *, after: datetime) -> datetime | None:
    """Return when the next fact takes effect or the current period ends, whichever is first, after ``after``; None if neither will.

    With ``after`` before the start that is the start itself.
    """
    upcoming = [fact.effective_at for fact in standing.pending(facts, at=after)[:1]]
    span = current(facts, versions, at=after)
    if span is not None:
        upcoming.append(span.end)
    return min(upcoming, default=None)
