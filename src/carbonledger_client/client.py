"""The client of a Carbon Ledger server: events in, summaries out.

Owns: paths, bodies and what an answer means. It does not own files (``importing``) nor when to try again (``transport``). Sending events
is safe to repeat, since each is known by its idempotency key.

    with Client("http://127.0.0.1:8400", api_key) as ledger:
        ledger.send_events([{"idempotency_key": "1", "occurred_at": "2026-01-31T12:00:00Z", "provider": "openai", "model": "gpt-4o",
                             "tokens": {"uncached_input": 1000, "output": 500}}])
"""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import orjson

from carbonledger_client import audit_packs as packs
from carbonledger_client import credit_lots, errors, models, transport
from carbonledger_client import periods as months
from carbonledger_client import receipts as carbon

EVENTS_MAX = 10_000  # of one request
_RECEIPTS = "/v1/receipts"
_PACKS = "/v1/exports/audit-packs"
_COMPRESSED_FROM_BYTES = 1024
_GZIP_WINDOW = 31  # 15 bits of window, and a gzip header
_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
_SCHEMES = ("http://", "https://")


class Client:
    """A connection to one server as one organization's key. Closed by ``close`` or at the end of ``with``."""

    def __init__(
        self, base_url: str, api_key: str, *, patience: transport.Patience | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Raise ``Misused`` for an address or a key that can't be one. ``sleep`` waits the seconds between two attempts."""
        if not base_url.startswith(_SCHEMES):
            raise errors.Misused(f"{base_url!r} is not the address of a server: give one that begins with http:// or https://.")
        if not _KEY.fullmatch(api_key):
            raise errors.Misused("The API key is empty or holds a blank or a control character.")
        headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json", "User-Agent": "carbonledger-client"}
        self._transport = transport.Transport(base_url.rstrip("/"), headers, patience or transport.Patience(), sleep=sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def send_events(self, events: Sequence[Mapping[str, object]]) -> models.Outcome:
        """Send 1 to 10,000 events and return what became of each.

        Raises ``Misused`` for another number of them, ``Unreachable``, ``Garbled``, ``Refused`` (of the whole batch).
        """
        if not 1 <= len(events) <= EVENTS_MAX:
            raise errors.Misused(f"Send 1 to {EVENTS_MAX} events at a time, not {len(events)}.")
        return self.send_encoded([orjson.dumps(event) for event in events])

    def send_encoded(self, events: Sequence[bytes], *, is_import: bool = False) -> models.Outcome:
        """As ``send_events``, of events that are JSON already. ``is_import`` books them as read from a file."""
        body = b'{"events":[' + b",".join(events) + b"]}"
        headers = {"Content-Type": "application/json"}
        if len(body) >= _COMPRESSED_FROM_BYTES:
            packer = zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
            body, headers["Content-Encoding"] = packer.compress(body) + packer.flush(), "gzip"
        answer = self._transport.send(
            "POST",
            "/v1/telemetry/events",
            params={"source": "import"} if is_import else None,
            content=body,
            headers=headers,
            repeatable=True,
        )
        return models.outcome_from_api(_document(answer), sent=len(events))

    def summary(self, **filters: str | None) -> models.Summary:
        """Return the summary of a period. ``filters``: from, to (RFC 3339), project_id, provider, model; None is no filter."""
        params = {name: value for name, value in filters.items() if value is not None}
        answer = self._transport.send("GET", "/v1/telemetry/summary", params=params, repeatable=True)
        return models.summary_from_api(_document(answer))

    def import_credit_lots(self, content: bytes) -> credit_lots.LotsImported:
        """Import a CSV file of retired credits, all of it or nothing; the same file again adds nothing. With a key of the house.

        Raises ``Refused``, whose problems name every bad line, ``Unreachable``, ``Garbled``.
        """
        headers = {"Content-Type": "text/csv"}
        answer = self._transport.send("POST", "/v1/credit-lots", content=content, headers=headers, repeatable=True)
        return credit_lots.imported_from_api(_document(answer))

    def credit_lots(self) -> Iterator[credit_lots.CreditLot]:
        """Yield the lots of the inventory, the last imported first. With a key of the house."""
        params = {"limit": "200"}
        while True:
            answer = self._transport.send("GET", "/v1/credit-lots", params=params, repeatable=True)
            lots, cursor = credit_lots.page_from_api(_document(answer))
            yield from lots
            if cursor is None:
                return
            params = {"limit": "200", "cursor": cursor}

    def periods(self, *, limit: int = 50, cursor: str | None = None) -> months.Page:
        """Return months of the organization, the latest first; go on with the page's ``next_cursor``."""
        params = {"limit": str(limit), **({} if cursor is None else {"cursor": cursor})}
        return months.page_from_api(_document(self._transport.send("GET", "/v1/periods", params=params, repeatable=True)))

    def period(self, period_id: str) -> months.WholePeriod:
        """Return a month with its sums as they were frozen, and its adjustments."""
        return months.whole_from_api(_document(self._transport.send("GET", f"/v1/periods/{_place(period_id)}", repeatable=True)))

    def close_period(self, period_id: str) -> str:
        """Ask for a month that is due to be closed now, and return the job's id. Asking again while it runs is the same job."""
        path = f"/v1/periods/{_place(period_id)}/close"
        return months.job_from_api(_document(self._transport.send("POST", path, repeatable=True)))

    def receipts(self, *, limit: int = 50, cursor: str | None = None) -> carbon.Page:
        """Return receipts of the organization, the newest first; go on with the page's ``next_cursor``."""
        params = {"limit": str(limit), **({} if cursor is None else {"cursor": cursor})}
        return carbon.page_from_api(_document(self._transport.send("GET", _RECEIPTS, params=params, repeatable=True)))

    def receipt(self, receipt_id: str) -> carbon.Receipt:
        """Return a receipt."""
        return carbon.receipt_from_api(_document(self._transport.send("GET", f"{_RECEIPTS}/{_place(receipt_id)}", repeatable=True)))

    def receipt_pdf(self, receipt_id: str) -> bytes:
        """Return a receipt's PDF, which carries its own proof. Raises ``Unreachable`` in the seconds before there is one."""
        return _content(self._transport.send("GET", f"{_RECEIPTS}/{_place(receipt_id)}/pdf", repeatable=True))

    def receipt_bundle(self, receipt_id: str) -> bytes:
        """Return the file that proves a receipt offline (``carbonledger_proof.verify``)."""
        return _content(self._transport.send("GET", f"{_RECEIPTS}/{_place(receipt_id)}/bundle", repeatable=True))

    def event_proof(self, receipt_id: str, event_id: str) -> bytes:
        """Return the file that proves that one event is inside a receipt."""
        path = f"{_RECEIPTS}/{_place(receipt_id)}/events/{_place(event_id)}/proof"
        return _content(self._transport.send("GET", path, repeatable=True))

    def audit_packs(self, *, limit: int = 50, cursor: str | None = None) -> packs.Page:
        """Return audit packs of the organization, the last ordered first; go on with the page's ``next_cursor``."""
        params = {"limit": str(limit), **({} if cursor is None else {"cursor": cursor})}
        return packs.page_from_api(_document(self._transport.send("GET", _PACKS, params=params, repeatable=True)))

    def order_audit_pack(self, month: str) -> str:
        """Order the pack of a closed month, such as ``2026-10``, as it stands now, and return the job's id; while one is being made, that
        one's.
        """
        packs.month_in_path(month)
        body = orjson.dumps({"month": month})
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}  # an attempt that was answered unheard orders one
        return months.job_from_api(_document(self._transport.send("POST", _PACKS, content=body, headers=headers, repeatable=True)))

    def audit_pack(self, month: str, *, number: int | None = None) -> packs.AuditPack | None:
        """Return a pack of a month, the newest if no ``number`` is given; None: there is none, or not that one."""
        packs.month_in_path(month)
        cursor: str | None = None
        while True:
            page = self.audit_packs(limit=200, cursor=cursor)
            found = [one for one in page.data if one.month == month and number in {None, one.number}]
            if found or page.next_cursor is None:
                return max(found, key=lambda one: one.number, default=None)
            cursor = page.next_cursor

    def download_audit_pack(self, month: str, to: Path, *, number: int | None = None) -> str:
        """Write a pack of a month to a file, the newest if no ``number`` is given, and return its SHA-256 in hex.

        It may be of any size: it is never held whole. The file is there once all of it came and is what the server says that it is; until
        then it is beside it, with ``.part`` behind its name. Raises ``Refused``, ``Unreachable``, ``Garbled``, ``OSError``.
        """
        path = f"{_PACKS}/{packs.month_in_path(month)}"
        params = None if number is None else {"number": str(number)}
        part = to.with_name(f"{to.name}.part")
        try:
            with part.open("w+b") as file:
                answer = self._transport.send("GET", path, params=params, repeatable=True, into=file)
                _content(answer)
                file.seek(0)
                came = hashlib.file_digest(file, "sha256").hexdigest()
            if came != packs.sha256_of(answer.headers.get("etag")):
                raise errors.Garbled("The audit pack did not come as the server has it. Download it again.")
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        return came


def _content(answer: transport.Answer) -> bytes:
    """Return the file of a good answer; raise what a bad one means."""
    if answer.status != HTTPStatus.OK:
        _document(answer)
        raise errors.Garbled(f"The server answers {answer.status} where a file belongs.")
    return answer.body


def _place(given: str) -> str:
    """Return an id as it stands in a path. Raises ``Misused``."""
    try:
        return str(UUID(given))
    except ValueError:
        raise errors.Misused(f"{given!r} is not an id.") from None


def _document(answer: transport.Answer) -> object:
    """Return the JSON of a good answer; raise what a bad one means."""
    try:
        document: object = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        if answer.status in transport.LATER:
            document = None
        else:
            raise errors.Garbled(
                f"The answer (status {answer.status}) is not JSON. Is that the address of Carbon Ledger, without a page in between?"
            ) from error
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return document
    refusal = errors.from_api_problem(answer.status, document)
    if answer.status in transport.LATER:
        raise errors.Unreachable(f"The server still asks to come back later: {refusal.detail} ({answer.status} {refusal.code}).")
    raise refusal
