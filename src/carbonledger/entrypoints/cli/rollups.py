"""What ``telemetry`` does."""

from __future__ import annotations

import sys
from datetime import date, datetime
from uuid import UUID

from carbonledger.domains.identity.service import organizations
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import recomputing, upkeep
from carbonledger.entrypoints.cli import console, exits, operating
from carbonledger.entrypoints.cli import organizations as organization_commands
from carbonledger.kernel import errors


def check(given: str, *, first: datetime | None, last: datetime | None, json: bool) -> None:
    """Print differences, and end with 1 where there are any."""

    async def work(operator: operating.Operator) -> tuple[int, list[types.Difference]]:
        organization_id = await operator.organization(given)
        days = await _days(operator, given, first, last)
        found: list[types.Difference] = []
        for day in days:
            async with operator.database.transaction(organization_id, read_only=True) as uow:
                found += await upkeep.check(uow, organization_id=organization_id, day=day)
        return len(days), found

    days, found = operating.run(work)
    if json:
        console.json({"days": days, "differences": [_document(one) for one in found]})
    elif found:
        rows = [(one.table, str(one.slot), str(one.series_id), *map(str, told)) for one in found for told in one.sums]
        console.table(("roll-up", "slot", "series", "sum", "events say", "roll-up says"), rows)
    else:
        console.say(f"{days} days compared, all the same.")
    if found:
        sys.exit(exits.Code.FAILED)


def rebuild(given: str, *, first: datetime | None, last: datetime | None) -> None:
    """Make roll-ups anew, and say so in the trail."""

    async def work(operator: operating.Operator) -> int:
        organization_id = await operator.organization(given)
        days = await _days(operator, given, first, last)
        for day in days:
            async with operator.database.transaction(organization_id) as uow:
                await upkeep.rebuild(uow, organization_id=organization_id, day=day)
        if days:
            async with operator.database.transaction(organization_id) as uow:
                await upkeep.rebuilt(
                    uow,
                    actor=operator.acting_in(organization_id),
                    now=await organizations.business_now(uow, organization_id=organization_id, at=operator.at),
                    organization_id=organization_id,
                    days=days,
                )
        return len(days)

    console.say(f"Days made anew: {operating.run(work)}.")


async def _days(operator: operating.Operator, given: str, first: datetime | None, last: datetime | None) -> list[date]:
    organization_id = await operator.organization(given)
    async with operator.database.transaction(organization_id, read_only=True) as uow:
        await organizations.find(uow, organization_id=organization_id)  # or else: no such organization
        return await upkeep.days(
            uow, organization_id=organization_id, first=None if first is None else first.date(), last=None if last is None else last.date()
        )


def _document(one: types.Difference) -> dict[str, object]:
    return {
        "rollup": one.table,
        "slot": one.slot.isoformat(),
        "series_id": one.series_id,
        "facts": list(types.words(one.facts)),
        "emission_rate_id": one.emission_rate_id,
        "sums": [{"name": name, "events": str(right), "rollup": str(kept)} for name, right, kept in one.sums],
    }


def recompute(given: str | None, *, everybody: bool, costs: bool, emissions: bool) -> None:
    """Ask for the job that computes an organization's ledger anew, or everybody's, and say its id."""
    if not (costs or emissions):
        raise errors.Invalid("There is nothing to compute: leave --emissions, or add --costs.")
    if (given is None) is not everybody:
        raise errors.Invalid("Name an organization, or say --all; one of the two.")
    what = recomputing.What(costs=costs, emissions=emissions)

    async def work(operator: operating.Operator) -> list[tuple[UUID, UUID]]:
        if given is not None:
            asked = [await operator.organization(given)]
        else:
            asked = [one.id async for one in organization_commands.every(operator)]
        return [(organization_id, await _ask(operator, organization_id, what)) for organization_id in asked]

    for organization_id, job_id in operating.run(work):
        console.say(f"Job {job_id} computes the ledger of {organization_id} anew; GET /v1/jobs/{job_id} shows how far it is.")


async def _ask(operator: operating.Operator, organization_id: UUID, what: recomputing.What) -> UUID:
    async with operator.database.transaction(organization_id) as uow:
        now = await organizations.business_now(uow, organization_id=organization_id, at=operator.at)
        return await recomputing.ask(uow, actor=operator.acting_in(organization_id), now=now, what=what)
