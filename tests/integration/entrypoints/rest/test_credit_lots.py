"""Credit lots over HTTP: a file as it is or in JSON, for the house alone."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation, install, ledger
from tests.unit.domains.receipts import credit_files as files

__all__ = ["install", "ledger"]  # fixtures

CSV = {"content-type": "text/csv; charset=utf-8"}


@pytest.fixture
def house(ledger: Installation) -> httpx2.AsyncClient:
    return ledger.client(KEY)


async def import_(client: httpx2.AsyncClient, content: bytes, **headers: str) -> httpx2.Response:
    return await client.post("/v1/credit-lots", content=content, headers={**CSV, **headers})


async def test_a_file_is_sent_as_it_is(house: httpx2.AsyncClient) -> None:
    answer = await import_(house, files.written(files.VERRA, files.block(1, 10)))
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/credit-lots"), answer.text
    assert (answer.json()["imported"], answer.json()["known"]) == (2, 0)
    lots: list[dict[str, Any]] = (await house.get("/v1/credit-lots")).json()["data"]
    assert [lot["block_end"] for lot in lots] == [10, 100]
    verra = {**lots[1], "id": "", "imported_at": ""}
    assert verra == {
        "id": "",
        "registry": "verra",
        "project_id": "3",
        "project_name": "Fuel-efficient stoves",
        "standard": "VCS",
        "kind": "reduction",
        "vintage": 2020,
        "block": "0001-000001-000100-VCS-VCU-003-VER-US-0003-01012020-31122020-1",
        "block_start": 1,
        "block_end": 100,
        "quantity_t": "100",
        "remaining_t": "100",
        "retired_on": "2026-10-30",
        "retirement_reference": "R-20261030-17",
        "retirement_url": "https://registry.verra.org/app/search/VCS/Retirements/17",
        "beneficiary": "Customers of Carbon Ledger",
        "reason": "Compensation of AI usage",
        "corresponding_adjustment": False,
        "evidence_sha256": "a" * 64,
        "imported_at": "",
    }
    again = await house.post("/v1/credit-lots", json={"csv": files.written(files.VERRA).decode()})
    assert (again.status_code, again.json()) == (201, {"imported": 0, "known": 1, "data": []})


async def test_every_bad_line_is_in_the_answer(house: httpx2.AsyncClient) -> None:
    answer = await import_(house, files.written(files.block(1, 10, vintage="x"), files.block(11, 20), files.block(20, 30, quantity_t="1")))
    assert answer.status_code == 422
    assert answer.json()["code"] == "credit_lots_invalid"
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
        ("/lines/2/vintage", "cell_invalid"),
        ("/lines/4/quantity_t", "quantity_differs"),
    ]
    assert (await house.get("/v1/credit-lots")).json()["data"] == []


@pytest.mark.parametrize("body", [{}, {"csv": 1}, {"csv": "a", "more": 1}, {"file": "a"}, [], "a"])
async def test_what_is_no_file_is_400(house: httpx2.AsyncClient, body: object) -> None:
    answer = await house.post("/v1/credit-lots", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "credit_lots_unreadable")


async def test_a_file_sent_twice_with_one_key_is_imported_once(house: httpx2.AsyncClient) -> None:
    content = files.written(files.VERRA)
    first, again = [await import_(house, content, **{"idempotency-key": "lots-1"}) for _ in range(2)]
    assert first.json()["imported"] == 1
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


async def test_a_customers_key_reads_no_inventory(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    assert (await client.get("/v1/credit-lots")).json()["code"] == "house_only"
    assert (await import_(client, files.written(files.VERRA))).json()["code"] == "house_only"
