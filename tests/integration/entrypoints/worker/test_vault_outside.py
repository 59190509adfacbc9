"""A secret that is destroyed while it is on its way to the outside store does not stay there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from uuid import UUID

import pytest

from carbonledger.entrypoints.worker import registry
from carbonledger.entrypoints.worker import vault as jobs
from carbonledger.infra import db
from carbonledger.kernel import ids
from carbonledger.kernel.secret import SecretText


class Store:
    """An outside store that holds names and values."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def ref_of(self, *, organization_id: UUID, secret_id: UUID) -> str:
        return f"{organization_id}/{secret_id}"

    async def put(self, *, organization_id: UUID, secret_id: UUID, secret: SecretText) -> str:
        name = self.ref_of(organization_id=organization_id, secret_id=secret_id)
        self.kept[name] = secret.reveal()
        return name

    async def get(self, *, organization_id: UUID, secret_id: UUID, ref: str) -> SecretText:
        return SecretText(self.kept[ref])

    async def delete(self, *, ref: str) -> None:
        self.kept.pop(ref, None)


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What the job sees of the runner in one attempt that remembers nothing of an earlier one."""

    database: db.Database
    organization_id: UUID
    args: dict[str, str]
    services: Any

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[db.UnitOfWork]:
        async with self.database.transaction(self.organization_id) as uow:
            yield uow

    async def outside(self, _: str, call: Callable[[], Awaitable[object]]) -> object:
        return await call()


@dataclasses.dataclass(frozen=True)
class Services:
    outside_secrets: Store


@pytest.mark.usefixtures("database")
async def test_what_a_lost_attempt_put_outside_is_forgotten_when_its_secret_was_destroyed(
    database: db.Database, organization_id: UUID
) -> None:
    registry.load()
    store = Store()
    secret_id = ids.new_id(ids.made_at(organization_id))
    # A first attempt put it there and was lost with its answer; then the secret was destroyed, which knew of no reference.
    await store.put(organization_id=organization_id, secret_id=secret_id, secret=SecretText("sk-proj-orphan"))
    attempt = Attempt(database, organization_id, {"secret_id": str(secret_id)}, Services(store))
    assert await jobs.move_outside(cast("jobs.Work", attempt)) == {"moved": False}
    assert store.kept == {}
