"""Jobs of the vault: seal anew under the newest master key, move a secret to the outside store, forget one there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.vault import service, types
from carbonledger.infra import db, outbox, queue
from carbonledger.infra.queue import work as works

BATCH = 200  # rows looked up at a time; each is resealed in a transaction of its own, so nothing waits behind the job
_RESEAL_TIMEOUT_S = 6 * 3600.0  # about 500 a second, so ten million secrets

Work = works.Steps[bootstrap.Services]


@queue.steps(service.RESEAL_JOB, timeout_s=_RESEAL_TIMEOUT_S)
async def reseal(work: Work) -> dict[str, Any]:
    """Seal every secret of every organization with the newest key. What is done needs no memory: the row itself says it."""
    done, unreadable, after = 0, 0, UUID(int=0)
    while True:
        async with work.database.transaction() as uow:
            batch = await service.to_reseal(uow, sealer=work.services.sealer, after=after, at_most=BATCH)
        if not batch:
            break
        for organization_id, secret_id in batch:
            try:
                async with work.database.transaction(organization_id) as uow:
                    done += await service.reseal(
                        uow, now=work.at, sealer=work.services.sealer, organization_id=organization_id, secret_id=secret_id
                    )
            except types.SecretUnreadable:
                unreadable += 1  # told once, below: one bad row must not leave the others under the old key
        after = batch[-1][1]
        await work.progress(done, words=f"{done} sealed anew")
    if unreadable:
        await work.step("tell", lambda uow: _tell_unreadable(uow, work, unreadable))
    return {"resealed": done, "unreadable": unreadable}


async def _tell_unreadable(uow: db.UnitOfWork, work: Work, unreadable: int) -> None:
    await outbox.emit(
        uow,
        actor=work.actor,
        now=work.now,
        action="vault.secrets_unreadable",
        target_type="job",
        target_id=work.job.id,
        after={"unreadable": unreadable},
        severity="critical",
        audience=(outbox.OPERATORS,),
    )


@queue.steps(service.MOVE_JOB)
async def move_outside(work: Work) -> dict[str, Any]:
    """Put a secret into the outside store, then drop the sealed copy. Nothing to do when it was moved, or no store is configured."""
    outside, secret_id = work.services.outside_secrets, UUID(work.args["secret_id"])
    async with work.transaction() as uow:
        located = await service.located_for_move(uow, organization_id=work.organization_id, secret_id=secret_id)
    if outside is None or (located is not None and located.place is types.Place.OUTSIDE):
        return {"moved": False}
    if located is None:
        # An attempt that was lost may have put it there, and whoever destroyed it knew of no reference.
        await outside.delete(ref=outside.ref_of(organization_id=work.organization_id, secret_id=secret_id))
        return {"moved": False}
    secret = service.open_for_move(located, sealer=work.services.sealer)
    ref = await work.outside("put", lambda: outside.put(organization_id=work.organization_id, secret_id=secret_id, secret=secret))
    async with work.transaction() as uow:
        await service.moved(uow, organization_id=work.organization_id, secret_id=secret_id, ref=ref, now=work.now, actor=work.actor)
    return {"moved": True}


@queue.steps(service.FORGET_JOB)
async def forget_outside(work: Work) -> None:
    """Delete a secret from the outside store; deleting it twice is nothing."""
    outside = work.services.outside_secrets
    if outside is None:
        raise types.SecretUnreadable("The secret is in an outside store, and none is configured. See CARBONLEDGER_VAULT_BACKEND.")
    ref = work.args["ref"]
    await work.outside("delete", lambda: outside.delete(ref=ref))
