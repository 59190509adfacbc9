"""Eras: stretches in which a subscription's periods are counted from one anchor; and the cycles of one.

An era begins when a subscription is first charged, when it is reactivated, and when a change of plan brings another interval or
another kind of anchor; pauses and other changes leave it alone. The n-th bound is the n-th date counted from the anchor, clamped to its
month, at local midnight of the zone that was in force when the period began: so after a move to another zone the next period starts where
the last one ended, and only its end is at the new zone's midnight. An era that takes over from another after a move does the same: its
first day is the one that the old zone's calendar showed (``Joint``), so that no local day is charged to both and none to neither.

Anchors: anniversary, the day on which charging began (or the day that the start names); calendar, the first day of the calendar's own
week, month, quarter, half-year or year. Where the new interval takes over at a bound of the old one, and both are counted in months (or
both in days), the old anchor stays, so that a subscription of the 31st remains one through any change at renewal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from carbonledger.domains.catalog.types import AnchorKind, PlanVersion, Proration
from carbonledger.domains.subscriptions.core import spans
from carbonledger.domains.subscriptions.core.spans import Joint, Series, Span
from carbonledger.domains.subscriptions.core.story import Turn
from carbonledger.domains.subscriptions.types import BILLED, OVER, FactKind, Status
from carbonledger.kernel import zone as zones


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """A stretch with one series of dates.

    ``turns[opened]`` opens it, ``turns[closed]`` closes it (None: it goes on). Flat prices count from ``begins``, usage from
    ``metered_from``: neither is later than the opening, but that flat prices wait where the era before was paid for longer.
    ``starts_on`` and ``begins_on``: which dates ``since`` and ``begins`` are, where days were counted in another zone until then and it is
    another date in this one. ``is_first``: nothing was charged before.
    """

    series: Series
    turns: tuple[Turn, ...]
    opened: int
    closed: int | None
    begins: datetime
    metered_from: datetime
    is_first: bool
    starts_on: date | None = None
    begins_on: date | None = None

    @property
    def since(self) -> datetime:
        """When anything of it begins to count."""
        return min(self.begins, self.metered_from)

    def due_from(self, start: datetime) -> datetime:
        """Return when a cycle that starts at ``start`` is due first: nothing of an era is before it was opened.

        The cycle begins with what had been decided by then, and with the zone of then; what happens later is made good in it.
        """
        return max(start, self.turns[self.opened].fact.effective_at)

    def opening(self, start: datetime) -> int:
        """Return the index of the turn after which a cycle that starts at ``start`` begins."""
        at, index = self.due_from(start), self.opened
        while index + 1 < len(self.turns) and index + 1 != self.closed and precedes(self.turns[index + 1], at):
            index += 1
        return index

    def zone_from(self, start: datetime) -> str:
        """Return the zone in force when a cycle starts at ``start``."""
        return self.turns[self.opening(start)].after.zone

    def has_one_zone(self) -> bool:
        """Say whether no zone change falls into it."""
        return not any(turn.fact.kind is FactKind.ZONE_CHANGED for turn in self.turns[self.opened + 1 : self.closed])

    def is_over_before(self, start: datetime) -> bool:
        """Say whether a cycle that starts at ``start`` does not come about, as when a trial is canceled for its end."""
        return self.closed is not None and precedes(self.turns[self.closed], self.due_from(start))

    def spans(self, *, since: datetime | None = None) -> Iterator[Span]:
        """Yield the cycles that are not over before ``since`` (None: all), in order; without end where the era goes on.

        One that was over when the era was opened is over then.
        """
        n, counted = self._first_near(since), self.since
        first = self.series.on(n)
        start = self._start() if n == 0 else spans.midnight(first, self.zone_from(counted))
        while True:
            if self.is_over_before(start):
                return
            zone, after = self.zone_from(start), self.series.on(n + 1)
            end = spans.midnight(after, zone)
            wanted = end > counted and (since is None or self.due_from(end) >= since)
            if end > start and wanted:  # a day that a zone skipped has no cycle
                yield Span(start=start, end=end, first=first, after=after, zone=zone, joint=self._joint(start, end))
            n, start, first = n + 1, max(start, end), after

    def _start(self) -> datetime:
        """Return when the first cycle starts: at its midnight, or where the era before ended if that is its first day."""
        if self.series.on(0) == self.starts_on:
            return self.since
        return min(spans.midnight(self.series.on(0), self.zone_from(self.since)), self.since)

    def _joint(self, start: datetime, end: datetime) -> Joint | None:
        return Joint(self.begins, self.begins_on) if self.begins_on is not None and start <= self.begins < end else None

    def _first_near(self, since: datetime | None) -> int:
        from_ = self.since if since is None or since <= self.due_from(self.since) or not self.has_one_zone() else since
        return self.series.near(zones.local_date(from_, zones.named(self.zone_from(self.since))))


def precedes(turn: Turn, start: datetime) -> bool:
    """Say whether a cycle that starts at ``start`` starts with what ``turn`` brought: decided before, so whoever bills the start knows."""
    at = turn.fact.effective_at
    return at < start or (at == start and turn.fact.planned)


def eras(turns: Sequence[Turn], versions: Mapping[UUID, PlanVersion]) -> tuple[Era, ...]:
    """Return the eras of a story, in order. ``versions`` holds every plan version that it names."""
    found: list[Era] = []
    told = tuple(turns)
    anchor = _named_anchor(told)
    open_: Era | None = None
    ended: Closing | None = None
    for index, turn in enumerate(told):
        closes = open_ is not None and _closes(turn, versions)
        opens = _opens(turn) or (closes and turn.after.status not in OVER)
        if closes and open_ is not None:
            found.append(replace(open_, closed=index))
            ended = closing(found[-1])
        if opens:
            open_ = _opened(
                told,
                index,
                version=versions[turn.after.plan_version_id],
                before=found[-1] if found else None,
                is_first=all(one.is_over_before(one.since) for one in found),
                continues=closes,
                anchor=None if found else anchor,
                ended=ended,
            )
        elif closes:
            open_ = None
    if open_ is not None:
        found.append(open_)
    return tuple(found)


def _named_anchor(turns: Sequence[Turn]) -> date | None:
    return next((turn.fact.anchor for turn in turns if turn.fact.kind is FactKind.STARTED), None)


def _opens(turn: Turn) -> bool:
    """Say whether charging begins: from a paused one it only goes on."""
    return turn.after.status in BILLED and turn.before.status not in (*BILLED, Status.PAUSED)


def _closes(turn: Turn, versions: Mapping[UUID, PlanVersion]) -> bool:
    return turn.after.status in OVER or is_other_rhythm(versions[turn.before.plan_version_id], versions[turn.after.plan_version_id])


def is_other_rhythm(old: PlanVersion, new: PlanVersion) -> bool:
    """Say whether a change from ``old`` to ``new`` begins another series of dates."""
    return (old.interval, old.anchor) != (new.interval, new.anchor)


@dataclass(frozen=True, slots=True)
class Closing:
    """Up to when flat prices, and usage, count in an era that is closed; and which dates that is, where its days decide it."""

    flat: datetime
    metered: datetime
    flat_on: date | None = None
    metered_on: date | None = None


def closing(era: Era) -> Closing:
    """Return when an era that is closed stops counting."""
    if era.closed is None:
        raise ValueError("the era goes on")
    turn = era.turns[era.closed]
    at = turn.fact.effective_at
    span = _span_until(era, at)
    flat, metered = (at, at) if span is None or span.end == at else cuts(era, turn, span)  # None: it is closed before it had a cycle
    flat, metered = max(flat, era.begins), max(metered, era.metered_from)
    if span is None or (turn.fact.proration is Proration.SECOND and span.end != at):
        return Closing(flat, metered)
    waits = flat > span.end  # for what was paid for longer
    flat_on = (era.begins_on or zones.local_date(flat, zones.named(span.zone))) if waits else span.day(flat)
    return Closing(flat, metered, flat_on, span.day(metered))


def _span_until(era: Era, at: datetime) -> Span | None:
    """Return the cycle of ``era`` that holds ``at``, or the one that ends at it where no other begins."""
    found = None
    for span in era.spans(since=at):
        if span.start > at:
            break
        found = span
    return found if found is not None and found.end >= at else None


def span_at(era: Era, at: datetime) -> Span | None:
    """Return the cycle of ``era`` that holds ``at``, None if it has none then."""
    for span in era.spans(since=at):
        if span.end > at:
            return span if span.start <= at else None
    return None


def cuts(era: Era, turn: Turn, span: Span) -> tuple[datetime, datetime]:
    """Return from when a turn inside a cycle counts for flat prices, and from when for usage.

    What closes the era in a pause leaves it all that counted until the pause. What cuts nothing and closes it all the same, by day: it was
    planned for a renewal, beside which it fell when the zone was moved.
    """
    at, over = turn.fact.effective_at, turn.after.status in OVER
    closes = era.closed is not None and era.turns[era.closed] is turn and not over
    flat = span.begin_of_day(at) if closes and turn.fact.proration is Proration.NONE else boundary(turn, span)
    in_pause = closes and turn.before.status is Status.PAUSED
    if in_pause:
        pause = next(one for one in reversed(era.turns[: era.closed]) if one.fact.kind is FactKind.PAUSED)
        flat = flat if pause.fact.proration is Proration.NONE else max(flat, boundary(pause, span))
    is_exact = in_pause or over or turn.fact.kind in (FactKind.PAUSED, FactKind.RESUMED)
    return flat, at if is_exact else flat


def boundary(turn: Turn, span: Span) -> datetime:
    """Return from when a turn inside a cycle counts for flat prices.

    By day: the day of a change or of a resumption belongs to what is new; the day on which it is paused or over still counts. By second:
    that second. None: what is new counts from the next cycle, what pauses or ends only after this one, and what is resumed from its start.
    """
    at, proration = turn.fact.effective_at, turn.fact.proration or Proration.DAY
    stops = turn.fact.kind in (FactKind.PAUSED, FactKind.CANCELED, FactKind.ENDED, FactKind.EXPIRED)
    if proration is Proration.SECOND:
        return min(max(at.replace(microsecond=0), span.start), span.end)
    if proration is Proration.NONE:
        return span.start if turn.fact.kind is FactKind.RESUMED else span.end
    return span.end_of_day(at) if stops else span.begin_of_day(at)


def _opened(
    turns: tuple[Turn, ...],
    index: int,
    *,
    version: PlanVersion,
    before: Era | None,
    is_first: bool,
    continues: bool,
    anchor: date | None,
    ended: Closing | None,
) -> Era:
    if continues and before is not None and ended is not None:
        return _taken_over(turns, index, version=version, before=before, is_first=is_first, ended=ended)
    turn = turns[index]
    zone = zones.named(turn.after.zone)
    at = turn.fact.effective_at
    day = zones.local_date(at, zone)
    series = spans.series_of(version, day, anchor)
    midnight = spans.midnight(day, turn.after.zone)
    whole = series.anchor == day and version.anchor is AnchorKind.ANNIVERSARY
    first = at.replace(microsecond=0) if turn.fact.proration is Proration.SECOND and not whole else midnight
    begins = first if ended is None else max(first, ended.flat)
    return Era(
        series=series,
        turns=turns,
        opened=index,
        closed=None,
        begins=begins,
        metered_from=first if ended is None else max(first, ended.metered),
        is_first=is_first,
        begins_on=None if ended is None or ended.flat_on is None else _other_date(begins, max(day, ended.flat_on), zone),
    )


def _taken_over(turns: tuple[Turn, ...], index: int, *, version: PlanVersion, before: Era, is_first: bool, ended: Closing) -> Era:
    """Return an era that takes over from another without a pause, where that one stops counting."""
    zone = zones.named(turns[index].after.zone)
    # What was paid for longer is not what the new dates are counted from.
    since, on = (ended.flat, ended.flat_on) if ended.flat <= ended.metered else (ended.metered, ended.metered_on)
    day = on or zones.local_date(since, zone)
    return Era(
        series=_continued(before, day, version) or spans.series_of(version, day, None),
        turns=turns,
        opened=index,
        closed=None,
        begins=ended.flat,
        metered_from=ended.metered,
        is_first=is_first,
        starts_on=_other_date(since, on, zone),
        begins_on=_other_date(ended.flat, ended.flat_on, zone),
    )


def _other_date(at: datetime, on: date | None, zone: ZoneInfo) -> date | None:
    """Return the date ``on`` that an instant is told to be, if it is another one in the zone."""
    return None if on == zones.local_date(at, zone) else on


def _continued(before: Era, day: date, version: PlanVersion) -> Series | None:
    """Return the old anchor's series in the new interval, where it takes over at a bound of the old one; None: count anew."""
    unit, step = spans.steps(version.interval)
    old = before.series
    if version.anchor is AnchorKind.CALENDAR or unit is not old.unit or before.closed is None:
        return None
    for n in range(old.near(day), old.near(day) + 2 * spans.ROUND + 2):
        if old.on(n) == day and n:
            return Series(old.anchor, unit, old.offset + n * old.step, step)
    return None
