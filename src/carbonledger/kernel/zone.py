"""Time zones of the IANA database, and what a local time means.

Owns: finding a zone, and turning local times into instants. The data come from the ``tzdata`` package alone, never from the
operating system, so that a period has the same bounds on every machine that runs the same lock file. Reading it is the one
thing in the kernel that opens a file: packaged, read-only, cached for the life of the process.

One rule decides every local time that a change of offset makes missing or double: the offset in force before the change
applies. A missing time (a gap) so falls after the change, by as much as it lies inside the gap; of a double time the first is
meant. Where midnight is missing, the day begins with the change.
"""

from __future__ import annotations

import functools
import importlib.resources
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from carbonledger.kernel import errors


class ZoneUnknown(errors.Invalid):
    """This is not a time zone of the IANA database."""

    code = "zone_unknown"


@functools.cache
def names() -> frozenset[str]:
    """Return the names of all zones."""
    return frozenset(importlib.resources.files("tzdata").joinpath("zones").read_text("ascii").split())


def named(name: str) -> ZoneInfo:
    """Return the zone of this name, such as ``Europe/Berlin``. Raises ``ZoneUnknown``."""
    if name not in names():  # before any path is made of it
        raise ZoneUnknown("Give a name of the IANA time zone database, such as Europe/Berlin or UTC.")
    return _load(name)


@functools.cache
def _load(name: str) -> ZoneInfo:
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def to_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant that the local time ``local`` (without offset) means in ``zone``."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)  # fold 0 is the offset before the change (PEP 495)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which the local day begins."""
    return to_instant(datetime.combine(day, time.min), zone)


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """Return what the calendar in ``zone`` shows at the instant ``at``."""
    return at.astimezone(zone).date()
