"""Audit packs over HTTP: ordered, listed, downloaded as the same bytes; who has no plan for them, and who left one."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.types.packs import AUDIT_PACKS
from carbonledger.domains.receipts.types.receipts import RECEIPTS
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock
from carbonledger.kernel import actor
from carbonledger_proof import pack as proof
from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger
from tests.integration.entrypoints.rest.test_receipts import close_a_month, import_a_lot

__all__ = ["install", "ledger"]  # fixtures

PATH = "/v1/exports/audit-packs"


@pytest.fixture(autouse=True, scope="module")
def declared() -> None:
    """Load the declarations of jobs and subscribers, as every entry point does when it starts."""
    registry.load()


async def plan(ledger: Installation, organization_id: UUID, *, has_packs: bool) -> None:
    now = clock.now()
    async with ledger.services.database.transaction(organization_id) as uow:
        await entitlements.grant(
            uow,
            actor=actor.system(organization_id),
            now=now,
            at=now,
            organization_id=organization_id,
            quotas={},
            features={RECEIPTS: has_packs, AUDIT_PACKS: has_packs},
        )


async def customer(ledger: Installation) -> tuple[UUID, httpx2.AsyncClient, str]:
    """A customer with packs in the plan and a closed month; and that month."""
    made, client = await ledger.open_organization(name="Acme Robotics")
    organization_id = UUID(made["id"])
    await plan(ledger, organization_id, has_packs=True)
    await import_a_lot(ledger)
    period_id = await close_a_month(ledger, organization_id, client)
    return organization_id, client, (await client.get(f"/v1/periods/{period_id}")).json()["month"]


def address(month: str) -> str:
    year, number = month.split("-")
    return f"{PATH}/{year}/{int(number)}"


async def ordered(ledger: Installation, client: httpx2.AsyncClient, month: str) -> dict[str, Any]:
    answer = await client.post(PATH, json={"month": month})
    assert answer.status_code == 202, answer.text
    await ledger.run_jobs()
    job = (await client.get(answer.json()["status_url"])).json()
    assert job["state"] == "succeeded", job
    return dict(job["result"])


async def test_a_pack_is_ordered_listed_and_downloaded(ledger: Installation) -> None:
    _, client, month = await customer(ledger)
    answer = await client.post(PATH, json={"month": month})
    assert (answer.status_code, answer.headers["location"]) == (202, answer.json()["status_url"])
    waiting = (await client.get(PATH)).json()["data"]
    assert [(one["month"], one["state"], one["sha256"]) for one in waiting] == [(month, "ordered", None)]
    soon = await client.get(address(month))
    assert (soon.status_code, soon.json()["code"], soon.headers["retry-after"]) == (503, "audit_pack_unmade", "10")
    again = await client.post(PATH, json={"month": month})
    assert again.json()["job_id"] == answer.json()["job_id"]
    await ledger.run_jobs()
    (made,) = (await client.get(PATH)).json()["data"]
    got = await client.get(address(month))
    assert (got.status_code, got.headers["content-type"]) == (200, "application/zip")
    assert got.headers["content-disposition"] == f'attachment; filename="audit-pack-{month}-1.zip"'
    assert (len(got.content), hashlib.sha256(got.content).hexdigest()) == (made["size_bytes"], made["sha256"])
    assert proof.in_memory(got.content).ok
    assert (await client.get(address(month))).content == got.content
    second = await ordered(ledger, client, month)
    assert second["number"] == 2
    assert (await client.get(address(month), params={"number": 1})).content == got.content
    assert (await client.get(address(month))).headers["etag"] == f'"{second["sha256"]}"'
    assert (await client.get(address(month), params={"number": 3})).status_code == 404


async def test_a_month_that_is_not_closed_or_unknown_is_refused(ledger: Installation) -> None:
    _, client, _ = await customer(ledger)
    present = f"{clock.now():%Y-%m}"
    refused = await client.post(PATH, json={"month": present})
    assert (refused.status_code, refused.json()["code"]) == (409, "period_not_closed")
    unknown = await client.post(PATH, json={"month": "2019-01"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "period_not_found")
    for month in ("2026-13", "2026-1", "x", "2026-01-01", "0000-01"):
        assert (await client.post(PATH, json={"month": month})).status_code == 422
    absent = await client.get(address("2019-01"))
    assert (absent.status_code, absent.json()["code"]) == (404, "audit_pack_not_found")
    assert (await client.get(f"{PATH}/2026/13")).status_code == 422


async def test_the_free_tier_is_told_where_to_get_packs(ledger: Installation) -> None:
    _, client = await ledger.open_organization(name="Free")
    for answer in (await client.get(PATH), await client.post(PATH, json={"month": "2026-01"}), await client.get(f"{PATH}/2026/1")):
        assert (answer.status_code, answer.json()["code"]) == (403, "upgrade_required")
        assert answer.json()["upgrade_url"] == "http://ledger.test/settings/plan"


async def test_who_leaves_a_plan_keeps_the_packs_that_were_made_and_orders_no_more(ledger: Installation) -> None:
    organization_id, client, month = await customer(ledger)
    await ordered(ledger, client, month)
    before = await client.get(address(month))
    await plan(ledger, organization_id, has_packs=False)
    assert (await client.get(address(month))).content == before.content
    for answer in (await client.get(PATH), await client.post(PATH, json={"month": month})):
        assert (answer.status_code, answer.json()["code"]) == (403, "upgrade_required")


async def test_anothers_pack_is_not_there(ledger: Installation) -> None:
    _, client, month = await customer(ledger)
    await ordered(ledger, client, month)
    made, other = await ledger.open_organization(name="Other")
    await plan(ledger, UUID(made["id"]), has_packs=True)
    assert (await other.get(PATH)).json()["data"] == []
    assert (await other.get(address(month))).status_code == 404
    assert (await other.post(PATH, json={"month": month})).status_code == 404
