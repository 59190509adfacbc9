"""Eras: stretches in which a subscription's periods are counted from one anchor; and the cycles of one.

An era begins when a subscription is first charged, when it is reactivated, and when a change of plan brings another interval or
another kind of anchor; pauses and other changes leave it alone. The n-th bound is the n-th date counted from the anchor, clamped to its
month, at local midnight of the zone that was in force when the period began: so after a move to another zone the next period starts where
the last one ended, and only its end is at the new zone's midnight.

Anchors: anniversary, the day on which charging began (or the day that the start names); calendar, the first day of the calendar's own
week, month, quarter, half-year or year. Where the new interval takes over at a bound of the old one, and both are counted in months (or
both in days), the old anchor stays, so that a subscription of the 31st remains one through any change at renewal.
"""

from __future__ import annotations

import calendar
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from carbonledger.domains.catalog.types import AnchorKind, PlanVersion, Proration
from carbonledger.domains.subscriptions.core.story import Turn
from carbonledger.domains.subscriptions.types import BILLED, OVER, FactKind, Status
from carbonledger.kernel import period as periods
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Interval

_DAYS = {CalendarUnit.DAY: 1, CalendarUnit.WEEK: 7}
_MONTHS = {CalendarUnit.MONTH: 1, CalendarUnit.QUARTER: 3, CalendarUnit.HALF_YEAR: 6, CalendarUnit.YEAR: 12}
_LEAP_YEARS = 4
_ROUND = 2
"""Cycles looked at before the one that dates alone point to: offsets and clamping move a bound by a day at most, a zone by one more."""


