"""A subscription that begins, or changes its plan, while the plan's next version is being published."""

from __future__ import annotations

import asyncio

import pytest

from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog import types as catalog_types
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.domains.subscriptions import service, types
from carbonledger.infra import clock
from carbonledger.kernel import actor
from tests import conftest
from tests.integration.domains.subscriptions.conftest import Desk, flat

DEARER = VersionDraft(values={"migration": catalog_types.Migration.NOW}, charges=(flat("90"),))


@pytest.mark.parametrize("is_new", [True, False], ids=["begins", "changes its plan"])
async def test_it_is_on_the_version_that_is_published_meanwhile(desk: Desk, is_new: bool) -> None:
    plan, other = await desk.plan("basic"), await desk.begin("other")

    async def take() -> types.View:
        if is_new:
            return await desk.begin("basic")
        return await desk.do(service.change_plan, subscription_id=other.subscription.id, plan_id=plan.id, when=types.When.NOW)

    async with desk.database.transaction(desk.organization_id) as uow:
        who, ours = actor.system(desk.organization_id), desk.organization_id
        await catalog.change_plan(
            uow, actor=who, now=desk.now, at=clock.now(), organization_id=ours, plan_id=plan.id, values={}, draft=DEARER
        )
        taking = asyncio.create_task(take())
        while not await conftest.waits_for_a_lock(desk.database):
            assert not taking.done()
    assert (await taking).version.number == 2
