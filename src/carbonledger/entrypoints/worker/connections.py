"""Jobs of connections: find what is due, read a connection, read the last day again and compare.

The provider is asked outside any transaction. A page is fetched, understood, and only then brought to the ledger, in transactions that hold
whole buckets; so a page that is no good leaves nothing behind, and those before it stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from prometheus_client import Counter

from carbonledger.domains.connections import service, types
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.entrypoints.worker import connections_covering as covering
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, objects, queue
from carbonledger.kernel import actor as actors
from carbonledger.kernel.secret import SecretText

POLLS: Final = Counter("carbonledger_polls", "Polls of connections that ended, by provider and outcome.", ("provider", "outcome"))
PAGES: Final = Counter("carbonledger_poll_pages", "Pages read from providers.", ("provider",))
BUCKETS: Final = Counter("carbonledger_poll_buckets", "Time buckets read from providers, by what they said.", ("provider", "outcome"))

DUE_JOB: Final = "connections.poll_due"
RECONCILE_ALL_JOB: Final = "connections.reconcile_all"
BATCH: Final = 500  # connections looked up at a time, each asked for in a transaction of its own
_RESTARTS_MAX: Final = 3  # of one poll whose connection is given another key meanwhile
_PLANS_MAX: Final = 3  # of one poll in which streams are refused
_POLL_TIMEOUT_S: Final = 4 * 3600.0  # 60 days of eleven streams of a large organization, at a slow provider
_FAULTS_MAX: Final = 8  # of ours; those of the provider are counted by the poll itself

queue.schedule(DUE_JOB, "*/5 * * * *")
queue.schedule(RECONCILE_ALL_JOB, "0 3 * * *")

Look = Callable[[db.UnitOfWork, UUID], Awaitable[list[tuple[UUID, UUID]]]]
Ask = Callable[[db.UnitOfWork, UUID, UUID], Awaitable[bool]]
Result = dict[str, Any] | queue.Ended


@queue.steps(DUE_JOB)
async def poll_due(work: runner.StepsJob) -> dict[str, int]:
    """Ask for a poll of every connection that is due, each in a transaction of its organization."""

    async def look(uow: db.UnitOfWork, after: UUID) -> list[tuple[UUID, UUID]]:
        return await service.due(uow, at=work.at, after=after, at_most=BATCH)

    async def ask(uow: db.UnitOfWork, organization_id: UUID, connection_id: UUID) -> bool:
        actor = actors.system(organization_id, request_id=work.job.request_id)
        return await service.poll_if_due(uow, actor=actor, now=work.at, organization_id=organization_id, connection_id=connection_id)

    return {"asked": await _each(work, look, ask)}


@queue.steps(RECONCILE_ALL_JOB)
async def reconcile_all(work: runner.StepsJob) -> dict[str, int]:
    """Ask for the last day of every connection to be read again."""

    async def look(uow: db.UnitOfWork, after: UUID) -> list[tuple[UUID, UUID]]:
        return await service.read_before(uow, after=after, at_most=BATCH)

    async def ask(uow: db.UnitOfWork, organization_id: UUID, connection_id: UUID) -> bool:
        actor = actors.system(organization_id, request_id=work.job.request_id)
        await service.ask_reconciliation(uow, actor=actor, now=work.at, connection_id=connection_id)
        return True

    return {"asked": await _each(work, look, ask)}


async def _each(work: runner.StepsJob, look: Look, ask: Ask) -> int:
    asked, after = 0, UUID(int=0)
    while True:
        async with work.database.transaction() as uow:
            batch = await look(uow, after)
        for organization_id, connection_id in batch:
            async with work.database.transaction(organization_id) as uow:
                asked += await ask(uow, organization_id, connection_id)
        if len(batch) < BATCH:
            return asked
        after = batch[-1][1]
        await work.progress(asked, words=f"{asked} asked for")


@dataclass(frozen=True, slots=True)
class _Poll:
    """A poll on its way: the job, what it reads, with which key."""

    work: runner.StepsJob
    begun: service.Begun
    connector: types.Connector
    key: SecretText

    @property
    def connection(self) -> types.Connection:
        return self.begun.connection


@queue.steps(service.POLL_JOB, timeout_s=_POLL_TIMEOUT_S, attempts_max=_FAULTS_MAX)
async def poll(work: runner.StepsJob) -> Result:
    """Read what is to be read of a connection. That the provider refuses is an outcome of the poll, not a failure of the job."""
    return await _with_connection(work, _poll_once, reason="poll")


@queue.steps(service.RECONCILE_JOB, timeout_s=_POLL_TIMEOUT_S, attempts_max=_FAULTS_MAX)
async def reconcile(work: runner.StepsJob) -> Result:
    """Read the last 24 hours of a connection again and write down whether they still say the same."""
    return await _with_connection(work, _reconcile_once, reason="reconciliation")


async def _with_connection(work: runner.StepsJob, run: Callable[[_Poll], Awaitable[Result]], *, reason: str) -> Result:
    """Open the connection's key and run; when it is given another key meanwhile, again from the start, unless the job is for one key."""
    for _ in range(_RESTARTS_MAX):
        try:
            begun = await _begin(work, reason=reason)
        except types.ConnectionChanged:
            break
        if begun is None:
            return {"outcome": "not_polled"}
        connector = work.services.connectors[begun.connection.provider]
        with contextlib.suppress(types.ConnectionChanged):
            key = await _reveal(work, begun)
            return await run(_Poll(work, begun, connector, key))
    return {"outcome": "changed"}


