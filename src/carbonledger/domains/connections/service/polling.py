"""The steps of a poll: which connections are due, what is to be read, how far it came, how it ended and who is told.

A poll is a job. It reads window by window; what it has read of one is in the ledger before the next begins, so a job that is lost goes on
where it stood. It ends in one of two ways, both written here: read, or failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import types
from carbonledger.domains.connections.core import outcomes, windows
from carbonledger.domains.connections.core.outcomes import News
from carbonledger.domains.connections.core.windows import Reading
from carbonledger.domains.connections.store import connections
from carbonledger.domains.connections.types import Connection, Connector, KeyCheck, StreamState
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import instant
from carbonledger.kernel.actor import Actor, Role

POLL_JOB: Final = "connections.poll"
RECONCILE_JOB: Final = "connections.reconcile"
POLL_ATTEMPTS: Final = 4
"""Tries of one poll while the provider is away: together some minutes, or as long as it asks for. Then the poll has failed."""
NOBODY: Final = connections.NOBODY
_KEEPERS: Final = (Role.OWNER, Role.ADMIN)
_SEVERITY: Final = {News.FAILED: "warning", News.STOPPED: "critical", News.RECOVERED: "info"}


@dataclass(frozen=True, slots=True)
class Begun:
    """A poll that begins: the connection as it is now, its streams by name, and where its key is."""

    connection: Connection
    states: Mapping[str, StreamState]
    secret: vault_types.Located


async def due(uow: db.UnitOfWork, *, at: datetime, after: UUID = NOBODY, at_most: int) -> list[tuple[UUID, UUID]]:
    """Return (organization, connection) of what is due in any organization but sandboxes, by connection, from behind ``after``."""
    return await connections.due(uow, at=at, after=after, at_most=at_most)


async def read_before(uow: db.UnitOfWork, *, after: UUID = NOBODY, at_most: int) -> list[tuple[UUID, UUID]]:
    """Return (organization, connection) of what was read at least once in any organization but sandboxes, from behind ``after``."""
    return await connections.read_before(uow, after=after, at_most=at_most)


async def polls(uow: db.UnitOfWork) -> types.Polls:
    """Return how the polls of all organizations are."""
    return await connections.polls(uow)


async def ask(uow: db.UnitOfWork, *, actor: Actor, now: datetime, connection: Connection, everything: bool = False) -> UUID:
    """Ask for a poll with the connection's present key and return its job; while one with that key is queued or running, that one."""
    args = {"connection_id": str(connection.id), "secret_id": str(connection.secret_id), "everything": everything}
    return await queue.enqueue(uow, name=POLL_JOB, args=args, now=now, actor=actor, dedupe_key=_dedupe_key(connection))


async def running(uow: db.UnitOfWork, *, of: Iterable[Connection]) -> dict[UUID, queue.Job]:
    """Return the polls with the connections' present keys that are queued or run, by connection."""
    keys = {_dedupe_key(one): one.id for one in of}
    found = await queue.live(uow, name=POLL_JOB, dedupe_keys=keys)
    return {keys[key]: job for key, job in found.items()}


def _dedupe_key(connection: Connection) -> str:
    # With the key: a poll that waits because the provider asked for it with the old one must not keep the new one waiting.
    return f"connection:{connection.id}:{connection.secret_id}"


async def ask_reconciliation(uow: db.UnitOfWork, *, actor: Actor, now: datetime, connection_id: UUID) -> UUID:
    """Ask for the last 24 hours to be read again and compared."""
    args = {"connection_id": str(connection_id)}
    return await queue.enqueue(uow, name=RECONCILE_JOB, args=args, now=now, actor=actor, dedupe_key=f"connection:{connection_id}")


