"""The nightly check of roll-ups: silent while they are right, and an alert to the operators when one is not."""

from __future__ import annotations

from datetime import UTC, datetime

from carbonledger.domains.telemetry.service import upkeep
from carbonledger.infra import outbox
from carbonledger.infra.queue import registry
from carbonledger.kernel import page
from tests.integration.domains.telemetry import books
from tests.integration.entrypoints.worker.conftest import Bench

START = datetime(2026, 10, 22, tzinfo=UTC)


async def alerts(bench: Bench) -> list[outbox.Event]:
    async with bench.database.transaction(bench.organization_id) as uow:
        found = await outbox.events(uow, filters=outbox.Filters(action=upkeep.DIFFER), request=page.PageRequest())
    return list(found.data)


async def test_right_roll_ups_alert_nobody_and_a_wrong_one_alerts_the_operators(bench: Bench) -> None:
    await books.write(bench.database, bench.organization_id, seed=2, start=START, days=3, number=60)
    right = await bench.ask(upkeep.CHECK_JOB)
    await bench.run_once()
    assert (await bench.job(right)).result == {"days": 3, "differences": 0}
    assert await alerts(bench) == []
    async with bench.database.transaction(bench.organization_id) as uow:
        changed = await uow.conn.execute(
            "UPDATE telemetry_daily SET reasoning = reasoning + 1 WHERE organization_id = $1 AND day = '2026-10-23' AND events > 0",
            bench.organization_id,
        )
    rows = int(changed.rpartition(" ")[2])
    wrong = await bench.ask(upkeep.CHECK_JOB)
    await bench.run_once()
    assert (await bench.job(wrong)).result == {"days": 3, "differences": rows}
    [alert] = await alerts(bench)
    assert (alert.severity, alert.audience) == ("critical", (outbox.OPERATORS,))
    assert alert.after == {"rows": rows, "days": 1, "first_day": "2026-10-23", "last_day": "2026-10-23"}


def test_every_organization_is_checked_every_night() -> None:
    schedule = registry.declared.schedules[upkeep.CHECK_JOB]
    assert schedule.each_organization
