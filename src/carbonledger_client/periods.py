"""Periods, as a server answers them: the months of an organization, with sums and adjustments.

Owns the conversion from the wire, as ``models`` does for usage. ``document`` is the whole answer, for what is not named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from carbonledger_client import errors
from carbonledger_client.models import Money, Range

_NUMBER = "is not a number"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of a period; of an adjustment they are changes, and may be negative. None: not known, never zero."""

    events: int
    cost: Money
    energy_wh: Range | None
    co2e_g: Range | None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What late usage changed of a month. ``booked_in``: the period that it is booked in; None: it waits for the next."""

    period_id: str
    month: str
    booked_in: str | None
    totals: Totals


@dataclass(frozen=True, slots=True)
class Period:
    """A month: ``[starts_at, ends_at)``. ``root``: of the Merkle tree over its events, in hex, once it is closed."""

    id: str
    month: str
    state: str
    payment: str
    starts_at: datetime
    ends_at: datetime
    root: str | None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WholePeriod:
    """A period with its sums as they were frozen (None: not frozen yet), adjustments booked in it, and its own, booked in later ones."""

    period: Period
    totals: Totals | None
    adjustments: tuple[Adjustment, ...]
    adjusted: tuple[Adjustment, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some periods, the latest first, and where the list goes on; None: it has ended."""

    data: tuple[Period, ...]
    next_cursor: str | None


def page_from_api(document: object) -> Page:
    """Return a page. Raises ``Garbled``."""
    members = _object(document)
    return Page(tuple(_period(_object(one)) for one in _list(members, "data")), _text(members, "next_cursor", optional=True))


def whole_from_api(document: object) -> WholePeriod:
    """Return a period with its sums. Raises ``Garbled``."""
    members = _object(document)
    totals = members.get("totals")
    return WholePeriod(
        _period(members),
        None if totals is None else _totals(_object(totals)),
        tuple(_adjustment(_object(one)) for one in _list(members, "adjustments")),
        tuple(_adjustment(_object(one)) for one in _list(members, "adjusted")),
    )


def job_from_api(document: object) -> str:
    """Return the id of the job that an action was accepted as. Raises ``Garbled``."""
    return _needed(_object(document), "job_id")


def _period(members: Mapping[str, Any]) -> Period:
    return Period(
        id=_needed(members, "id"),
        month=_needed(members, "month"),
        state=_needed(members, "state"),
        payment=_needed(members, "payment"),
        starts_at=_instant(members, "starts_at"),
        ends_at=_instant(members, "ends_at"),
        root=_text(members, "root", optional=True),
        document=members,
    )


def _adjustment(members: Mapping[str, Any]) -> Adjustment:
    booked_in = _text(members, "booked_in", optional=True)
    return Adjustment(_needed(members, "period_id"), _needed(members, "month"), booked_in, _totals(_object(members.get("totals"))))


def _totals(members: Mapping[str, Any]) -> Totals:
    events, cost = members.get("events"), _object(members.get("cost"))
    if type(events) is not int:
        raise errors.Garbled("The sums of a period have no number of events.")
    money = Money(_decimal(cost.get("amount")), _needed(cost, "currency"))
    return Totals(events, money, _range(members.get("energy_wh")), _range(members.get("co2e_g")))


def _range(value: object) -> Range | None:
    if value is None:
        return None
    members = _object(value)
    return Range(*(_decimal(members.get(bound)) for bound in ("low", "mid", "high")))


def _decimal(value: object) -> Decimal:
    if not isinstance(value, str):
        raise errors.Garbled(f"{value!r} {_NUMBER}.")
    try:
        made = Decimal(value)
    except InvalidOperation:
        raise errors.Garbled(f"{value[:64]!r} {_NUMBER}.") from None
    if not made.is_finite():
        raise errors.Garbled(f"{value[:64]!r} {_NUMBER}.")
    return made


def _instant(members: Mapping[str, Any], name: str) -> datetime:
    written = _needed(members, name)
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        raise errors.Garbled(f"{name} of a period is not an instant: {written[:64]!r}.") from None


def _needed(members: Mapping[str, Any], name: str) -> str:
    found = _text(members, name, optional=False)
    if found is None:
        raise errors.Garbled(f"A period has no {name}.")
    return found


def _text(members: Mapping[str, Any], name: str, *, optional: bool) -> str | None:
    found = members.get(name)
    if isinstance(found, str) or (found is None and optional):
        return found
    raise errors.Garbled(f"{name} of a period is not a text.")


def _list(members: Mapping[str, Any], name: str) -> list[object]:
    found = members.get(name)
    if not isinstance(found, list):
        raise errors.Garbled(f"The answer about periods has no list {name}.")
    return found


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.Garbled("The answer about periods is not a JSON object where one belongs.")
    return value
