"""Lots of retired credits as a server tells them. Tonnes are ``Decimal``, exact; what is not said is None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from carbonledger_client import errors


@dataclass(frozen=True, slots=True)
class CreditLot:
    """A lot: what most ask for; ``document`` has everything that the server says of it."""

    id: str
    registry: str
    block: str
    kind: str
    vintage: int
    quantity_t: Decimal
    remaining_t: Decimal
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LotsImported:
    """What an import did: the lots that are new, and how many lines of the file were lots already."""

    added: tuple[CreditLot, ...]
    known: int


def imported_from_api(document: object) -> LotsImported:
    """Return what an import did. Raises ``Garbled``."""
    added = _lots(document)
    known = document.get("known") if isinstance(document, dict) else None
    if type(known) is not int or known < 0:
        raise errors.Garbled("The answer about the lots does not say how many were known.")
    return LotsImported(added, known)


def page_from_api(document: object) -> tuple[tuple[CreditLot, ...], str | None]:
    """Return a page of lots, and the cursor of the next. Raises ``Garbled``."""
    lots = _lots(document)
    cursor = document.get("next_cursor") if isinstance(document, dict) else None
    if cursor is not None and not isinstance(cursor, str):
        raise errors.Garbled("The list of lots has a cursor that is none.")
    return lots, cursor


def _lots(document: object) -> tuple[CreditLot, ...]:
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise errors.Garbled("The answer has no list of lots.")
    return tuple(_lot(row) for row in rows)


def _lot(row: object) -> CreditLot:
    if not isinstance(row, dict):
        raise errors.Garbled("A lot is not a JSON object.")
    vintage = row.get("vintage")
    if type(vintage) is not int:
        raise errors.Garbled("A lot has no vintage.")
    return CreditLot(
        id=_text(row.get("id")),
        registry=_text(row.get("registry")),
        block=_text(row.get("block")),
        kind=_text(row.get("kind")),
        vintage=vintage,
        quantity_t=_tonnes(row.get("quantity_t")),
        remaining_t=_tonnes(row.get("remaining_t")),
        document=row,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise errors.Garbled("A lot does not say what it is.")
    return value


def _tonnes(value: object) -> Decimal:
    try:
        tonnes = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation as error:
        raise errors.Garbled("A lot has tonnes that are no number.") from error
    if not tonnes.is_finite():
        raise errors.Garbled("A lot has tonnes that are no number.")
    return tonnes
