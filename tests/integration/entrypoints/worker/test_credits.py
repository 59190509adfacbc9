"""The nightly check of credits: silent while every lot adds up, and an alert to the operators when one does not."""

from __future__ import annotations

from carbonledger.domains.receipts.service import credits as service
from carbonledger.infra import clock, outbox
from carbonledger.infra.queue import registry
from carbonledger.kernel import actor, page
from tests.integration.entrypoints.worker.conftest import Bench
from tests.unit.domains.receipts import credit_files as files


async def test_lots_that_add_up_alert_nobody_and_one_that_does_not_alerts_the_operators(bench: Bench) -> None:
    now = clock.now()
    async with bench.database.transaction(bench.organization_id) as uow:
        imported = await service.import_lots(
            uow, actor=actor.system(bench.organization_id), now=now, at=now, content=files.written(files.VERRA, files.block(1, 10))
        )
    right = await bench.ask(service.CHECK_JOB)
    await bench.run_once()
    assert (await bench.job(right)).result == {"imbalances": 0}
    broken = imported.added[0].id
    async with bench.database.transaction(bench.organization_id) as uow:
        await uow.conn.execute("DELETE FROM credit_remainders WHERE lot_id = $1", broken)
    wrong = await bench.ask(service.CHECK_JOB)
    await bench.run_once()
    assert (await bench.job(wrong)).result == {"imbalances": 1}
    async with bench.database.transaction(bench.organization_id) as uow:
        (alert,) = (await outbox.events(uow, filters=outbox.Filters(severity="critical"), request=page.PageRequest())).data
    assert (alert.action, alert.target_id, alert.audience) == ("credits.imbalance_found", str(broken), (outbox.OPERATORS,))
    assert alert.after == {"lots": 1, "first": [str(broken)]}


def test_it_is_checked_once_a_night_for_the_installation() -> None:
    assert not registry.declared.schedules[service.CHECK_JOB].each_organization
