"""Times as people write them: what is understood, to which instant, and what is not guessed at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_client import rows, times

UNDERSTOOD = [
    ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
    ("2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"),  # RFC 3339, section 5.6 allows small letters
    ("2026-01-31 12:00:00", "2026-01-31T12:00:00Z"),
    ("2026-01-31 12:00", "2026-01-31T12:00:00Z"),
    ("2026-01-31", "2026-01-31T00:00:00Z"),
    ("2026-01-31 12:00:00 UTC", "2026-01-31T12:00:00Z"),
    ("2026-01-31 12:00:00.5 +00:00", "2026-01-31T12:00:00.500000Z"),
    ("2026-01-31 12:00:00+00", "2026-01-31T12:00:00Z"),  # PostgreSQL's output
    ("2026-01-31T12:00:00+05:30", "2026-01-31T06:30:00Z"),
    ("2026-01-31T12:00:00-0800", "2026-01-31T20:00:00Z"),
    ("2023-11-16 18:15:46.6805900", "2023-11-16T18:15:46.680590Z"),  # Azure: 100 ns
    ("2023-11-16 18:15:46.680590999", "2023-11-16T18:15:46.680590Z"),  # cut, not rounded
    ("1767225600", "2026-01-01T00:00:00Z"),
    (1_767_225_600, "2026-01-01T00:00:00Z"),
    (1_767_225_600.25, "2026-01-01T00:00:00.250000Z"),
    ("1767225600.0", "2026-01-01T00:00:00Z"),
    ("1767225600123", "2026-01-01T00:00:00.123000Z"),
    ("1767225600123.4567", "2026-01-01T00:00:00.123456Z"),
]
REFUSED = [
    "", " ", None, True, "yesterday", "31.01.2026", "01/31/2026", "2026-02-30", "2026-13-01", "2026-01-31X12:00:00", "2026-01-31 25:00:00",
    "2026-01-31T12:00:60Z", "2026-01-31 12:00:00.1234567890", "2026-01-31 12:00:00,5", "20260131", "2026-W05-6", "176722560", "17672256000",
    "1e9",
    "-1767225600", "٢٠٢٦-01-31", "NaN", float("nan"), {"at": 1}, "2026-01-31T12:00:00+99:00",
]  # fmt: skip


@pytest.mark.parametrize("written, instant", UNDERSTOOD, ids=repr)
def test_a_written_time_is_this_instant(written: object, instant: str) -> None:
    assert times.instant(written) == instant


@pytest.mark.parametrize("written", REFUSED, ids=repr)
def test_what_is_no_clear_time_is_refused(written: object) -> None:
    with pytest.raises(rows.Rejected) as refused:
        times.instant(written)
    assert refused.value.code == "occurred_at_invalid"


@pytest.mark.parametrize("written", ["2014-12-31T23:59:59Z", "1970-01-01", "0001-01-01T00:00:00Z"])
def test_a_time_before_the_ledger_begins_is_out_of_range(written: str) -> None:
    with pytest.raises(rows.Rejected) as refused:
        times.instant(written)
    assert refused.value.code == "occurred_at_out_of_range"


@pytest.mark.parametrize(
    "written, instant",
    [
        ("2026-03-29 01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),  # skipped: the offset before the change (+01:00)
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),  # twice: the offset before the change (+02:00)
        ("2026-03-29 02:30:00Z", "2026-03-29T02:30:00Z"),  # an offset of its own wins
        ("1767225600", "2026-01-01T00:00:00Z"),  # Unix time has no zone
    ],
)
def test_a_time_without_an_offset_is_one_of_the_zone(written: str, instant: str) -> None:
    assert times.instant(written, ZoneInfo("Europe/Berlin")) == instant


@given(
    st.datetimes(datetime(2015, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the zone is drawn beside it
    st.integers(-14 * 60, 14 * 60),
)
def test_every_time_with_an_offset_keeps_its_instant(local: datetime, offset_minutes: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))

    assert datetime.fromisoformat(times.instant(moment.isoformat())) == moment.astimezone(UTC)


def test_the_width_of_a_bucket_is_in_seconds() -> None:
    assert times.width_s("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z") == 86_400
