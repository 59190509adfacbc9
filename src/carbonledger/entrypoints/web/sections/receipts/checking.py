"""The check that is open to everybody: of a receipt by its serial, its PDF or its bundle, and of an audit pack. A file is read, checked and
forgotten.

Nobody signs in, nothing is stored, and what is shown names neither people nor the organization.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from carbonledger.domains.receipts.service import bundling, keys, log
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.receipts import Public
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, rendering, routes, screens, uploads
from carbonledger.entrypoints.web.sections.receipts import judging, one, shown, wording
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger_proof import keys as proof_keys
from carbonledger_proof import pack, serials, verify
from carbonledger_proof.errors import SerialInvalid

router = routes.Router()
PATH: Final = bundling.VERIFY_PATH
_CHECK: Final = access.public(limit="verify")  # each is work, and serials are not to be tried one by one
_ALLOCATIONS_SHOWN: Final = 20
_PACK_RECEIPTS_MAX: Final = 5
"""Each is as much work as a receipt by itself. A month has one that stands, and those that it superseded."""
_NO_FILE: Final = "Choose the PDF or the bundle of a receipt, or an audit pack."
_SERIAL_CHARS_MAX: Final = 64
_SLIP: Final = "That is no serial, or there is a slip in it: its last character checks the others. Compare it with the receipt."
_UNKNOWN: Final = "No receipt of this installation has that serial. A receipt of another issuer is checked by its file, below."


class PackTooLong(errors.Invalid):
    """The audit pack holds more receipts than are checked here."""

    code = "pack_too_long"


@router.page(PATH, access.public(limit="public"))
async def ask(call: routing.CallDep) -> exchange.Answer:
    """Ask for a serial or a file."""
    fields = screens.query(call)
    given = fields.text("serial").strip()[:_SERIAL_CHARS_MAX]
    if not given:
        return _form(call, forms.Refused())
    try:
        return screens.go(f"{PATH}/{serials.parse(given)}")
    except SerialInvalid:
        return _form(call, _wrong(given, _SLIP), status=422)


@router.upload(PATH, _CHECK, large=True)
async def check_file(call: routing.CallDep) -> exchange.Answer:
    """Check a PDF, a bundle or an audit pack that was sent. Nothing of it is kept."""
    file = uploads.sent(call).file("file")
    if file is None:
        return _form(call, forms.Refused(said="Choose a file.", beside={"file": _NO_FILE}), status=422)
    if file.content.startswith(pack.MAGIC):
        return await _check_pack(call, file)
    if len(file.content) > uploads.FILE_BYTES_MAX:
        raise routes.UploadTooLarge(f"A PDF or a bundle has at most {uploads.FILE_BYTES_MAX // 2**20} MiB here.")
    report = await _checked(call, file.content)
    async with call.services.database.transaction(read_only=True) as uow:
        is_ours = report.receipt is not None and report.receipt.issuer == await log.origin(uow)
        found = await _find(uow, report.receipt.serial) if is_ours and report.receipt is not None else None
        known = await keys.published(uow) if is_ours else None
    if known is not None:
        report = await _checked(call, file.content, known)
    judged = judging.of_file(report, is_ours=is_ours, found=found)
    return _result(call, judged, file_name=file.name)


async def _check_pack(call: routing.Call, file: uploads.File) -> exchange.Answer:
    if pack.receipts_inside(file.content) > _PACK_RECEIPTS_MAX:
        raise PackTooLong(f"It holds more than {_PACK_RECEIPTS_MAX} receipts: check it with the command `carbonledger verify PACK.zip`.")
    report = await _checked_pack(call, file.content)
    found: dict[str, Public] = {}
    is_ours = False
    if report.manifest is not None:
        async with call.services.database.transaction(read_only=True) as uow:
            is_ours = report.manifest.issuer == await log.origin(uow)
            known = await keys.published(uow)
            for one in report.manifest.receipts if is_ours else ():
                if (public := await _find(uow, one.serial)) is not None:
                    found[one.serial] = public
        if is_ours:
            report = await _checked_pack(call, file.content, known)
    return _pack_result(call, judging.of_pack(report, is_ours=is_ours, found=found), found=found, file_name=file.name)


async def _checked_pack(call: routing.Call, content: bytes, known: proof_keys.KeySet | None = None) -> verify.Report:
    async with call.edge.checking:
        return await asyncio.to_thread(pack.in_memory, content, trusted_keys=known)


async def _checked(call: routing.Call, content: bytes, known: proof_keys.KeySet | None = None) -> verify.Report:
    async with call.edge.checking:
        return await asyncio.to_thread(verify.file, content, trusted_keys=known)


@router.page(PATH + "/{serial}", _CHECK)
async def check_serial(call: routing.CallDep, serial: str) -> exchange.Answer:
    """Check a receipt of this installation by its serial."""
    async with call.services.database.transaction(read_only=True) as uow:
        try:
            found = await bundling.public(uow, serial=serial[:_SERIAL_CHARS_MAX])
        except types.ReceiptNotFound as fault:
            said = _SLIP if isinstance(fault.__cause__, SerialInvalid) else _UNKNOWN
            return _form(call, _wrong(serial[:_SERIAL_CHARS_MAX], said), status=404)
        known = await keys.published(uow)
    if found.bundle is None:
        return _result(call, judging.unproven(found), found=found)
    report = await asyncio.to_thread(verify.bundle, found.bundle, trusted_keys=known)
    return _result(call, judging.of_file(report, is_ours=True, found=found), found=found)


async def _find(uow: db.UnitOfWork, serial: str) -> Public | None:
    try:
        return await bundling.public(uow, serial=serial)
    except types.ReceiptNotFound:
        return None


def _wrong(given: str, said: str) -> forms.Refused:
    return forms.Refused(forms.Fields((("serial", given),)), said, {"serial": said})


def _form(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    return _page(call, "receipts/ask.html", "Verify a carbon receipt or an audit pack", status=status, refused=refused)


def _result(call: routing.Call, judged: judging.Judged, *, found: Public | None = None, file_name: str = "") -> exchange.Answer:
    receipt = judged.receipt
    given = () if receipt is None else receipt.allocations[:_ALLOCATIONS_SHOWN]
    return _page(
        call,
        "receipts/checked.html",
        "A file that was checked" if receipt is None else f"Carbon receipt {receipt.serial}",
        judged=judged,
        said=receipt,
        is_believed=judged.verdict is not judging.Verdict.FAILED,
        titles=judging.TITLES,
        gross=None if receipt is None else shown.gross(receipt),
        month="" if receipt is None else wording.month_named(receipt.period.month),
        compensation="" if receipt is None else one.compensation(receipt),
        allocations=[(part, shown.co2e(part.to_mg - part.from_mg)) for part in given],
        left_out=0 if receipt is None else len(receipt.allocations) - len(given),
        found=found,
        file_name=file_name,
    )


def _pack_result(call: routing.Call, judged: judging.Judged, *, found: Mapping[str, Public], file_name: str) -> exchange.Answer:
    said = judged.pack
    month = "" if said is None else wording.month_named(said.period.month)
    is_believed = said is not None and judged.verdict is not judging.Verdict.FAILED
    return _page(
        call,
        "receipts/checked-pack.html",
        f"Audit pack {said.number} for {month}" if is_believed and said is not None else "A file that was checked",
        judged=judged,
        pack=said if is_believed else None,
        month=month,
        titles=judging.PACK_TITLES,
        states=wording.STATES,
        found=found,
        file_name=file_name,
    )


def _page(call: routing.Call, template: str, title: str, *, status: int = 200, **given: Any) -> exchange.Answer:
    text = rendering.render(template, {"title": title, "path": PATH, "address": call.services.settings.address, **given})
    return screens.html(call.exchange, text, status=status)
