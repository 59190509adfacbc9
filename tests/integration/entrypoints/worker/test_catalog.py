"""The hourly job of meters: what is over is tallied, for meters that need it, and again only where something changed."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from carbonledger.domains.catalog import service
from carbonledger.domains.catalog.types.meters import Aggregation, Dimension, Field, Measure, Meter
from carbonledger.domains.telemetry.service import tallying
from carbonledger.infra import clock
from carbonledger.infra.queue import registry
from carbonledger.kernel import actor
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker.conftest import Bench


async def make(bench: Bench, code: str, **counts: object) -> UUID:
    now = clock.now()
    meter = Meter(id=uuid4(), code=code, name=code, created_at=now, updated_at=now, **counts)  # type: ignore[arg-type]  # named as its fields
    async with bench.database.transaction(bench.organization_id) as uow:
        by = actor.system(bench.organization_id)
        made = await service.create_meter(uow, actor=by, now=now, at=now, organization_id=bench.organization_id, meter=meter)
    return made.id


async def tallied(bench: Bench) -> object:
    job = await bench.ask(tallying.TALLY_JOB)
    await bench.run_once()
    return (await bench.job(job)).result


async def test_meters_of_single_events_are_tallied_every_hour(bench: Bench) -> None:
    yesterday = clock.now().replace(hour=9, minute=0) - timedelta(days=1)
    drafts = [
        kit.metered(str(n), "1", at=yesterday + timedelta(seconds=n), account="c", properties={"user": f"u{n % 3}"})
        for n in range(tallying.BUSY)
    ]
    await kit.accept(bench.database, bench.organization_id, *drafts, at=clock.now())
    await make(bench, "calls", aggregation=Aggregation.COUNT)
    await make(bench, "largest", aggregation=Aggregation.MAX, event="pages", measure=Measure.QUANTITY)
    users = await make(bench, "users", aggregation=Aggregation.UNIQUE, event="pages", unique=Dimension(Field.PROPERTY, "user"))
    assert await tallied(bench) == {"meters": 2, "kept": 4}  # an hour and a day of each
    assert await tallied(bench) == {"meters": 2, "kept": 0}
    async with bench.database.transaction(bench.organization_id) as uow:
        by = actor.system(bench.organization_id)
        await service.archive_meter(uow, actor=by, now=clock.now(), organization_id=bench.organization_id, meter_id=users)
    assert await tallied(bench) == {"meters": 1, "kept": 0}
    left = await kit.rows(bench.database, bench.organization_id, "SELECT * FROM telemetry_tallies WHERE organization_id = $1")
    assert len(left) == 2


def test_every_organization_is_tallied_every_hour() -> None:
    schedule = registry.declared.schedules[tallying.TALLY_JOB]
    assert schedule.each_organization