async def _begin(work: runner.StepsJob, *, reason: str) -> service.Begun | None:
    secret_id = work.args.get("secret_id")  # none of a reconciliation, nor of a poll that was asked for before they had one
    async with work.transaction() as uow:
        return await service.begin(
            uow,
            actor=work.actor,
            now=work.now,
            organization_id=work.organization_id,
            connection_id=UUID(work.args["connection_id"]),
            reason=reason,
            secret_id=None if secret_id is None else UUID(secret_id),
        )


async def _reveal(work: runner.StepsJob, begun: service.Begun) -> SecretText:
    """Open the key. Raises ``ConnectionChanged`` where it can't be opened because it was replaced or destroyed meanwhile."""
    try:
        return await vault.reveal(begun.secret, sealer=work.services.sealer, outside=work.services.outside_secrets)
    except vault_types.VaultFault:
        async with work.transaction() as uow:
            await service.unchanged(uow, organization_id=work.organization_id, connection=begun.connection)
        raise


async def _poll_once(poll: _Poll) -> queue.Ended:
    work, taken = poll.work, service.Taken()
    everything = bool(work.args.get("everything")) or service.is_synced_since(poll.begun, asked_at=work.job.created_at)
    try:
        while True:
            taken += await _read_all(poll, everything=everything)
            try:
                return await _read_to_end(poll, taken)
            except types.SyncAsked:
                poll, everything = await _again(poll), True
    except types.ProviderFault as fault:
        if not service.gives_up(fault, failures=work.job.failures):
            POLLS.labels(poll.connector.provider, "retried").inc()
            raise
        return await _fail(poll, fault)


async def _read_to_end(poll: _Poll, taken: service.Taken) -> queue.Ended:
    """Write that all was read and end the job, in one: a key or a sync that comes later is not for this poll."""
    work = poll.work

    async def write(uow: db.UnitOfWork) -> Result:
        await service.read(uow, actor=work.actor, now=work.now, organization_id=work.organization_id, begun=poll.begun)
        return {"outcome": "read", "buckets": taken.buckets, "changed": taken.changed}

    ended = await work.end(write)
    POLLS.labels(poll.connector.provider, "read").inc()
    return ended