async def poll_if_due(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, connection_id: UUID) -> bool:
    """Ask for a poll if the connection is due, and say when the next is; say whether it was."""
    found = await connections.find(uow, organization_id=organization_id, connection_id=connection_id, lock="change")
    if found is None or found.state not in types.POLLED or found.next_poll_at is None or found.next_poll_at > now:
        return False
    # At once, not when the poll ends: one that never comes to its end must not be asked for every few minutes.
    after = replace(found, next_poll_at=windows.next_poll(found.id, now))
    await connections.change(uow, organization_id=organization_id, connection=after)
    await ask(uow, actor=actor, now=now, connection=after)
    return True


async def begin(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    connection_id: UUID,
    reason: str,
    secret_id: UUID | None = None,
) -> Begun | None:
    """Begin to read a connection; None when it is not polled any more. The key is opened after the commit (``vault.reveal``).

    ``secret_id``: the only key that it is to be read with. Raises ``ConnectionChanged`` when it has another.
    """
    # Held, so that the key that it names is not destroyed before it is looked up.
    found = await connections.find(uow, organization_id=organization_id, connection_id=connection_id, lock="change")
    if found is None or found.secret_id is None or found.state not in types.POLLED:
        return None
    if secret_id not in {None, found.secret_id}:
        raise types.ConnectionChanged(f"Connection {connection_id} was given another key, and with it another poll.")
    secret = await vault.find(uow, actor=actor, now=now, organization_id=organization_id, secret_id=found.secret_id, reason=reason)
    states = await connections.stream_states(uow, organization_id=organization_id, connection_ids=[found.id])
    return Begun(found, {state.stream: state for state in states.get(found.id, ())}, secret)


def is_synced_since(begun: Begun, *, asked_at: datetime) -> bool:
    """Say whether a sync was asked for since the poll was, ``asked_at`` in real time: then this poll is the sync, too."""
    synced_at = begun.connection.synced_at
    return synced_at is not None and synced_at >= asked_at


def plan(begun: Begun, connector: Connector, *, now: datetime, job_id: UUID, everything: bool) -> tuple[Reading, ...]:
    """Return what this job has to read, in order."""
    return windows.plan(
        connector.streams,
        begun.states,
        since=begun.connection.reads_from,
        first_read_days=connector.first_read_days,
        now=now,
        job_id=job_id,
        everything=everything,
    )


def reconciliation(begun: Begun, connector: Connector, *, now: datetime) -> tuple[Reading, ...]:
    """Return the last 24 whole hours of every stream of tokens."""
    return windows.reconciliation(connector.streams, begun.states, now=now)


async def unchanged(uow: db.UnitOfWork, *, organization_id: UUID, connection: Connection) -> Connection:
    """Return the connection as it is now, held, if it is still read with the same key. Raises ``ConnectionChanged``."""
    found = await connections.find(uow, organization_id=organization_id, connection_id=connection.id, lock="change")
    if found is None or found.secret_id is None or found.secret_id != connection.secret_id:
        raise types.ConnectionChanged(f"Connection {connection.id} was deleted or given another key.")
    return found


async def window_read(
    uow: db.UnitOfWork, *, organization_id: UUID, begun: Begun, reading: Reading, now: datetime, job_id: UUID, is_last: bool
) -> None:
    """Write that a window is in the ledger. ``is_last``: with it the stream is read to its end. Raises ``ConnectionChanged``."""
    await unchanged(uow, organization_id=organization_id, connection=begun.connection)
    states = await connections.stream_states(uow, organization_id=organization_id, connection_ids=[begun.connection.id])
    state = next(one for one in states[begun.connection.id] if one.stream == reading.stream.name)
    after = windows.reached(state, reading.window)
    if is_last:
        after = replace(after, polled_at=now, polled_by=job_id)
    await connections.set_stream(uow, organization_id=organization_id, connection_id=begun.connection.id, state=after)


async def set_streams(uow: db.UnitOfWork, *, organization_id: UUID, connector: Connector, connection_id: UUID, check: KeyCheck) -> None:
    """Write which streams the key may read, as the provider says; how far each was read stays."""
    known = await connections.stream_states(uow, organization_id=organization_id, connection_ids=[connection_id])
    states = {state.stream: state for state in known.get(connection_id, ())}
    for stream in connector.streams:
        is_read = stream.name in check.streams
        if is_read or stream.name in states:
            state = replace(states.get(stream.name, StreamState(stream=stream.name)), is_read=is_read, refused=None)
            await connections.set_stream(uow, organization_id=organization_id, connection_id=connection_id, state=state)


