"""Carbon receipts of closed periods: what was signed, the page, the bundle that proves it offline; and the public check of a serial."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import bundling, issuing
from carbonledger.domains.receipts.types import periods as period_types
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access, salting
from carbonledger.kernel import page
from carbonledger_proof import canonical, verify

router = routing.Router(prefix="/v1/receipts", tag="Credits and receipts")
public = routing.Router(prefix="/v1/public/receipts", tag="Credits and receipts")

_PDF: Final = "application/pdf"
_BUNDLE: Final = "application/json"
_READ: Final = access.scope("receipts:read")
_SERIAL: Final = "CL-202611-E9PEJ"
_FAULTS: Final = (types.ReceiptNotFound,)
_FILES: Final = (*_FAULTS, types.ReceiptDeferred, types.ReceiptUnproven)


class ReceiptOut(shapes.Out):
    """A receipt of a closed period."""

    id: UUID
    period_id: UUID
    state: types.State = Field(description="deferred: it waits for retired credits. superseded, revoked: it is no longer valid.")
    serial: str | None = Field(description="Null while it is deferred.")
    month: str = Field(description="The month of its period, such as 2026-11.")
    is_test: bool | None = Field(
        description="Whether it is a test, of a sandbox: about no real usage and no real credits. Null while it is deferred."
    )
    required_mg: int = Field(description="What is compensated, or has to be before it is issued, in milligrams of CO2e.")
    deferred_at: dt.datetime | None = Field(description="Since when it waited for retired credits, if it did.")
    issued_at: dt.datetime | None
    ended_at: dt.datetime | None
    supersedes: UUID | None
    superseded_by: UUID | None
    revocation: types.Revocation | None
    is_proven: bool = Field(description="Whether bundle and PDF are there; they follow seconds after the receipt.")


class ReceiptDetailOut(ReceiptOut):
    """A receipt with all that it says."""

    receipt: dict[str, Any] | None = Field(description="What was signed: schema carbon-ledger/receipt/v1, integers and strings only.")
    signature: str | None = Field(description="Ed25519 over the canonical receipt, base64url.")
    sha256: str | None = Field(description="SHA-256 of the canonical receipt, in hex.")


class CheckOut(shapes.Out):
    """One thing that was checked."""

    name: str
    ok: bool
    text: str


class PublicReceiptOut(shapes.Out):
    """A receipt as everybody may see it."""

    serial: str
    is_test: bool = Field(description="Whether it is a test, of a sandbox: about no real usage and no real credits.")
    state: types.State
    superseded_by: str | None
    revocation: types.Revocation | None
    ended_at: dt.datetime | None
    receipt: dict[str, Any] = Field(description="What was signed: schema carbon-ledger/receipt/v1. It names neither people nor projects.")
    sha256: str = Field(description="SHA-256 of the canonical receipt, in hex.")
    signature: str
    kid: str
    log_index: int
    is_valid: bool = Field(description="Whether every check holds.")
    bundle: dict[str, Any] | None = Field(
        description="All that proves it, to be checked without trusting this answer; null for the seconds until there is one."
    )
    checks: list[CheckOut] = Field(description="What was checked of its bundle; empty for the seconds until there is one.")


_RECEIPT: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d71",
    "period_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d72",
    "state": "issued",
    "serial": _SERIAL,
    "month": "2026-11",
    "is_test": False,
    "required_mg": 3_600_000,
    "deferred_at": None,
    "issued_at": "2026-12-03T00:05:00Z",
    "ended_at": None,
    "supersedes": None,
    "superseded_by": None,
    "revocation": None,
    "is_proven": True,
}
_SIGNED: Final[dict[str, Any]] = {"receipt": {"schema": "carbon-ledger/receipt/v1"}, "signature": "A" * 86, "sha256": "0f" * 32}


def to_api(receipt: types.Receipt) -> ReceiptOut:
    """Return a receipt as the API shows it."""
    return ReceiptOut(**_fields(receipt))


def _fields(receipt: types.Receipt) -> dict[str, Any]:
    signed = receipt.signed
    return {
        "id": receipt.id,
        "period_id": receipt.period_id,
        "state": receipt.state,
        "serial": None if signed is None else signed.serial,
        "month": f"{receipt.month:%Y-%m}",
        "is_test": None if signed is None else signed.receipt.test,
        "required_mg": receipt.required_mg,
        "deferred_at": receipt.deferred_at,
        "issued_at": None if signed is None else signed.receipt.issued_at,
        "ended_at": receipt.ended_at,
        "supersedes": receipt.supersedes,
        "superseded_by": receipt.superseded_by,
        "revocation": receipt.revocation,
        "is_proven": receipt.bundle is not None,
    }


async def _found(call: routing.Call, receipt_id: UUID) -> types.Receipt:
    return await issuing.find(call.uow, organization_id=call.caller.organization_id, receipt_id=receipt_id)


@router.get(
    "",
    access=_READ,
    summary="List receipts",
    operation_id="listReceipts",
    examples={"response": {"data": [_RECEIPT], "next_cursor": None}},
    errors=(page.CursorUnreadable, identity_types.UpgradeRequired),
)
async def list_receipts(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[ReceiptOut]:
    """List receipts, newest first, with those that wait for credits and those that are no longer valid.

    A plan without receipts is refused, unless it has some from before.
    """
    organization_id, request = call.caller.organization_id, call.page(limit=limit, cursor=cursor, parts=1)
    found = await issuing.list_receipts(call.uow, organization_id=organization_id, page=request)
    if not found.data and cursor is None:
        upgrade_url = f"{call.services.settings.address}/settings/plan"
        await entitlements.require(call.uow, organization_id=organization_id, key=types.RECEIPTS, upgrade_url=upgrade_url)
    return shapes.ListOut(data=[to_api(one) for one in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{receipt_id}",
    access=_READ,
    summary="Show a receipt",
    operation_id="getReceipt",
    examples={"response": {**_RECEIPT, **_SIGNED}},
    errors=_FAULTS,
)
async def get_receipt(call: routing.CallDep, receipt_id: UUID) -> ReceiptDetailOut:
    """Show a receipt with all that was signed."""
    found = await _found(call, receipt_id)
    signed = found.signed
    return ReceiptDetailOut(
        **_fields(found),
        receipt=None if signed is None else _object(signed.receipt.to_json()),
        signature=None if signed is None else signed.signature,
        sha256=None if signed is None else signed.digest.hex(),
    )


@router.get(
    "/{receipt_id}/pdf",
    access=_READ,
    summary="Get a receipt's PDF",
    operation_id="getReceiptPdf",
    answers=(_PDF,),
    errors=_FILES,
)
async def get_receipt_pdf(call: routing.CallDep, receipt_id: UUID) -> Response:
    """Give the receipt on one page, with all that proves it attached (PDF/A-3): `carbonledger verify` checks the file alone."""
    found = await _found(call, receipt_id)
    return _file(bundling.document(found), _PDF, f"{bundling.stated(found).serial}.pdf")


@router.get(
    "/{receipt_id}/bundle",
    access=_READ,
    summary="Get a receipt's bundle",
    operation_id="getReceiptBundle",
    answers=(_BUNDLE,),
    errors=_FILES,
)
async def get_receipt_bundle(call: routing.CallDep, receipt_id: UUID) -> Response:
    """Give the receipt with signature, place in the log, checkpoint and keys, which verifies offline; canonical JSON, byte for byte."""
    found = await _found(call, receipt_id)
    return _file(bundling.bundle(found), _BUNDLE, f"{bundling.stated(found).serial}.json")


@router.get(
    "/{receipt_id}/events/{event_id}/proof",
    access=_READ,
    summary="Get the proof of one event",
    operation_id="getReceiptEventProof",
    answers=(_BUNDLE,),
    errors=(*_FILES, period_types.EventNotInPeriod),
    transaction=False,
)
async def get_receipt_event_proof(call: routing.CallDep, receipt_id: UUID, event_id: UUID) -> Response:
    """Give the proof that one event is inside a receipt. Whoever gets the file sees that event and the receipt, and no other event.

    It verifies as the bundle does, which is in it. Event ids are those of the ledger.
    """
    organization_id, services = call.caller.organization_id, call.services
    async with services.database.transaction(organization_id, read_only=True) as uow:
        found = await issuing.find(uow, organization_id=organization_id, receipt_id=receipt_id)
    bundling.bundle(found)  # or else: there is none yet
    salt = await salting.opened(
        services.database,
        actor=call.actor,
        at=call.at,
        organization_id=organization_id,
        sealer=services.sealer,
        outside=services.outside_secrets,
    )
    files = services.objects.of_organization(organization_id)
    async with services.database.transaction(organization_id, read_only=True) as uow:
        content = await bundling.event_proof(uow, found, organization_id=organization_id, event_id=event_id, salting=salt, files=files)
    return _file(content, _BUNDLE, f"{bundling.stated(found).serial}-{event_id}.json")


def _object(value: canonical.Json) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a receipt and a bundle are objects")
    return value


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})


@public.get(
    "/verify/{serial}",
    access=access.public(limit="verify"),
    summary="Verify a receipt by its serial",
    operation_id="verifyReceipt",
    examples={
        "parameters": {"serial": _SERIAL},
        "response": {
            "serial": _SERIAL,
            "is_test": False,
            "state": "issued",
            "superseded_by": None,
            "revocation": None,
            "ended_at": None,
            "receipt": {"schema": "carbon-ledger/receipt/v1"},
            "sha256": "0f" * 32,
            "signature": "A" * 86,
            "kid": "A" * 43,
            "log_index": 5,
            "is_valid": True,
            "bundle": {"schema": "carbon-ledger/bundle/v1"},
            "checks": [{"name": "signature", "ok": True, "text": "The receipt was signed with the key."}],
        },
    },
    errors=(types.ReceiptNotFound,),
)
async def verify_receipt(
    call: routing.CallDep, serial: Annotated[str, Path(max_length=64, description="As it is printed; small letters are read too.")]
) -> PublicReceiptOut:
    """Say what a receipt states and how it stands, and check what proves it. Nobody signs in for this, and nothing personal is in it."""
    found = await bundling.public(call.uow, serial=serial)
    report = None if found.bundle is None else verify.bundle(found.bundle)
    return PublicReceiptOut(
        serial=found.signed.serial,
        is_test=found.signed.receipt.test,
        state=found.state,
        superseded_by=found.superseded_by,
        revocation=found.revocation,
        ended_at=found.ended_at,
        receipt=_object(found.signed.receipt.to_json()),
        sha256=found.signed.digest.hex(),
        signature=found.signed.signature,
        kid=found.signed.receipt.kid,
        log_index=found.signed.log_index,
        is_valid=report is not None and report.ok,
        bundle=None if found.bundle is None else _object(canonical.read(found.bundle)),
        checks=[] if report is None else [CheckOut(name=one.name, ok=one.ok, text=one.text) for one in report.checks],
    )
