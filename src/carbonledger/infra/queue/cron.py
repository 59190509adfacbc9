"""Cron expressions of five fields, in UTC: when does one come due next. Pure.

``minute hour day-of-month month day-of-week``; each field is ``*`` or a list of numbers, ranges ``a-b``, and either with ``/step``. Sunday
is 0 or 7. Where both days are restricted a day counts if either matches, as in POSIX crontab(5). No names, no seconds, no time zones:
a schedule of ours needs none, and none can be misread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_PART = re.compile(r"^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?\Z", re.ASCII)
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_DAYS_MAX = 366 * 8 + 1  # the longest wait is for 29 February across a century that is no leap year (1896 to 1904)


class CronInvalid(ValueError):
    """The expression is not one of five fields that can ever come due."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression."""

    expression: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Both days are restricted, so one of them is enough."""

    def next_after(self, moment: datetime) -> datetime:
        """Return the first whole minute after the aware instant ``moment`` at which the expression comes due, in UTC."""
        first = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = first.replace(hour=0, minute=0)
        for _ in range(_DAYS_MAX):
            if self._is_due_on(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        due = day.replace(hour=hour, minute=minute)
                        if due >= first:
                            return due
            day += timedelta(days=1)
        raise CronInvalid(f"{self.expression!r} never comes due.")

    def _is_due_on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (of_month or of_week) if self.either_day else (of_month and of_week)


def parse(expression: str) -> Cron:
    """Read an expression. Raises ``CronInvalid``, also for a day that no month has."""
    fields = expression.split()
    if len(fields) != len(_BOUNDS):
        raise CronInvalid(f"{expression!r} has {len(fields)} fields, not five.")
    minutes, hours, days, months, weekdays = (
        _field(text, low, high, expression) for text, (low, high) in zip(fields, _BOUNDS, strict=True)
    )
    parsed = Cron(
        expression=" ".join(fields),
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    parsed.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    return parsed


def _field(text: str, low: int, high: int, expression: str) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.match(part)
        if found is None:
            raise CronInvalid(f"{part!r} in {expression!r} is neither *, a number, nor a range.")
        first, last, step = found.groups()
        start = low if first is None else int(first)
        end = high if first is None or (step and last is None) else int(last or first)
        if not low <= start <= end <= high or step == "0":
            raise CronInvalid(f"{part!r} in {expression!r} is outside {low}-{high}.")
        values.update(range(start, end + 1, int(step or 1)))
    return frozenset(values)
