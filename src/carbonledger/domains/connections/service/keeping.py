"""Connections as people keep them: made with a key that the provider knows, shown, moved to another project, given a new key, ended."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.connections import types
from carbonledger.domains.connections.core import outcomes, windows
from carbonledger.domains.connections.service import covering, polling
from carbonledger.domains.connections.store import connections
from carbonledger.domains.connections.types import Connection, ConnectionView, Connector, KeyCheck, State, Step
from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry.service import authority
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto, db, outbox
from carbonledger.kernel import errors, ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor

SYNC_EVERY: Final = timedelta(minutes=5)
AILING_MAX: Final = 3  # named at a glance; the list has them all


@dataclass(frozen=True, slots=True)
class Made:
    """A connection, and the job that reads it."""

    view: ConnectionView
    job_id: UUID


def refuse_given(*, label: str | None, key: crypto.SecretText) -> None:
    """Raise ``errors.Invalid`` with everything that is wrong with what was given, before anybody is asked."""
    errors.refuse((*(() if label is None else outcomes.label_problems(label)), *vault.key_problems(key)))


def connector_of(connectors: Mapping[str, Connector], provider: str) -> Connector:
    """Return what reads a provider. Raises ``ProviderUnknown``."""
    connector = connectors.get(provider)
    if connector is None:
        known = ", ".join(sorted(connectors))
        raise types.ProviderUnknown(
            f"Give one of {known}.", problems=(errors.Problem("/provider", "provider_unknown", f"Give one of {known}."),)
        )
    return connector


async def check_key(connector: Connector, *, key: crypto.SecretText, now: datetime) -> KeyCheck:
    """Ask the provider what the key is; outside any transaction. Raises ``KeyUnusable`` with the reason, and passing ``ProviderFault``."""
    try:
        return await connector.validate(key, now=now)
    except types.ProviderFault as fault:
        if outcomes.is_passing(fault):
            raise
        words = outcomes.words_of(fault)
        raise types.KeyUnusable(words, problems=(errors.Problem("/api_key", fault.code, words),)) from fault


async def connect(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    sealer: crypto.Sealer,
    organization_id: UUID,
    connector: Connector,
    check: KeyCheck,
    label: str,
    key: crypto.SecretText,
    project_id: UUID | None,
    covers_direct: bool,
    outside: bool,
) -> Made:
    """Make a connection with a key that was checked, open its workload, and ask for its first read.

    Raises ``errors.Invalid``, ``ConnectionDuplicate``, ``AccountConnected``, ``ProjectNotFound``, ``ProjectArchived``.
    """
    refuse_given(label=label, key=key)
    if project_id is None:
        project_id = (await projects.default_project(uow, actor=actor, now=now, at=at, organization_id=organization_id)).id
    workload = await projects.open_workload(
        uow, actor=actor, now=now, at=at, organization_id=organization_id, project_id=project_id, name=label
    )
    secret_id = await _seal(uow, actor=actor, now=now, at=at, sealer=sealer, organization_id=organization_id, key=key, outside=outside)
    mark = vault.mark(organization_id=organization_id, provider=connector.provider, key=key)
    connection_id = ids.new_id(at)
    made = Connection(
        id=connection_id,
        provider=connector.provider,
        account=check.account,
        label=label,
        secret_id=secret_id,
        key_hint=mark.hint,
        workload_id=workload.id,
        state=State.READING_BACK,
        failures=0,
        last_error=None,
        last_polled_at=None,
        next_poll_at=windows.next_poll(connection_id, now),
        reads_from=windows.reads_from(now, first_read_days=connector.first_read_days),
        covers_direct=covers_direct,
        synced_at=None,
        created_at=now,
        updated_at=now,
        deleted_at=None,
    )
    async with _alone(uow, organization_id=organization_id, connection=made, key_digest=mark.digest):
        await connections.add(uow, organization_id=organization_id, connection=made, key_digest=mark.digest)
    await polling.set_streams(uow, organization_id=organization_id, connector=connector, connection_id=made.id, check=check)
    if covers_direct:
        await authority.claim(uow, organization_id=organization_id, provider=made.provider, connection_id=made.id, since=made.reads_from)
    after = {"provider": made.provider, "project_id": str(project_id), "covers_direct": covers_direct}
    await _tell(uow, actor=actor, now=now, action="connection.created", connection=made, after=after)
    job_id = await polling.ask(uow, actor=actor, now=now, connection=made)
    return Made(await _view(uow, organization_id=organization_id, connection=made), job_id)


@contextlib.asynccontextmanager
async def _alone(uow: db.UnitOfWork, *, organization_id: UUID, connection: Connection, key_digest: bytes | None) -> AsyncIterator[None]:
    """Write a connection within the block. Raises ``ConnectionDuplicate``, ``AccountConnected``, also for what is being written now."""
    try:
        async with uow.savepoint():  # undone, the transaction can still be asked whose the key or the account is
            yield
    except asyncpg.UniqueViolationError as error:
        # Which index complains first is PostgreSQL's choice, and another one after a restore: the very same key is told as such.
        if error.constraint_name != connections.ACCOUNT_INDEX or connection.account is None:
            raise _duplicate() from error
        provider = connection.provider
        same = await connections.with_key(uow, organization_id=organization_id, provider=provider, key_digest=key_digest)
        if same is not None and same.id != connection.id:
            raise _duplicate() from error
        other = await connections.with_account(uow, organization_id=organization_id, provider=provider, account=connection.account)
        raise _connected(other, account=connection.account) from error


def _connected(other: Connection | None, *, account: str) -> types.AccountConnected:
    called = "Another connection" if other is None else f"The connection “{other.label}”"  # None: it was deleted in this very moment
    return types.AccountConnected(
        f"{called} reads the account of this key ({account}) already. Two would count the same usage twice. Give that one the new key "
        "instead."
    )


def _duplicate() -> types.ConnectionDuplicate:
    return types.ConnectionDuplicate("This very key is used by another connection. Two would count the same usage twice.")


async def _seal(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    sealer: crypto.Sealer,
    organization_id: UUID,
    key: crypto.SecretText,
    outside: bool,
) -> UUID:
    return await vault.seal(
        uow,
        actor=actor,
        now=now,
        at=at,
        sealer=sealer,
        organization_id=organization_id,
        purpose=vault_types.Purpose.CONNECTION,
        secret=key,
        outside=outside,
    )


async def list_connections(
    uow: db.UnitOfWork, *, organization_id: UUID, provider: str | None, page: pages.PageRequest
) -> pages.Page[ConnectionView]:
    """Return connections that are not deleted, newest first, each with its streams."""
    rows = await connections.some(
        uow, organization_id=organization_id, provider=provider, before=pages.before_id(page), limit=page.limit + 1
    )
    cut = pages.cut(rows, limit=page.limit, key=lambda connection: (str(connection.id),))
    workloads = await projects.find_workloads(
        uow, organization_id=organization_id, workload_ids=[connection.workload_id for connection in cut.data]
    )
    states = await connections.stream_states(
        uow, organization_id=organization_id, connection_ids=[connection.id for connection in cut.data]
    )
    views = [ConnectionView(one, workloads[one.workload_id].project_id, tuple(states.get(one.id, ()))) for one in cut.data]
    return pages.Page(data=tuple(views), next_cursor=cut.next_cursor)


async def health(uow: db.UnitOfWork, *, organization_id: UUID) -> types.Health:
    """Return how many connections are in each state, and the first of those that fail or are stopped."""
    counts = await connections.counts(uow, organization_id=organization_id)
    is_ailing = any(counts.get(state) for state in types.AILING)
    ailing = await connections.ailing(uow, organization_id=organization_id, limit=AILING_MAX) if is_ailing else ()
    return types.Health(counts=counts, ailing=ailing)


async def show(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID) -> ConnectionView:
    """Return a connection with its streams; also one that was deleted, because usage names it. Raises ``ConnectionNotFound``."""
    found = await connections.find(uow, organization_id=organization_id, connection_id=connection_id)
    if found is None:
        raise types.ConnectionNotFound(f"There is no connection {connection_id}.")
    return await _view(uow, organization_id=organization_id, connection=found)


async def _view(uow: db.UnitOfWork, *, organization_id: UUID, connection: Connection) -> ConnectionView:
    workload = await projects.find_workload(uow, organization_id=organization_id, workload_id=connection.workload_id)
    states = await connections.stream_states(uow, organization_id=organization_id, connection_ids=[connection.id])
    return ConnectionView(connection, workload.project_id, tuple(states.get(connection.id, ())))


async def move(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, connection_id: UUID, project_id: UUID
) -> ConnectionView:
    """Book what is read from now on in another project. What was booked stays where it was, also where it is revised.

    Raises ``ConnectionNotFound``, ``WorkloadThereAlready``, ``ProjectNotFound``, ``ProjectArchived``.
    """
    old = await held(uow, organization_id=organization_id, connection_id=connection_id)
    workload = await projects.move(
        uow,
        actor=actor,
        now=now,
        at=at,
        organization_id=organization_id,
        workload_id=old.workload_id,
        project_id=project_id,
    )
    new = replace(old, workload_id=workload.id, updated_at=now)
    await connections.change(uow, organization_id=organization_id, connection=new)
    await _tell(uow, actor=actor, now=now, action="connection.moved", connection=new, after={"project_id": str(project_id)})
    return await _view(uow, organization_id=organization_id, connection=new)


async def rekey(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    sealer: crypto.Sealer,
    organization_id: UUID,
    connectors: Mapping[str, Connector],
    connection_id: UUID,
    check: KeyCheck,
    key: crypto.SecretText,
    outside: bool,
) -> Made:
    """Put a key that was checked in place of the connection's, destroy the old one, and read on at once.

    Raises ``errors.Invalid``, ``ConnectionNotFound``, ``ConnectionDuplicate``, ``AccountConnected``, ``AccountDiffers``.
    """
    refuse_given(label=None, key=key)
    old = await held(uow, organization_id=organization_id, connection_id=connection_id)
    account = outcomes.account_after(old, check.account)
    connector = connector_of(connectors, old.provider)
    secret_id = await _seal(uow, actor=actor, now=now, at=at, sealer=sealer, organization_id=organization_id, key=key, outside=outside)
    mark = vault.mark(organization_id=organization_id, provider=old.provider, key=key)
    new = replace(
        outcomes.moved(old, Step.REKEY, now=now),
        account=account,
        secret_id=secret_id,
        key_hint=mark.hint,
        failures=0,
        last_error=None,
        next_poll_at=windows.next_poll(old.id, now),
    )
    async with _alone(uow, organization_id=organization_id, connection=new, key_digest=mark.digest):
        await connections.change(uow, organization_id=organization_id, connection=new)
        await connections.set_key_digest(uow, organization_id=organization_id, connection_id=new.id, key_digest=mark.digest)
    await polling.set_streams(uow, organization_id=organization_id, connector=connector, connection_id=new.id, check=check)
    if old.secret_id is not None:
        await vault.destroy(uow, actor=actor, now=now, organization_id=organization_id, secret_id=old.secret_id)
    await _tell(uow, actor=actor, now=now, action="connection.rekeyed", connection=new, before={"state": old.state.value})
    job_id = await polling.ask(uow, actor=actor, now=now, connection=new)
    return Made(await _view(uow, organization_id=organization_id, connection=new), job_id)


async def sync(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, connection_id: UUID) -> UUID:
    """Ask for the connection to be read now, its days too; return the job's id, which is that of a poll that waits or runs already.

    Such a poll reads all that a sync does, before it ends: ``synced_at`` tells it.
    Raises ``ConnectionNotFound``, ``ConnectionStopped``, ``SyncTooSoon``.
    """
    found = await held(uow, organization_id=organization_id, connection_id=connection_id)
    if found.state is State.STOPPED:
        raise types.ConnectionStopped("It failed too often. Give it a new key, and it is read again at once.")
    wait = timedelta(0) if found.synced_at is None else found.synced_at + SYNC_EVERY - at
    if wait > timedelta(0):
        seconds = math.ceil(wait.total_seconds())
        raise types.SyncTooSoon(f"Ask again in {seconds} s.", retry_after_s=seconds)
    asked = replace(found, synced_at=at, updated_at=now)
    await connections.change(uow, organization_id=organization_id, connection=asked)
    return await polling.ask(uow, actor=actor, now=now, connection=asked, everything=True)


async def delete(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, connection_id: UUID) -> None:
    """End a connection: its key is destroyed, its workload closed; what was read stays. Deleting it again changes nothing.

    What it covered and never told counts again, by a job. Raises ``ConnectionNotFound``.
    """
    old = await connections.find(uow, organization_id=organization_id, connection_id=connection_id, lock="change")
    if old is None:
        raise types.ConnectionNotFound(f"There is no connection {connection_id}.")
    if old.secret_id is None:
        return
    ended = replace(outcomes.moved(old, Step.DELETE, now=now), secret_id=None, next_poll_at=None, deleted_at=now)
    await connections.change(uow, organization_id=organization_id, connection=ended)
    await vault.destroy(uow, actor=actor, now=now, organization_id=organization_id, secret_id=old.secret_id)
    await projects.close_workload(uow, actor=actor, now=now, organization_id=organization_id, workload_id=old.workload_id)
    await authority.release(uow, organization_id=organization_id, connection_id=old.id)
    await covering.ask_uncovering(uow, actor=actor, now=now, connection=old)
    await _tell(uow, actor=actor, now=now, action="connection.deleted", connection=ended, before={"state": old.state.value})


async def held(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID) -> Connection:
    """Return a connection that is not deleted, held until the transaction ends. Raises ``ConnectionNotFound``."""
    found = await connections.find(uow, organization_id=organization_id, connection_id=connection_id, lock="change")
    if found is None or found.state is State.DELETED:
        raise types.ConnectionNotFound(f"There is no connection {connection_id}.")
    return found


async def _tell(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    action: str,
    connection: Connection,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    # Not the label: people write anything there, and the trail refuses what looks like a person or a secret.
    said = {"provider": connection.provider, **(after or {})}
    await outbox.emit(
        uow, actor=actor, now=now, action=action, target_type="connection", target_id=connection.id, before=before, after=said
    )
