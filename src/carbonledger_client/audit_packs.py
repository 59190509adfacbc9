"""Audit packs, as a server lists them. What a pack says is verified by ``carbonledger_proof.pack``, from the file; nothing here is to be
believed without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from carbonledger_client import errors

_MONTH = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")
_SHA256 = re.compile(r'(?:W/)?"([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class AuditPack:
    """A pack of a closed month. ``number`` counts the packs of a month from 1 on. ``state`` ordered: it is being made, and ``made_at``,
    ``size_bytes``, ``sha256`` (hex) and ``files`` are None. ``document``: the whole answer.
    """

    id: str
    month: str
    number: int
    state: str
    made_at: datetime | None
    size_bytes: int | None
    sha256: str | None
    files: int | None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some packs, the last ordered first, and where the list goes on; None: it has ended."""

    data: tuple[AuditPack, ...]
    next_cursor: str | None


def page_from_api(document: object) -> Page:
    """Return a page. Raises ``Garbled``."""
    members = document if isinstance(document, dict) else {}
    data, cursor = members.get("data"), members.get("next_cursor")
    if not isinstance(data, list) or not (cursor is None or isinstance(cursor, str)):
        raise errors.Garbled("The answer about audit packs is no list.")
    return Page(tuple(map(_pack, data)), cursor)


def _pack(document: object) -> AuditPack:
    if not isinstance(document, dict):
        raise errors.Garbled("An audit pack is not a JSON object.")
    needed = {"id": str, "month": str, "number": int, "state": str}
    perhaps = {"made_at": str, "size_bytes": int, "sha256": str, "files": int}
    for name, kind in (needed | perhaps).items():
        value = document.get(name)
        if type(value) is not kind and not (name in perhaps and value is None):
            raise errors.Garbled(f"{name} of an audit pack is not as it has to be.")
    named: dict[str, Any] = {name: document.get(name) for name in (*needed, *perhaps) if name != "made_at"}
    return AuditPack(**named, made_at=_instant(document.get("made_at")), document=document)


def _instant(written: str | None) -> datetime | None:
    try:
        return None if written is None else datetime.fromisoformat(written)
    except ValueError:
        raise errors.Garbled("An audit pack was made at no instant.") from None


def month_in_path(month: str) -> str:
    """Return a month such as ``2026-10`` as it stands in an address. Raises ``Misused``."""
    found = _MONTH.fullmatch(month)
    if found is None:
        raise errors.Misused(f"{month!r} is not a month; write it as 2026-10.")
    return f"{found[1]}/{int(found[2])}"


def sha256_of(etag: str | None) -> str:
    """Return the SHA-256, in hex, that an answer says its file has. Raises ``Garbled``."""
    found = _SHA256.fullmatch(etag or "")
    if found is None:
        raise errors.Garbled("The server does not say which file it gives. Is that Carbon Ledger, without a page in between?")
    return found[1]
