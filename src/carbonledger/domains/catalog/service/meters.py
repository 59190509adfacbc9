"""Meters: made, renamed, archived while no plan charges by them; and which of them the charges of a plan name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.catalog.core import meters as core
from carbonledger.domains.catalog.service.entries import Sort
from carbonledger.domains.catalog.store import entries
from carbonledger.domains.catalog.types import Aggregation, Charge, Measure, Meter, MeterCodeTaken, MeterInUse, MeterNotFound
from carbonledger.domains.catalog.types.charges import Flat
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
ALL_USAGE: Final = Meter(
    id=UUID(int=0),
    code="all_usage",
    name="All usage of models",
    aggregation=Aggregation.SUM,
    measure=Measure.REQUESTS,
    created_at=_BEGINNING,
    updated_at=_BEGINNING,
)
"""What a charge of cost or carbon without a meter is about: everything that providers' models did for the account."""
_METERS: Final = Sort(entries.meters, "meter", MeterNotFound, MeterInUse, need="Plans charge by it")


async def create_meter(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, meter: Meter) -> Meter:
    """Make a meter as ``meter`` says, with an id and times of its own. Raises ``MeterInvalid`` with all problems, ``MeterCodeTaken``."""
    made = core.checked(replace(meter, id=ids.new_id(at), created_at=now, updated_at=now, archived_at=None))
    try:
        await entries.meters.add(uow, organization_id=organization_id, entry=made)
    except asyncpg.UniqueViolationError as error:
        raise MeterCodeTaken(f"There is a meter {made.code} already. Choose another code.") from error
    after = {"code": made.code, "aggregation": made.aggregation.value}
    await outbox.emit(uow, actor=actor, now=now, action="meter.created", target_type="meter", target_id=made.id, after=after)
    return made


async def find_meter(uow: db.UnitOfWork, *, organization_id: UUID, meter_id: UUID) -> Meter:
    """Return a meter, archived or not. Raises ``MeterNotFound``."""
    return await _METERS.find(uow, organization_id=organization_id, entry_id=meter_id)


async def list_meters(
    uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest, archived: bool = False, search: str | None = None
) -> pages.Page[Meter]:
    """Return meters in use, or those archived, newest first."""
    return await _METERS.some(uow, organization_id=organization_id, page=page, archived=archived, search=search)


async def rename_meter(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, meter_id: UUID, name: str) -> Meter:
    """Give a meter another name. Raises ``errors.Invalid``, ``MeterNotFound``."""
    return await _METERS.rename(uow, actor=actor, now=now, organization_id=organization_id, entry_id=meter_id, name=name)


async def archive_meter(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, meter_id: UUID) -> None:
    """Archive a meter that no version of any plan names. Archiving it again changes nothing. Raises ``MeterNotFound``, ``MeterInUse``."""
    await _METERS.archive(uow, actor=actor, now=now, organization_id=organization_id, entry_id=meter_id)


async def charge_meters(uow: db.UnitOfWork, *, organization_id: UUID, charges: Iterable[Charge]) -> dict[str | None, Meter]:
    """Return the meters that charges name, by their codes, in one statement; by None the one of those that name none and aren't flat."""
    wanted = list(charges)
    codes = sorted({charge.meter_code for charge in wanted if charge.meter_code is not None})
    found: dict[str | None, Meter] = {}
    if codes:
        found.update(await entries.meters.with_codes(uow, organization_id=organization_id, codes=codes))
    if any(charge.meter_code is None and not isinstance(charge.model, Flat) for charge in wanted):
        found[None] = ALL_USAGE
    return found