async def _fail(poll: _Poll, fault: types.ProviderFault) -> queue.Ended:
    """Write that the poll failed and end the job, in one."""
    work = poll.work

    async def write(uow: db.UnitOfWork) -> Result:
        await service.failed(uow, actor=work.actor, now=work.now, organization_id=work.organization_id, begun=poll.begun, fault=fault)
        return {"outcome": "failed", "code": fault.code, "words": fault.title()}

    ended = await work.end(write)
    POLLS.labels(poll.connector.provider, "failed").inc()
    return ended


async def _reconcile_once(poll: _Poll) -> Result:
    work = poll.work
    readings = service.reconciliation(poll.begun, poll.connector, now=work.now)
    taken = service.Taken()
    try:
        for reading in readings:
            taken += await _read_window(poll, reading)
    except types.ProviderFault as fault:
        if not service.gives_up(fault, failures=work.job.failures):
            raise
        return {"outcome": "failed", "code": fault.code, "words": fault.title()}  # the hourly poll meets it too, and tells
    async with work.transaction() as uow:
        await service.reconciled(
            uow,
            actor=work.actor,
            now=work.now,
            organization_id=work.organization_id,
            begun=poll.begun,
            readings=readings,
            buckets=taken.buckets,
            differences=taken.changed,
        )
    return {"outcome": "read", "buckets": taken.buckets, "differences": taken.changed}


@dataclass(frozen=True, slots=True)
class _Out:
    """Streams that are left out for the rest of a poll, by name: refused ones for good, those set aside until the next attempt."""

    refused: dict[str, types.StreamRefused] = field(default_factory=dict)
    aside: dict[str, types.ProviderFault] = field(default_factory=dict)

    def __contains__(self, name: object) -> bool:
        return name in self.refused or name in self.aside


async def _read_all(poll: _Poll, *, everything: bool) -> service.Taken:
    """Read every window of the plan; where streams are refused, also what takes their place.

    What goes wrong with one stream alone (``outcomes.reach``) is raised only when the others are read to their end.
    """
    if everything:
        await _set_streams(poll, {})
        poll = await _again(poll)
    taken, out = service.Taken(), _Out()
    for _ in range(_PLANS_MAX):
        readings = service.plan(poll.begun, poll.connector, now=poll.work.now, job_id=poll.work.job.id, everything=everything)
        known = len(out.refused)
        taken += await _read_plan(poll, readings, out)
        if len(out.refused) == known:
            break
        poll = await _again(poll)
    if not any(stream.carries is types.Carries.TOKENS and stream.name in out.aside for stream in poll.connector.streams):
        await covering.mark_past(work=poll.work, connection=poll.connection)
    if out.aside:
        raise service.first_told(tuple(out.aside.values()))
    return taken


async def _read_plan(poll: _Poll, readings: Sequence[service.Reading], out: _Out) -> service.Taken:
    """Read windows in their order; a stream at which something is wrong is left out from then on, if it is about that stream alone.

    Of its window nothing is written, so another attempt begins with it.
    """
    work, taken = poll.work, service.Taken()
    for place, reading in enumerate(readings):
        await _tell_progress(poll, readings, place)
        if reading.stream.name in out:
            continue
        try:
            taken += await _read_window(poll, reading)
        except types.StreamRefused as fault:
            out.refused[reading.stream.name] = fault
            await _set_streams(poll, out.refused)
            continue
        except types.ProviderFault as fault:
            await _refuse_all(poll, fault)
            out.aside[reading.stream.name] = fault
            continue
        async with work.transaction() as uow:
            await service.window_read(
                uow,
                organization_id=work.organization_id,
                begun=poll.begun,
                reading=reading,
                now=work.now,
                job_id=work.job.id,
                is_last=service.is_last(readings, place),
            )
    await _tell_progress(poll, readings, len(readings))
    return taken


