"""Months that are over, closed, and have a receipt: made by the same jobs as everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import issuing, listing, periods
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.listing import Listed
from carbonledger.entrypoints.shared import turns
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, db
from carbonledger.kernel import actor
from carbonledger.kernel import page as pages
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import usage
from tests.integration.entrypoints.web.conftest import Person
from tests.unit.domains.receipts import credit_files

PAST_DAYS = 60
"""So long ago that the month was over for 48 hours, whatever day it is: no month and a half is longer."""


async def organization_id(person: Person) -> UUID:
    return UUID((await person.key.get("/v1/organizations/me")).json()["id"])


async def plan(person: Person) -> UUID:
    """Put the organization on a plan with receipts, for which nothing has to be paid."""
    mine = await organization_id(person)
    async with person.ledger.services.database.transaction(mine) as uow:
        at = clock.now()
        await entitlements.grant(
            uow, actor=actor.system(mine), now=at, at=at, organization_id=mine, quotas={}, features={types.RECEIPTS: True}
        )
    return mine


async def stock(ledger: kit.Installation, **cells: str) -> None:
    """Import a lot of ten tonnes."""
    day = (clock.now() - timedelta(days=3)).date()
    content = credit_files.written(credit_files.block(1, 10, retired_at=str(day), **cells))
    answer = await ledger.client(kit.KEY).post("/v1/credit-lots", content=content, headers={"content-type": "text/csv"})
    assert answer.status_code == 201, answer.text


async def used(person: Person, key: str = "past", **more: object) -> None:
    """Use a model in a month that is over."""
    await usage.send(person.key, usage.event(key, days=PAST_DAYS, **more))  # type: ignore[arg-type]  # as the event takes them


async def close(person: Person) -> None:
    """Close every month that is due, and let everything follow."""
    registry.load()
    mine = await organization_id(person)
    async with person.ledger.services.database.transaction(mine) as uow:
        await periods.advance(uow, actor=actor.system(mine), now=clock.now(), organization_id=mine)
    await person.ledger.run_jobs()


async def receipts(person: Person) -> list[Listed]:
    """The organization's receipts, the newest first."""
    mine = await organization_id(person)
    async with person.ledger.services.database.transaction(mine, read_only=True) as uow:
        return list((await listing.receipts(uow, organization_id=mine, page=pages.PageRequest(limit=50))).data)


async def issued(person: Person) -> Listed:
    """A receipt of a month with usage."""
    await plan(person)
    await stock(person.ledger)
    await used(person)
    await close(person)
    return await first(person)


async def first(person: Person) -> Listed:
    """The receipt of the earliest month, which is that of the usage."""
    return min(await receipts(person), key=lambda one: one.month)


async def revoke(person: Person, receipt_id: UUID) -> None:
    async with _turn(person) as (uow, turn):
        await issuing.revoke(uow, turn=turn, receipt_id=receipt_id, reason=types.Revocation.ISSUED_IN_ERROR)
    await person.ledger.run_jobs()


async def supersede(person: Person, receipt_id: UUID) -> str:
    """Put another receipt in the place of one, and return its serial."""
    async with _turn(person) as (uow, turn):
        made = await issuing.supersede(uow, turn=turn, receipt_id=receipt_id)
    await person.ledger.run_jobs()
    assert made.signed is not None
    return made.signed.serial


@contextlib.asynccontextmanager
async def _turn(person: Person) -> AsyncIterator[tuple[db.UnitOfWork, issuing.Turn]]:
    mine = await organization_id(person)
    means = turns.of(person.ledger.services)
    async with turns.taken(means, actor=actor.system(mine), at=clock.now(), organization_id=mine) as taken:
        yield taken
