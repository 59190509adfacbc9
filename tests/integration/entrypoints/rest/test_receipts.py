"""Receipts over HTTP: what an organization sees of its own, files that verify by themselves, and the check of a serial for everybody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import issuing, periods
from carbonledger.domains.receipts.types.receipts import RECEIPTS, Revocation
from carbonledger.entrypoints.shared import turns
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock
from carbonledger.kernel import actor
from carbonledger_proof import keys, verify
from tests.integration.domains.telemetry import kit as telemetry
from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation, Opener, install, ledger
from tests.unit.domains.receipts import credit_files as files

__all__ = ["install", "ledger"]  # fixtures

CHECK = "/v1/public/receipts/verify"


@pytest.fixture(autouse=True, scope="module")
def declared() -> None:
    """Load the declarations of jobs and subscribers, as every entry point does when it starts."""
    registry.load()


async def open_customer(ledger: Installation, *, has_receipts: bool = True) -> tuple[UUID, httpx2.AsyncClient]:
    made, client = await ledger.open_organization(name="Acme Robotics")
    await plan(ledger, UUID(made["id"]), has_receipts=has_receipts)
    return UUID(made["id"]), client


async def plan(ledger: Installation, organization_id: UUID, *, has_receipts: bool) -> None:
    now = clock.now()
    async with ledger.services.database.transaction(organization_id) as uow:
        await entitlements.grant(
            uow,
            actor=actor.system(organization_id),
            now=now,
            at=now,
            organization_id=organization_id,
            quotas={},
            features={RECEIPTS: has_receipts},
        )


async def import_a_lot(ledger: Installation) -> None:
    answer = await ledger.client(KEY).post("/v1/credit-lots", json={"csv": files.written(files.block(1, 1)).decode()})
    assert answer.status_code == 201, answer.text
    await ledger.run_jobs()


async def close_a_month(ledger: Installation, organization_id: UUID, client: httpx2.AsyncClient) -> str:
    """Close the month of a call seventy days ago, and return its period; the empty months after it close with it."""
    now = clock.now()
    await telemetry.accept(ledger.services.database, organization_id, telemetry.draft("a", at=now - timedelta(days=70)), at=now)
    async with ledger.services.database.transaction(organization_id) as uow:
        period, *_ = await periods.ensure(uow, organization_id=organization_id, now=now)
    assert (await client.post(f"/v1/periods/{period.id}/close")).status_code == 202
    await ledger.run_jobs()
    return str(period.id)


async def the_receipt(client: httpx2.AsyncClient, period_id: str) -> dict[str, Any]:
    answer = await client.get("/v1/receipts")
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in answer.json()["data"] if one["period_id"] == period_id]
    return dict(found)


async def test_a_receipt_its_files_and_the_proof_of_one_event(ledger: Installation) -> None:
    organization_id, client = await open_customer(ledger)
    await import_a_lot(ledger)
    receipt = await the_receipt(client, await close_a_month(ledger, organization_id, client))
    assert (receipt["state"], receipt["is_test"], receipt["is_proven"]) == ("issued", False, True)
    path = f"/v1/receipts/{receipt['id']}"
    whole = (await client.get(path)).json()
    assert whole["receipt"]["serial"] == receipt["serial"]
    assert whole["receipt"]["compensation"]["required_mg"] == receipt["required_mg"] > 0
    known = keys.pinned((await client.get("/.well-known/jwks.json")).content)
    since = (clock.now() - timedelta(days=80)).isoformat()
    event_id = (await client.get("/v1/telemetry/events", params={"from": since})).json()["data"][0]["id"]
    for name, kind in (("pdf", "application/pdf"), ("bundle", "application/json"), (f"events/{event_id}/proof", "application/json")):
        answer = await client.get(f"{path}/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), answer.text
        assert receipt["serial"] in answer.headers["content-disposition"]
        report = verify.file(answer.content, trusted_keys=known)
        assert report.ok, report
        assert isinstance(report.event, dict) == name.startswith("events")
        assert not isinstance(report.event, dict) or report.event["id"] == event_id
        assert (await client.get(f"{path}/{name}")).content == answer.content  # the same bytes each time
    absent = await client.get(f"{path}/events/{uuid4()}/proof")
    assert (absent.status_code, absent.json()["code"]) == (404, "event_not_in_period")
    _, other = await open_customer(ledger)
    for name in ("", "/pdf", "/bundle", f"/events/{event_id}/proof"):
        assert (await other.get(f"{path}{name}")).status_code == 404


async def test_without_credits_it_is_deferred_and_says_so(ledger: Installation) -> None:
    organization_id, client = await open_customer(ledger)
    receipt = await the_receipt(client, await close_a_month(ledger, organization_id, client))
    assert (receipt["state"], receipt["serial"], receipt["is_test"], receipt["is_proven"]) == ("deferred", None, None, False)
    assert receipt["deferred_at"] is not None
    for name in ("pdf", "bundle", f"events/{uuid4()}/proof"):
        answer = await client.get(f"/v1/receipts/{receipt['id']}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (409, "receipt_deferred")
    await import_a_lot(ledger)
    issued = await the_receipt(client, receipt["period_id"])
    assert (issued["id"], issued["state"], issued["deferred_at"]) == (receipt["id"], "issued", receipt["deferred_at"])


async def test_a_plan_without_receipts_is_told_where_to_get_one(ledger: Installation) -> None:
    _, client = await open_customer(ledger, has_receipts=False)
    answer = await client.get("/v1/receipts")
    assert (answer.status_code, answer.json()["code"]) == (403, "upgrade_required")
    assert answer.json()["upgrade_url"] == "http://ledger.test/settings/plan"


async def test_who_leaves_a_plan_keeps_its_receipts(ledger: Installation) -> None:
    organization_id, client = await open_customer(ledger)
    await import_a_lot(ledger)
    receipt = await the_receipt(client, await close_a_month(ledger, organization_id, client))
    await plan(ledger, organization_id, has_receipts=False)
    assert await the_receipt(client, receipt["period_id"]) == receipt
    assert (await client.get(f"/v1/receipts/{receipt['id']}/pdf")).status_code == 200


async def test_everybody_may_check_a_serial_and_learns_how_it_stands_and_not_whose_it_is(ledger: Installation) -> None:
    organization_id, client = await open_customer(ledger)
    await import_a_lot(ledger)
    receipt = await the_receipt(client, await close_a_month(ledger, organization_id, client))
    anybody = ledger.client()
    answer = await anybody.get(f"{CHECK}/{receipt['serial'].lower()}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["state"], found["is_valid"], found["is_test"]) == ("issued", True, False)
    assert [check["ok"] for check in found["checks"]] == [True] * len(verify.CHECKS)
    for name in (str(organization_id), receipt["id"], receipt["period_id"], "Acme Robotics"):
        assert name not in answer.text
    at = clock.now()
    means = turns.of(ledger.services)
    async with turns.taken(means, actor=actor.system(organization_id), at=at, organization_id=organization_id) as (uow, turn):
        await issuing.revoke(uow, turn=turn, receipt_id=UUID(receipt["id"]), reason=Revocation.REQUESTED)
    between = (await anybody.get(f"{CHECK}/{receipt['serial']}")).json()  # said at once, before there is another bundle
    assert (between["state"], between["is_valid"], between["bundle"]) == ("revoked", False, None)
    await ledger.run_jobs()
    ended = (await anybody.get(f"{CHECK}/{receipt['serial']}")).json()
    assert (ended["state"], ended["revocation"], ended["is_valid"]) == ("revoked", "requested", False)
    assert [check["name"] for check in ended["checks"] if not check["ok"]] == ["status"]
    for serial in ("CL-202610-00000", "nothing", "CL-202611-E9PEJ"):
        absent = await anybody.get(f"{CHECK}/{serial}")
        assert (absent.status_code, absent.json()["code"]) == (404, "receipt_not_found")


async def test_checking_serials_is_limited_by_address(install: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)  # no minute ends meanwhile
    ledger = await install()
    anybody = ledger.client()
    answers = [await anybody.get(f"{CHECK}/CL-202611-E9PEJ") for _ in range(61)]
    assert [answer.status_code for answer in answers] == [404] * 60 + [429]
