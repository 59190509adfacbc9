"""Zones: found by name in the packaged database, and one rule for times that are missing or double.

Expected instants follow from the rules of each zone in the IANA database (offset before and after, day and hour of the change).
"""

from __future__ import annotations

from datetime import date, datetime

import pytest

from carbonledger.kernel import instant, zone

LOCAL = [
    # zone, local time, instant
    ("UTC", "2026-01-01T00:00", "2026-01-01T00:00:00Z"),
    ("Asia/Kathmandu", "2026-01-01T00:00", "2025-12-31T18:15:00Z"),  # +05:45, no changes
    ("Europe/Berlin", "2026-01-15T12:00", "2026-01-15T11:00:00Z"),  # winter
    ("Europe/Berlin", "2026-07-15T12:00", "2026-07-15T10:00:00Z"),  # summer
    ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30:00Z"),  # missing: +01:00 applies, the clock shows 03:30
    ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z"),  # double: the first, +02:00
    ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30:00Z"),  # missing: -05:00 applies
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z"),  # double: the first, -04:00
    ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00:00Z"),  # midnight is missing: the day begins at 01:00
    ("America/Sao_Paulo", "2018-02-17T23:30", "2018-02-18T01:30:00Z"),  # double: the first, -02:00
    ("America/Sao_Paulo", "2026-11-01T00:00", "2026-11-01T03:00:00Z"),  # Brazil keeps -03:00 since 2019
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45:00Z"),  # half an hour is missing: +10:30 applies
    ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z"),  # half an hour is double: +11:00 applies
    ("Pacific/Apia", "2011-12-29T23:59", "2011-12-30T09:59:00Z"),  # -10:00, the last minute before the date line moved
    ("Pacific/Apia", "2011-12-30T00:00", "2011-12-30T10:00:00Z"),  # the day that never was
    ("Pacific/Apia", "2011-12-31T00:00", "2011-12-30T10:00:00Z"),  # +14:00, the same instant
]


@pytest.mark.parametrize("name, local, expected", LOCAL)
def test_local_times_table(name: str, local: str, expected: str) -> None:
    found = zone.to_instant(datetime.fromisoformat(local), zone.named(name))
    assert instant.to_api_instant(found) == expected


@pytest.mark.parametrize(
    "name, day, expected",
    [
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00Z"),
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30:00Z"),  # midnight came twice: set back at 00:01
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00:00Z"),  # the change comes later that day
    ],
)
def test_a_day_begins_once(name: str, day: date, expected: str) -> None:
    assert instant.to_api_instant(zone.midnight(day, zone.named(name))) == expected


def test_the_local_date_is_what_the_calendar_shows() -> None:
    at = instant.from_api_instant("2011-12-30T10:00:00Z")
    assert zone.local_date(at, zone.named("Pacific/Apia")) == date(2011, 12, 31)
    assert zone.local_date(at, zone.named("America/New_York")) == date(2011, 12, 30)


def test_a_zone_is_loaded_once_and_keeps_its_name() -> None:
    assert zone.named("Europe/Berlin") is zone.named("Europe/Berlin")
    assert zone.named("Europe/Berlin").key == "Europe/Berlin"


def test_every_zone_of_the_database_loads() -> None:
    assert len(zone.names()) > 590
    assert all(zone.named(name).key == name for name in zone.names())


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Bonn", "europe/berlin", "../../etc/passwd", "/etc/localtime", "UTC\x00", "CEST"])
def test_only_names_of_the_database_are_zones(name: str) -> None:
    with pytest.raises(zone.ZoneUnknown):
        zone.named(name)