async def _refuse_all(poll: _Poll, fault: types.ProviderFault) -> None:
    """Raise what is wrong if it is about the key or the whole provider. Where the fault does not tell, the provider is asked."""
    reach = service.reach(fault)
    if reach is service.Reach.ALL:
        raise fault
    if reach is service.Reach.UNCLEAR:
        try:
            await poll.connector.validate(poll.key, now=poll.work.now)
        except types.ProviderFault as answer:
            if service.reach(answer) is not service.Reach.STREAM:  # else it is there, and does not say that the key is no good
                raise answer from fault


async def _tell_progress(poll: _Poll, readings: Sequence[service.Reading], place: int) -> None:
    if poll.connection.state is types.State.READING_BACK:
        days, total = service.days_done(readings, place)
        await poll.work.progress(days, total, f"{days} of {total} days")


async def _again(poll: _Poll) -> _Poll:
    """Return the poll with the streams as they are now, and with the sync that was asked for last."""
    async with poll.work.transaction() as uow:
        view = await service.show(uow, organization_id=poll.work.organization_id, connection_id=poll.connection.id)
    connection = replace(poll.connection, synced_at=view.connection.synced_at)
    begun = service.Begun(connection, {state.stream: state for state in view.streams}, poll.begun.secret)
    return _Poll(poll.work, begun, poll.connector, poll.key)


async def _set_streams(poll: _Poll, refused: Mapping[str, types.StreamRefused]) -> None:
    """Ask the provider anew what the key may read; a key that is no longer good says so here."""
    check = await poll.connector.validate(poll.key, now=poll.work.now)
    async with poll.work.transaction() as uow:
        await service.streams_refused(
            uow,
            organization_id=poll.work.organization_id,
            begun=poll.begun,
            connector=poll.connector,
            check=check,
            refused=refused,
        )


async def _read_window(poll: _Poll, reading: service.Reading) -> service.Taken:
    walk, taken = service.Walk(), service.Taken()
    while not walk.is_done:
        raw = await poll.connector.poll(poll.key, stream=reading.stream, window=reading.window, cursor=walk.cursor)
        # In a thread: a page may have ten megabytes, and this process has a heartbeat.
        page = await asyncio.to_thread(poll.connector.normalise, raw)
        walk = service.advanced(walk, page)
        PAGES.labels(poll.connector.provider).inc()
        taken += await _take_page(poll, reading.stream, page.buckets, raw)
    BUCKETS.labels(poll.connector.provider, "changed").inc(taken.changed)
    BUCKETS.labels(poll.connector.provider, "unchanged").inc(taken.buckets - taken.changed)
    return taken


async def _take_page(poll: _Poll, stream: types.Stream, buckets: Sequence[types.Bucket], raw: types.RawPage) -> service.Taken:
    work, taken = poll.work, service.Taken()
    async with work.transaction() as uow:
        has_news = await service.has_news(
            uow, organization_id=work.organization_id, connection=poll.connection, stream=stream, buckets=buckets, now=work.now
        )
    if has_news:
        await _keep_page(poll, raw)  # before what refers to it
    for part in service.in_parts(buckets):
        async with work.transaction() as uow:
            taken += await service.take(
                uow,
                actor=work.actor,
                now=work.now,
                at=work.at,
                organization_id=work.organization_id,
                connection=poll.connection,
                stream=stream,
                buckets=part,
                payload_digest=bytes.fromhex(raw.payload_digest),
            )
    return taken


async def _keep_page(poll: _Poll, raw: types.RawPage) -> None:
    """Keep the provider's answer under its digest, so that each figure can be traced to it."""
    files = poll.work.services.objects.of_organization(poll.work.organization_id)
    content = await asyncio.to_thread(gzip.compress, raw.body, 6, mtime=0)
    with contextlib.suppress(objects.ObjectExists):  # the name is the content's own
        await files.put(f"raw/{poll.connection.id}/{raw.payload_digest}.json.gz", content)
