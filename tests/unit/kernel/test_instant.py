"""Instants on the wire: the examples of RFC 3339, strict reading, one way of writing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import instant

READ = [
    # text, UTC
    ("1985-04-12T23:20:50.52Z", datetime(1985, 4, 12, 23, 20, 50, 520_000, UTC)),  # RFC 3339, section 5.8
    ("1996-12-19T16:39:57-08:00", datetime(1996, 12, 20, 0, 39, 57, 0, UTC)),  # the same
    ("1937-01-01T12:00:27.87+00:20", datetime(1937, 1, 1, 11, 40, 27, 870_000, UTC)),  # the same
    ("2026-11-21t10:00:00z", datetime(2026, 11, 21, 10, tzinfo=UTC)),  # small letters (section 5.6, note)
    ("2026-11-21T10:00:00-00:00", datetime(2026, 11, 21, 10, tzinfo=UTC)),  # offset unknown (section 4.3)
    ("2026-11-21T23:59:59.999999999Z", datetime(2026, 11, 21, 23, 59, 59, 999_999, UTC)),  # nanoseconds never round into tomorrow
    ("2024-02-29T00:00:00+14:00", datetime(2024, 2, 28, 10, tzinfo=UTC)),
]


@pytest.mark.parametrize("text, expected", READ)
def test_reading_table(text: str, expected: datetime) -> None:
    read = instant.from_api_instant(text)
    assert read == expected
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "1990-12-31T23:59:60Z",  # a leap second: RFC 3339's example, which no datetime can hold
        "1990-12-31T15:59:60-08:00",
        "2026-11-21T10:00:00",  # no offset, so no instant
        "2026-11-21 10:00:00Z",  # a blank is for readers
        "2026-11-21",
        "2026-11-21T10:00Z",
        "20261121T100000Z",  # ISO 8601, but not RFC 3339
        "2026-W47-6T10:00:00Z",
        "2026-11-21T10:00:00,5Z",
        "2026-11-21T10:00:00.Z",
        "2026-11-21T10:00:00.1234567890Z",
        "2026-11-21T10:00:00+0100",
        "2026-11-21T10:00:00+24:00",
        "2026-11-21T10:00:00+01:60",
        "2026-02-29T10:00:00Z",  # no leap year
        "2026-13-01T10:00:00Z",
        "2026-11-21T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",  # before the calendar begins
        "9999-12-31T23:59:59-00:01",  # after it ends
        "٢٠٢٦-11-21T10:00:00Z",  # digits that are not ASCII
        "2026-11-21T10:00:00Z\n",
        " 2026-11-21T10:00:00Z",
        "",
        1_763_719_200,
        None,
        datetime(2026, 11, 21, tzinfo=UTC),
    ],
    ids=repr,
)
def test_only_rfc_3339_is_read(text: object) -> None:
    with pytest.raises(instant.InstantUnreadable):
        instant.from_api_instant(text)


WRITTEN = [
    (datetime(2026, 11, 21, 10, tzinfo=UTC), "2026-11-21T10:00:00Z"),
    (datetime(2026, 11, 21, 10, 0, 0, 120_000, UTC), "2026-11-21T10:00:00.120000Z"),
    (datetime(2026, 11, 21, 10, tzinfo=timezone(timedelta(hours=5, minutes=45))), "2026-11-21T04:15:00Z"),
]


@pytest.mark.parametrize("value, text", WRITTEN)
def test_writing_table(value: datetime, text: str) -> None:
    assert instant.to_api_instant(value) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_reading_what_was_written_gives_the_instant(value: datetime) -> None:
    assert instant.from_api_instant(instant.to_api_instant(value)) == value


def test_a_time_without_offset_is_no_instant() -> None:
    with pytest.raises(ValueError, match="offset"):
        instant.utc(datetime(2026, 11, 21))  # noqa: DTZ001 - the point
    with pytest.raises(ValueError, match="offset"):
        instant.to_api_instant(datetime(2026, 11, 21))  # noqa: DTZ001 - the point
