"""A plot of steps over time, drawn at the server: it needs no script, and stretches with the page.

Owns lines in a box of ``WIDTH`` by ``HEIGHT`` without a unit; axes and names are words beside it. From values that hold until the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from carbonledger.kernel import decimals

WIDTH: Final = 1000
HEIGHT: Final = 200
_MARGIN: Final = 8  # an eighth of the time shown lies before the first change, for what held until then


@dataclass(frozen=True, slots=True)
class Series:
    """Values from when each holds; None as a time: ever since, as a value: there is none."""

    name: str
    colour: str
    points: Sequence[tuple[datetime | None, int | None]]

    @property
    def last(self) -> int | None:
        """The value that holds at the end."""
        return self.points[-1][1] if self.points else None


@dataclass(frozen=True, slots=True)
class Line:
    """One series as the path of an SVG."""

    name: str
    colour: str
    path: str
    last: int | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """The lines, the time that they show, and the value at the top of the box."""

    lines: tuple[Line, ...]
    first: datetime
    until: datetime
    most: int


def drawn(several: Sequence[Series], *, until: datetime) -> Drawn | None:
    """Return the plot up to ``until``; None where nothing ever changes, or nothing is above zero."""
    changes = [at for one in several for at, _ in one.points if at is not None and at < until]
    most = max((value for one in several for _, value in one.points if value is not None), default=0)
    if not changes or not most:
        return None
    first = min(changes) - (until - min(changes)) / (_MARGIN - 1)
    return Drawn(tuple(Line(one.name, one.colour, _path(one, first, until, most), one.last) for one in several), first, until, most)


def _path(one: Series, first: datetime, until: datetime, most: int) -> str:
    """Return moves and lines; a stretch without a value is left out."""
    commands, is_open = [], False
    ends = [*(at for at, _ in one.points[1:]), until]
    for (at, value), end in zip(one.points, ends, strict=True):
        if value is None:
            is_open = False
            continue
        left, right, height = _place(at or first, first, until), _place(end or until, first, until), _height(value, most)
        commands.append(f"V{height}H{right}" if is_open else f"M{left} {height}H{right}")
        is_open = True
    return "".join(commands)


def _place(at: datetime, first: datetime, until: datetime) -> str:
    seconds = max((at - first).total_seconds(), 0)
    return _number(Decimal(WIDTH) * Decimal(int(seconds)) / Decimal(int((until - first).total_seconds())))


def _height(value: int, most: int) -> str:
    return _number(Decimal(HEIGHT) - Decimal(HEIGHT) * Decimal(value) / Decimal(most))


def _number(value: Decimal) -> str:
    return decimals.to_api_decimal(decimals.rounded(value, places=1, mode=decimals.Rounding.HALF_UP))
