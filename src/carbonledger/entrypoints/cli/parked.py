"""What ``jobs`` does."""

from __future__ import annotations

from uuid import UUID

from carbonledger.domains.identity.service import organizations
from carbonledger.entrypoints.cli import console, operating
from carbonledger.infra import outbox, queue
from carbonledger.infra.queue import overview
from carbonledger.kernel import errors

_ALL_MAX = 10_000  # more than that at once is a cause that isn't gone


def list_parked(*, limit: int, json: bool) -> None:
    """Print parked jobs."""

    async def work(operator: operating.Operator) -> list[queue.Job]:
        async with operator.overview.transaction(read_only=True) as uow:
            return await overview.parked(uow, limit=limit)

    found = operating.run(work)
    if json:
        console.json({"data": [_document(job) for job in found]})
        return
    rows = [(str(job.id), job.name, str(job.organization_id), f"{job.finished_at:%Y-%m-%d %H:%M}", job.error or "") for job in found]
    console.table(("id", "job", "organization", "parked", "error"), rows)


def unpark(given: tuple[str, ...], *, every: bool) -> None:
    """Put jobs back into the queue."""
    if every == bool(given):
        raise errors.Invalid("Name the jobs by id, or say --all.")
    job_ids = tuple(_job_id(text) for text in given)

    async def work(operator: operating.Operator) -> int:
        async with operator.overview.transaction(read_only=True) as uow:
            if every:
                found = await overview.parked(uow, limit=_ALL_MAX)
            else:
                found = [await overview.find(uow, job_id=job_id) for job_id in job_ids]
        for job in found:
            await _unpark(operator, job)
        return len(found)

    console.say(f"Put back into the queue: {operating.run(work)}.")


async def _unpark(operator: operating.Operator, job: queue.Job) -> None:
    async with operator.database.transaction(job.organization_id) as uow:
        await queue.unpark(uow, job_id=job.id)
        await outbox.emit(
            uow,
            actor=operator.acting_in(job.organization_id),
            now=await organizations.business_now(uow, organization_id=job.organization_id, at=operator.at),
            action="job.unparked",
            target_type="job",
            target_id=job.id,
        )


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise errors.Invalid(f"{text!r} is not the id of a job; `carbonledger jobs list` shows them.") from None


def _document(job: queue.Job) -> dict[str, object]:
    return {
        "id": str(job.id),
        "organization_id": str(job.organization_id),
        "name": job.name,
        "attempts": job.attempts,
        "error": job.error,
        "request_id": job.request_id,
        "created_at": job.created_at.isoformat(),
        "parked_at": None if job.finished_at is None else job.finished_at.isoformat(),
    }
