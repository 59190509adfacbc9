"""What proves a receipt to strangers: its bundle, made once a checkpoint covers its leaf, the page that carries it, proofs of events.

Bundle and page are sealed with the key of receipts and kept, because that key's private part is destroyed when another follows. They are
made again when a receipt ends, and then say so.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.identity.service import organizations
from carbonledger.domains.projects import service as projects
from carbonledger.domains.receipts.core import sheet
from carbonledger.domains.receipts.service import keys as signing_keys
from carbonledger.domains.receipts.service import log, proving, signing
from carbonledger.domains.receipts.service.proving import Salt
from carbonledger.domains.receipts.store import receipts as store
from carbonledger.domains.receipts.types import printing
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.receipts import Public, Receipt, Signed, State
from carbonledger.infra import db
from carbonledger.infra.objects import Objects
from carbonledger_proof import bundle as bundles
from carbonledger_proof import canonical, keys, merkle, pdf, serials
from carbonledger_proof import errors as proof_errors

VERIFY_PATH: Final = "/receipts/verify"
_STATES: Final = {
    State.ISSUED: bundles.State.VALID,
    State.SUPERSEDED: bundles.State.SUPERSEDED,
    State.REVOKED: bundles.State.REVOKED,
}


async def prove(
    uow: db.UnitOfWork, *, at: datetime, organization_id: UUID, printer: printing.ReceiptPrinter, address: str
) -> tuple[Receipt, ...]:
    """Make bundle and page of every receipt that has none yet and whose leaf a checkpoint covers, and return them.

    One that was issued since the log was signed last is left out: it has a job of its own. Raises ``SigningKeyClosed``,
    ``SigningKeyMissing``.
    """
    unproven = await store.unproven(uow, organization_id=organization_id, signed_size=await log.signed_size(uow))
    if not unproven:
        return ()
    name = (await organizations.find(uow, organization_id=organization_id)).name
    made = []
    for receipt in unproven:
        bundle = await _bundle(uow, receipt, at=at, organization_id=organization_id)
        by = await signing.current(uow, purpose=keys.Purpose.RECEIPTS, at=at)
        url = f"{address.rstrip('/')}{VERIFY_PATH}/{bundle.receipt.serial}"
        names = await _names(uow, bundle, organization_id=organization_id)
        page = sheet.sheet(bundle, organization=name, verify_url=url, names=names)
        content = bundle.encode()
        document = pdf.sealed(await asyncio.to_thread(printer.printed, page, bundle=content), by.sign)
        proven = replace(receipt, bundle=content, document=document, updated_at=at)
        await store.put(uow, organization_id=organization_id, receipt=proven)
        made.append(proven)
    return tuple(made)


async def _names(uow: db.UnitOfWork, bundle: bundles.Bundle, *, organization_id: UUID) -> dict[str, str]:
    project_ids = [UUID(one.project) for one in bundle.receipt.projects]
    found = await projects.names(uow, organization_id=organization_id, project_ids=project_ids)
    return {str(project_id): name for project_id, name in found.items()}


async def _bundle(uow: db.UnitOfWork, receipt: Receipt, *, at: datetime, organization_id: UUID) -> bundles.Bundle:
    signed = stated(receipt)
    by = await signing.current(uow, purpose=keys.Purpose.RECEIPTS, at=at)
    checkpoint = await log.covering(uow, index=signed.log_index)
    path = await log.inclusion(uow, index=signed.log_index, size=checkpoint.size)
    return bundles.make(
        signed.receipt,
        signed=signed.signature,
        inclusion=bundles.Inclusion(index=signed.log_index, size=checkpoint.size, path=path),
        checkpoint=checkpoint.note,
        known=await signing_keys.published(uow),
        status=await _status(uow, receipt, organization_id=organization_id),
        made_at=max(at.replace(microsecond=0), signed.receipt.issued_at),
        kid=by.key.kid,
        sign=by.sign,
    )


async def _status(uow: db.UnitOfWork, receipt: Receipt, *, organization_id: UUID) -> bundles.Status:
    successor = None
    if receipt.superseded_by is not None:
        found = await store.find(uow, organization_id=organization_id, receipt_id=receipt.superseded_by)
        successor = None if found is None or found.signed is None else found.signed.serial
    return bundles.Status(state=_STATES[receipt.state], by=successor)


def stated(receipt: Receipt) -> Signed:
    """Return what was signed. Raises ``ReceiptDeferred``."""
    if receipt.signed is None:
        raise types.ReceiptDeferred("The receipt waits for retired credits; it is issued as soon as there are enough.")
    return receipt.signed


def bundle(receipt: Receipt) -> bytes:
    """Return the bundle as a file. Raises ``ReceiptDeferred``, ``ReceiptUnproven``."""
    stated(receipt)
    return _made(receipt.bundle)


def document(receipt: Receipt) -> bytes:
    """Return the page as a PDF. Raises ``ReceiptDeferred``, ``ReceiptUnproven``."""
    stated(receipt)
    return _made(receipt.document)


def _made(content: bytes | None) -> bytes:
    if content is None:
        raise types.ReceiptUnproven("The log is being signed. Try again in a few seconds.", retry_after_s=5)
    return content


async def event_proof(
    uow: db.UnitOfWork, receipt: Receipt, *, organization_id: UUID, event_id: UUID, salting: Salt, files: Objects
) -> bytes:
    """Return the file that proves to whoever it is given to that an event is inside a receipt: that event's leaf, and no other's.

    ``files`` are the organization's. Raises ``ReceiptDeferred``, ``ReceiptUnproven``, ``EventNotInPeriod``.
    """
    whole = bundles.BUNDLE.read(canonical.read(bundle(receipt)))
    names = {"organization_id": organization_id, "period_id": receipt.period_id, "event_id": event_id}
    path = await proving.event_path(uow, **names, files=files)
    content = await proving.leaf(uow, **names, salting=salting)
    if merkle.leaf_hash(content) != path.leaf_hash:
        raise AssertionError("the ledger tells another leaf than was hashed when the period was closed")
    inclusion = bundles.Inclusion(index=path.index, size=path.size, path=path.path)
    return bundles.EventProof(event=canonical.read(content), inclusion=inclusion, bundle=whole).encode()


async def public(uow: db.UnitOfWork, *, serial: str) -> Public:
    """Return what everybody may see of a receipt, by its serial as people type it. Raises ``ReceiptNotFound``."""
    try:
        found = await store.by_serial(uow, serial=serials.parse(serial))
    except proof_errors.SerialInvalid as error:
        raise types.ReceiptNotFound(str(error)) from error
    if found is None:
        raise types.ReceiptNotFound(f"No receipt has the serial {serials.parse(serial)}.")
    return found
