"""Jobs of audit packs: ordered for months that are due, and made step by step."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity.service import due
from carbonledger.domains.receipts.service import log, packing, packs
from carbonledger.domains.receipts.types.packs import StoredFile
from carbonledger.entrypoints.shared import salting, signing
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, queue
from carbonledger_proof import manifest

ORDER_JOB: Final = "receipts.order_audit_packs"
_TIMEOUT_S: Final = 4 * 3600.0
_STEPS: Final = 4

# Several times a day, as the third of a month begins in some time zone at every hour; what is ordered is not due any more.
queue.schedule(ORDER_JOB, "37 */4 * * *", each_organization=True)
due.register("receipts.audit_packs", next_due=packs.next_due, run_due=packs.run_due)


@queue.handler(ORDER_JOB)
async def order(uow: db.UnitOfWork, work: runner.Job) -> dict[str, int]:
    """Order the packs that are due."""
    found = await packs.order_due(uow, actor=work.actor, now=work.now, organization_id=work.organization_id)
    return {"ordered": len(found)}


@queue.steps(packs.MAKE_JOB, timeout_s=_TIMEOUT_S)
async def make(work: runner.StepsJob) -> dict[str, Any]:
    """Make a pack that was ordered. Killed anywhere, it goes on with the step that was not done."""
    pack_id = UUID(work.args["pack_id"])
    files = work.services.objects.of_organization(work.organization_id)
    await signing.ready(work.services, at=work.at)
    salt = await salting.opened(
        work.database,
        actor=work.actor,
        at=work.at,
        organization_id=work.organization_id,
        sealer=work.services.sealer,
        outside=work.services.outside_secrets,
    )
    async with work.transaction() as uow:
        await log.checkpoint(uow, at=work.at)  # so that the newest checkpoint covers what was appended up to now
    names: dict[str, Any] = {"organization_id": work.organization_id, "pack_id": pack_id}

    async def gather() -> dict[str, Any]:
        async with work.database.transaction(work.organization_id, read_only=True) as uow:
            found = await packing.gather(uow, **names, salting=salt)
        stored = await packing.put(files, found.files)
        return {
            "unsealed": manifest.MANIFEST.write(found.unsealed),
            "basis": found.basis.hex(),
            "checkpoint_size": found.checkpoint_size,
            "files": [file.to_json() for file in stored],
        }

    async def stream() -> list[dict[str, object]]:
        # Not fenced: it reads for as long as it takes, and what it writes is the same whoever writes it.
        async with work.database.transaction(work.organization_id, read_only=True) as uow:
            stored = await packing.stream(uow, **names, salting=salt, files=files, told=told)
        return [file.to_json() for file in stored]

    async def told(size: int) -> None:
        await work.progress(1, _STEPS, f"{size / 2**20:.0f} MiB of events written")

    gathered = await work.outside("gather", gather)
    await work.progress(1, _STEPS, "evidence gathered")
    streamed = await work.outside("stream", stream)
    await work.progress(2, _STEPS, "events written")
    stored = [StoredFile.from_json(file) for file in (*gathered["files"], *streamed)]
    unsealed = manifest.MANIFEST.read(gathered["unsealed"])

    async def seal(uow: db.UnitOfWork) -> str:
        return (await packing.seal(uow, gathered=unsealed, files=stored, at=work.at)).decode()

    sealed = await work.step("seal", seal)
    stored += await packing.put(files, [(manifest.FILE_NAME, sealed.encode())])
    await work.progress(3, _STEPS, "manifest sealed")
    return await _finished(work, pack_id, stored, gathered)


async def _finished(work: runner.StepsJob, pack_id: UUID, stored: list[StoredFile], gathered: dict[str, Any]) -> dict[str, Any]:
    contents = await packing.check(
        work.services.objects.of_organization(work.organization_id),
        stored,
        basis=bytes.fromhex(gathered["basis"]),
        checkpoint_size=gathered["checkpoint_size"],
    )

    async def finish(uow: db.UnitOfWork) -> dict[str, Any]:
        made = await packing.finish(
            uow,
            actor=work.actor,
            now=work.now,
            at=work.at,
            organization_id=work.organization_id,
            pack_id=pack_id,
            contents=contents,
        )
        return {"month": f"{made.month:%Y-%m}", "number": made.number, "size_bytes": contents.size, "sha256": contents.sha256.hex()}

    result: dict[str, Any] = await work.step("finish", finish)
    return result