async def streams_refused(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    begun: Begun,
    connector: Connector,
    check: KeyCheck,
    refused: Mapping[str, types.StreamRefused],
) -> None:
    """Write what the key may read now that the provider refuses streams: what ``check`` says, but for these.

    They are tried again with a new key, and when somebody asks for a sync. Raises ``ConnectionChanged``.
    """
    await unchanged(uow, organization_id=organization_id, connection=begun.connection)
    connection_id = begun.connection.id
    await set_streams(uow, organization_id=organization_id, connector=connector, connection_id=connection_id, check=check)
    known = await connections.stream_states(uow, organization_id=organization_id, connection_ids=[connection_id])
    for state in known[connection_id]:
        if state.stream in refused:
            words = outcomes.words_of(refused[state.stream])[: types.WORDS_CHARS_MAX]
            after = replace(state, is_read=False, refused=words)
            await connections.set_stream(uow, organization_id=organization_id, connection_id=connection_id, state=after)


async def read(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, begun: Begun) -> None:
    """Write that the poll came to its end. Raises ``ConnectionChanged``, and ``SyncAsked`` if one was asked for since it began."""
    present = await unchanged(uow, organization_id=organization_id, connection=begun.connection)
    if present.synced_at != begun.connection.synced_at:
        raise types.SyncAsked(f"A sync of connection {present.id} was asked for while it was read.")
    if present.state not in types.POLLED:
        return
    after, news = outcomes.read(present, now=now)
    await connections.change(uow, organization_id=organization_id, connection=after)
    await _tell(uow, actor=actor, now=now, connection=after, news=news)


def gives_up(fault: types.ProviderFault, *, failures: int) -> bool:
    """Say whether a poll has failed with ``fault``, after ``failures`` tries that failed before; else it is tried again."""
    return not outcomes.is_passing(fault) or failures + 1 >= POLL_ATTEMPTS


async def failed(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, begun: Begun, fault: types.ProviderFault
) -> None:
    """Write that the poll failed for good, or too often. Raises ``ConnectionChanged``."""
    present = await unchanged(uow, organization_id=organization_id, connection=begun.connection)
    if present.state not in types.POLLED:
        return
    words = outcomes.words_of(fault)[: types.WORDS_CHARS_MAX]
    after, news = outcomes.failed(present, code=fault.code, words=words, now=now)
    await connections.change(uow, organization_id=organization_id, connection=after)
    await _tell(uow, actor=actor, now=now, connection=after, news=news)


async def _tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, connection: Connection, news: News) -> None:
    if news is News.NOTHING:
        return
    error, severity = connection.last_error, _SEVERITY.get(news)
    has_failed = error is not None and news in {News.FAILED, News.STOPPED}
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=f"connection.{news.value}",
        target_type="connection",
        target_id=connection.id,
        after={
            "provider": connection.provider,
            "state": connection.state.value,
            **({"code": error.code, "words": error.words, "failures": connection.failures} if has_failed and error is not None else {}),
        },
        severity=severity,
        audience=None if severity is None else _KEEPERS,
    )


async def reconciled(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    begun: Begun,
    readings: Sequence[Reading],
    buckets: int,
    differences: int,
) -> None:
    """Write what came of reading the last day again. Raises ``ConnectionChanged``."""
    present = await unchanged(uow, organization_id=organization_id, connection=begun.connection)
    after = {
        "provider": present.provider,
        "windows": {
            reading.stream.name: [instant.to_api_instant(reading.window.starts_at), instant.to_api_instant(reading.window.ends_at)]
            for reading in readings
        },
        "buckets": buckets,
        "differences": differences,
    }
    await outbox.emit(
        uow, actor=actor, now=now, action="connection.reconciled", target_type="connection", target_id=present.id, after=after
    )
