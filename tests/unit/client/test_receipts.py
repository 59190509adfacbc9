"""Receipts as the API's own document shows them, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from carbonledger_client import client, errors, receipts

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


def shown(path: str) -> dict[str, Any]:
    """The example of the API's document, deep-copied by reading it."""
    content = json.loads(DOCUMENT.read_text())["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    example: dict[str, Any] = content.get("example") or next(iter(content["examples"].values()))["value"]
    return example


def test_a_receipt_of_the_document_is_understood() -> None:
    found = receipts.receipt_from_api(shown("/v1/receipts/{receipt_id}"))
    assert (found.serial, found.month, found.state, found.is_test, found.is_proven) == ("CL-202611-E9PEJ", "2026-11", "issued", False, True)
    assert (found.required_mg, found.issued_at) == (3_600_000, datetime(2026, 12, 3, 0, 5, tzinfo=UTC))
    page = receipts.page_from_api(shown("/v1/receipts"))
    assert ([one.id for one in page.data], page.next_cursor) == ([found.id], None)


def test_one_that_waits_has_no_serial_and_no_time() -> None:
    waits = {**shown("/v1/receipts/{receipt_id}"), "state": "deferred", "serial": None, "issued_at": None, "is_test": None}
    found = receipts.receipt_from_api(waits)
    assert (found.serial, found.issued_at, found.is_test) == (None, None, None)


@pytest.mark.parametrize(
    "name, value",
    [("id", None), ("month", 5), ("required_mg", "5"), ("required_mg", True), ("is_proven", 1), ("issued_at", "soon"), ("is_test", 0)],
)
def test_what_is_garbled_is_refused(name: str, value: object) -> None:
    with pytest.raises(errors.Garbled):
        receipts.receipt_from_api({**shown("/v1/receipts/{receipt_id}"), name: value})


@pytest.mark.parametrize("document", [None, [], {}, {"data": {}, "next_cursor": None}, {"data": [5], "next_cursor": None}])
def test_a_page_that_is_none_is_refused(document: object) -> None:
    with pytest.raises(errors.Garbled):
        receipts.page_from_api(document)


def test_an_id_that_is_none_never_becomes_a_path() -> None:
    with client.Client("http://127.0.0.1:9", "cl_live_x") as ledger:
        for ask in (ledger.receipt, ledger.receipt_pdf, ledger.receipt_bundle, lambda given: ledger.event_proof(given, given)):
            with pytest.raises(errors.Misused):
                ask("../projects")
