"""Which price books days tell for certain, and which of them have to be looked into."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from carbonledger.domains.telemetry.core import priced
from carbonledger.domains.telemetry.types.tallying import Stretch

DAY = datetime(2026, 10, 1, tzinfo=UTC)


def at(day: float) -> datetime:
    return DAY + timedelta(days=day - 1)


def days(*told: tuple[int, tuple[int, ...]]) -> list[tuple[date, tuple[int, ...]]]:
    return [(date(2026, 10, number), books) for number, books in told]


def told(known: list[tuple[date, tuple[int, ...]]], start: datetime, end: datetime) -> tuple[set[int], list[Stretch]]:
    certain, doubtful = priced.told(known, Stretch(start, end))
    return set(certain), doubtful


def test_whole_days_of_one_book_are_certain() -> None:
    assert told(days((1, (7,)), (2, (7,)), (3, (8,))), at(1), at(4)) == ({7, 8}, [])
    assert told([], at(1), at(4)) == (set[int](), [])


def test_a_day_in_part_is_doubtful_unless_its_books_are_certain_by_others() -> None:
    known = days((1, (7,)), (2, (8,)), (3, (8,)))
    assert told(known, at(1.5), at(3.25)) == ({8}, [Stretch(at(1.5), at(2))])
    assert told(known[1:], at(2), at(3.25)) == ({8}, [])


def test_a_day_of_several_books_is_doubtful_unless_all_of_them_are_certain() -> None:
    assert told(days((1, (7,)), (2, (7, 8))), at(1), at(3)) == ({7}, [Stretch(at(2), at(3))])
    assert told(days((1, (7,)), (2, (7, 8)), (3, (8,))), at(1), at(4)) == ({7, 8}, [])
