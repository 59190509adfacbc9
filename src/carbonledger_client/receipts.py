"""Carbon receipts, as a server answers them.

Owns the conversion from the wire, as ``periods`` does for months. What a receipt says is verified by ``carbonledger_proof``, from its
bundle or its PDF; nothing here is to be believed without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from carbonledger_client import errors


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt. ``serial``, ``issued_at``, ``is_test``: None while it waits for credits (``state`` deferred).

    ``is_proven``: whether bundle and PDF are there. ``document``: the whole answer, for what is not named here.
    """

    id: str
    period_id: str
    month: str
    state: str
    serial: str | None
    is_test: bool | None
    required_mg: int
    issued_at: datetime | None
    is_proven: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some receipts, the newest first, and where the list goes on; None: it has ended."""

    data: tuple[Receipt, ...]
    next_cursor: str | None


def page_from_api(document: object) -> Page:
    """Return a page. Raises ``Garbled``."""
    members = _object(document)
    data, cursor = members.get("data"), members.get("next_cursor")
    if not isinstance(data, list) or not (cursor is None or isinstance(cursor, str)):
        raise errors.Garbled("The answer about receipts is no list.")
    return Page(tuple(map(receipt_from_api, data)), cursor)


def receipt_from_api(document: object) -> Receipt:
    """Return a receipt. Raises ``Garbled``."""
    members = _object(document)
    kinds = {"id": str, "period_id": str, "month": str, "state": str, "required_mg": int, "is_proven": bool}
    for name, kind in kinds.items():
        if type(members.get(name)) is not kind:
            raise errors.Garbled(f"{name} of a receipt is not as it has to be.")
    for name, kind in (("serial", str), ("is_test", bool), ("issued_at", str)):
        if members.get(name) is not None and type(members[name]) is not kind:
            raise errors.Garbled(f"{name} of a receipt is not as it has to be.")
    named = {name: members[name] for name in kinds}
    return Receipt(
        **named,
        serial=members.get("serial"),
        is_test=members.get("is_test"),
        issued_at=_instant(members.get("issued_at")),
        document=members,
    )


def _instant(written: str | None) -> datetime | None:
    try:
        return None if written is None else datetime.fromisoformat(written)
    except ValueError:
        raise errors.Garbled(f"A receipt was issued at no instant: {written[:64] if written else written!r}.") from None


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.Garbled("The answer about receipts is not a JSON object where one belongs.")
    return value