@dataclass(frozen=True, slots=True)
class Series:
    """The dates ``offset + n * step`` days (or months) after ``anchor``, n from 0; each clamped for itself."""

    anchor: date
    unit: CalendarUnit  # day or month
    offset: int
    step: int

    def on(self, n: int) -> date:
        """Return the n-th date."""
        return _date(self.anchor, self.unit, self.offset + n * self.step)

    def near(self, day: date) -> int:
        """Return an n (0 or more) whose date is not after ``day`` by much, nor before it by many steps."""
        if self.unit is CalendarUnit.DAY:
            passed = (day - self.anchor).days
        else:
            passed = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        return max(0, (passed - self.offset) // self.step - _ROUND)


@functools.lru_cache(maxsize=4096)  # many customers have the same dates, and each is asked for several times
def _date(anchor: date, unit: CalendarUnit, n: int) -> date:
    return periods.anchored_date(anchor, Interval(unit), n)


@functools.lru_cache(maxsize=4096)
def _midnight(day: date, zone: str) -> datetime:
    return zones.midnight(day, zones.named(zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One cycle: its service period ``[start, end)``, the dates of its bounds, and the zone in which its days are counted."""

    start: datetime
    end: datetime
    first: date
    after: date
    zone: str

    def day(self, at: datetime) -> date:
        """Return the date of an instant in it, as its days are counted: the bounds are ``first`` and ``after`` in every zone."""
        if at <= self.start:
            return self.first
        if at >= self.end:
            return self.after
        return min(max(zones.local_date(at, zones.named(self.zone)), self.first), self.after)

    def begin_of_day(self, at: datetime) -> datetime:
        """Return when the local day of ``at`` began, within the cycle."""
        day = periods.calendar_period(at, CalendarUnit.DAY, zones.named(self.zone))
        return min(max(day.start, self.start), self.end)

    def end_of_day(self, at: datetime) -> datetime:
        """Return when the local day of ``at`` is over, within the cycle; a day that only begins at ``at`` counts as not begun."""
        day = periods.calendar_period(at, CalendarUnit.DAY, zones.named(self.zone))
        over = at if day.start == at or day.end is None else day.end
        return min(max(over, self.start), self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """A stretch with one series of dates.

    ``turns[opened]`` opens it, ``turns[closed]`` closes it (None: it goes on). Flat prices count from ``begins``, usage from
    ``metered_from``: neither is later than the opening, but that flat prices wait where the era before was paid for longer.
    ``is_first``: nothing was charged before.
    """

    series: Series
    turns: tuple[Turn, ...]
    opened: int
    closed: int | None
    begins: datetime
    metered_from: datetime
    is_first: bool

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
        start = _midnight(first, self.zone_from(counted))
        while True:
            if self.is_over_before(start):
                return
            zone, after = self.zone_from(start), self.series.on(n + 1)
            end = _midnight(after, zone)
            wanted = end > counted and (since is None or self.due_from(end) >= since)
            if end > start and wanted:  # a day that a zone skipped has no cycle
                yield Span(start=start, end=end, first=first, after=after, zone=zone)
            n, start, first = n + 1, max(start, end), after

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
    flat_end = metered_end = None
    for index, turn in enumerate(told):
        closes = open_ is not None and _closes(turn, versions)
        opens = _opens(turn) or (closes and turn.after.status not in OVER)
        if closes and open_ is not None:
            ended = replace(open_, closed=index)
            flat_end, metered_end = closing(ended)
            found.append(ended)
        if opens:
            open_ = _opened(
                told,
                index,
                version=versions[turn.after.plan_version_id],
                before=found[-1] if found else None,
                is_first=all(one.is_over_before(one.since) for one in found),
                continues=closes,
                anchor=None if found else anchor,
                ends=(flat_end, metered_end),
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


def closing(era: Era) -> tuple[datetime, datetime]:
    """Return when flat prices, and when usage, stop counting in an era that is closed."""
    if era.closed is None:
        raise ValueError("the era goes on")
    turn = era.turns[era.closed]
    at = turn.fact.effective_at
    span = span_at(era, at)
    flat, metered = (at, at) if span is None else cuts(era, turn, span)  # None: it is closed before it had a cycle
    return max(flat, era.begins), max(metered, era.metered_from)


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
    ends: tuple[datetime | None, datetime | None],
) -> Era:
    turn = turns[index]
    zone = zones.named(turn.after.zone)
    at = turn.fact.effective_at
    if continues and before is not None:
        begins, metered_from = closing(before)
        since = min(begins, metered_from)  # what was paid for longer is not what the new dates are counted from
        series = _continued(before, since, version) or series_of(version, zones.local_date(since, zone), None)
    else:
        day = zones.local_date(at, zone)
        series = series_of(version, day, anchor)
        midnight = periods.calendar_period(at, CalendarUnit.DAY, zone).start
        whole = series.anchor == day and version.anchor is AnchorKind.ANNIVERSARY
        first = at.replace(microsecond=0) if turn.fact.proration is Proration.SECOND and not whole else midnight
        begins = max(first, ends[0] or first)
        metered_from = max(first, ends[1] or first)
    return Era(series=series, turns=turns, opened=index, closed=None, begins=begins, metered_from=metered_from, is_first=is_first)


def _continued(before: Era, since: datetime, version: PlanVersion) -> Series | None:
    """Return the old anchor's series in the new interval, where it takes over at a bound of the old one; None: count anew."""
    unit, step = _steps(version.interval)
    old = before.series
    if version.anchor is AnchorKind.CALENDAR or unit is not old.unit or before.closed is None:
        return None
    zone = zones.named(before.turns[before.closed].after.zone)
    day = zones.local_date(since, zone)
    for n in range(old.near(day), old.near(day) + 2 * _ROUND + 2):
        if old.on(n) == day and n:
            return Series(old.anchor, unit, old.offset + n * old.step, step)
    return None


def series_of(version: PlanVersion, day: date, anchor: date | None) -> Series:
    """Return the series whose first cycle holds ``day``; ``anchor`` is another day to count from (anniversary only)."""
    unit, step = _steps(version.interval)
    if version.anchor is AnchorKind.CALENDAR:
        return Series(_calendar_first(day, version.interval.unit), unit, 0, step)
    if anchor is None or anchor == day:
        return Series(day, unit, 0, step)
    rooted = _rooted(anchor, day, unit, step)
    passed = Series(rooted, unit, 0, step)
    n = passed.near(day)
    while passed.on(n + 1) <= day:
        n += 1
    return Series(rooted, unit, n * step, step)


def _steps(interval: Interval) -> tuple[CalendarUnit, int]:
    if interval.unit in _DAYS:
        return CalendarUnit.DAY, _DAYS[interval.unit] * interval.count
    return CalendarUnit.MONTH, _MONTHS[interval.unit] * interval.count


def _calendar_first(day: date, unit: CalendarUnit) -> date:
    if unit is CalendarUnit.WEEK:
        return day - timedelta(days=day.weekday())
    if unit is CalendarUnit.DAY:
        return day
    months = _MONTHS[unit]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _rooted(anchor: date, day: date, unit: CalendarUnit, step: int) -> date:
    """Return a day from which the series of ``anchor`` can be counted forward to ``day``."""
    if anchor <= day:
        return anchor
    if unit is CalendarUnit.DAY:
        return anchor - timedelta(days=-(-(anchor - day).days // step) * step)
    year = anchor.year
    # By whole steps that are whole years too, and to a leap year again for 29 February, so that no date is clamped for good.
    years = math.lcm(math.lcm(step, 12) // 12, _LEAP_YEARS)
    while not _has(year, anchor) or anchor.replace(year=year) > day:
        year -= years
    return anchor.replace(year=year)


def _has(year: int, anchor: date) -> bool:
    return anchor.day <= calendar.monthrange(year, anchor.month)[1]
