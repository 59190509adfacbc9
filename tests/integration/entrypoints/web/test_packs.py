"""Audit packs on pages: ordered, listed, downloaded as the API gives them; what the free tier is told, and who may do what."""

from __future__ import annotations

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.types.packs import AUDIT_PACKS
from carbonledger.infra import clock
from carbonledger.kernel import actor
from carbonledger_proof import pack as proof
from tests.integration.entrypoints.web import months
from tests.integration.entrypoints.web.conftest import Person

PATH = "/receipts/packs"


async def plan(person: Person, *, has_packs: bool = True) -> None:
    mine = await months.organization_id(person)
    async with person.ledger.services.database.transaction(mine) as uow:
        at = clock.now()
        await entitlements.grant(
            uow, actor=actor.system(mine), now=at, at=at, organization_id=mine, quotas={}, features={AUDIT_PACKS: has_packs}
        )


async def test_a_pack_is_ordered_and_downloaded(owner: Person, viewer: Person) -> None:
    await plan(owner)
    assert "on the third of the month after it" in await owner.read(PATH)
    one = await months.issued(owner)
    month = f"{one.month:%Y-%m}"
    page = await owner.read(PATH)
    assert f'<option value="{month}">' in page
    assert "Order the pack" not in await viewer.read(PATH)
    assert (await viewer.send(PATH, month=month)).status_code == 403
    assert (await owner.send(PATH, token="", month=month)).status_code == 403
    answer = await owner.send(PATH, month=month)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?done=ordered")
    assert "being made" in await owner.read(answer.headers["location"])
    await owner.ledger.run_jobs()
    page = await viewer.read(PATH)
    assert f'href="{PATH}/{month}/1"' in page
    got = await viewer.open(f"{PATH}/{month}/1")
    assert (got.status_code, got.headers["content-type"]) == (200, "application/zip")
    assert got.headers["cache-control"] == "no-store"
    assert proof.in_memory(got.content).ok
    year, number = month.split("-")
    assert got.content == (await owner.key.get(f"/v1/exports/audit-packs/{year}/{int(number)}")).content


async def test_what_can_not_be_ordered_is_refused_in_words(owner: Person) -> None:
    await plan(owner)
    await months.issued(owner)
    present = await owner.send(PATH, month=f"{clock.now():%Y-%m}")
    assert present.status_code == 422
    assert "A month is closed 48 hours after its end" in present.text
    assert (await owner.send(PATH, month="x")).status_code == 422
    assert (await owner.open(f"{PATH}/2019-01/1")).status_code == 404
    assert (await owner.open(f"{PATH}/x/1")).status_code == 422


async def test_the_free_tier_sees_what_a_plan_would_add_and_keeps_what_there_is(owner: Person) -> None:
    await plan(owner)
    one = await months.issued(owner)
    assert (await owner.send(PATH, month=f"{one.month:%Y-%m}")).status_code == 303
    await owner.ledger.run_jobs()
    await plan(owner, has_packs=False)
    page = await owner.read(PATH)
    assert "Upgrade to get audit packs" in page
    assert "Order the pack" not in page
    assert (await owner.open(f"{PATH}/{one.month:%Y-%m}/1")).status_code == 200
    assert (await owner.send(PATH, month=f"{one.month:%Y-%m}")).status_code == 422
