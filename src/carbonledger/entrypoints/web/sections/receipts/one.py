"""One receipt: its figures, what it rests on, what proves it in words, and its files."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger.domains.projects import service as projects
from carbonledger.domains.receipts.service import bundling, issuing, periods
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.receipts import Receipt, Signed, State
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import routes, screens
from carbonledger.entrypoints.web.sections.receipts import pages, shown, wording
from carbonledger.infra import db
from carbonledger.kernel import humane, lookback
from carbonledger.kernel import zone as zones
from carbonledger_proof import measures, statement

router = routes.Router()
_PDF: Final = b"application/pdf"
_BUNDLE: Final = b"application/json"
ALLOCATIONS_SHOWN: Final = 100  # the bundle has all


@router.page("/receipts/{receipt_id}", pages.READ)
async def receipt(call: routing.CallDep, receipt_id: UUID) -> exchange.Answer:
    """Show a receipt."""
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await issuing.find(uow, organization_id=organization_id, receipt_id=receipt_id)
        period = await periods.find(uow, organization_id=organization_id, period_id=found.period_id)
        return await screens.show(
            call,
            uow,
            "receipts/one.html",
            section="receipts",
            title=wording.month(period.month) if found.signed is None else found.signed.serial,
            found=found,
            period=period,
            name=wording.month(period.month),
            state=wording.STATES[found.state],
            needed=shown.co2e(found.required_mg),
            reason="" if found.revocation is None else wording.REASONS[found.revocation],
            before=await _serial(uow, organization_id, found.supersedes),
            after=await _serial(uow, organization_id, found.superseded_by),
            **({} if found.signed is None else await _stated(call, uow, found, found.signed)),
        )


async def _serial(uow: db.UnitOfWork, organization_id: UUID, receipt_id: UUID | None) -> tuple[UUID, str] | None:
    """Return the id and serial of a receipt that another one names."""
    if receipt_id is None:
        return None
    found = await issuing.find(uow, organization_id=organization_id, receipt_id=receipt_id)
    return receipt_id, bundling.stated(found).serial


async def _stated(call: routing.Call, uow: db.UnitOfWork, found: Receipt, signed: Signed) -> dict[str, Any]:
    said, zone = signed.receipt, zones.named(call.caller.time_zone)
    ids = [UUID(one.project) for one in said.projects]
    names = await projects.names(uow, organization_id=call.caller.organization_id, project_ids=ids)
    window = (await periods.find(uow, organization_id=call.caller.organization_id, period_id=found.period_id)).window
    dates = f"?from={zones.local_date(window.start, zone)}&to={lookback.last_day(window, zone)}"
    given = said.allocations[:ALLOCATIONS_SHOWN]
    return {
        "said": said,
        "signed": signed,
        "figures": shown.of_receipt(said),
        "projects": shown.projects(said, names, href=dates),
        "compensation": compensation(said),
        "allocations": [(one, shown.co2e(one.to_mg - one.from_mg)) for one in given],
        "left_out": len(said.allocations) - len(given),
        "adjustments": [shown.booked(one, wording.month_named(one.month)) for one in said.adjustments],
        "receipts": [one.receipt for one in said.adjustments],
        "words": wording.event_count,
        "proof": wording.proof(
            issued=wording.when(said.issued_at, zone),
            index=signed.log_index,
            events=said.events.count,
            has_credits=bool(said.allocations),
        ),
        "is_proven": found.bundle is not None,
        "is_valid": found.state is State.ISSUED,
        "address": call.services.settings.address,
    }


def compensation(said: statement.Receipt) -> str:
    """Return what a receipt says of credits, in one sentence."""
    claim = said.compensation
    if claim is None:
        return "Nothing is compensated by this receipt, because the emissions of its usage are not known."
    if not said.events.count:
        return "Nothing had to be compensated: no usage was recorded in this month."
    if not claim.required_mg:
        return "Nothing had to be compensated: no emissions were estimated for the usage of this month."
    share = humane.percent(shown.amount(claim.share_bp, -4))
    end = "middle" if claim.bound is measures.Bound.MID else f"{claim.bound.value} end"
    return (
        f"{shown.co2e(claim.required_mg).text} of retired carbon credits are allocated to it: {share} of the {end} of the "
        f"{claim.basis.value}-based range."
    )


@router.page("/receipts/{receipt_id}/pdf", pages.READ)
async def pdf(call: routing.CallDep, receipt_id: UUID) -> exchange.Answer:
    """Give a receipt's page."""
    found = await _found(call, receipt_id)
    return _file(bundling.document(found), _PDF, f"{bundling.stated(found).serial}.pdf")


@router.page("/receipts/{receipt_id}/bundle", pages.READ)
async def bundle(call: routing.CallDep, receipt_id: UUID) -> exchange.Answer:
    """Give what proves a receipt."""
    found = await _found(call, receipt_id)
    return _file(bundling.bundle(found), _BUNDLE, f"{bundling.stated(found).serial}.json")


async def _found(call: routing.Call, receipt_id: UUID) -> types.Receipt:
    async with screens.reading(call) as uow:
        return await issuing.find(uow, organization_id=call.caller.organization_id, receipt_id=receipt_id)


def _file(content: bytes, media_type: bytes, name: str) -> exchange.Answer:
    headers: list[exchange.Header] = [
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"content-security-policy", screens.POLICY.encode()),
    ]
    return exchange.Answer(200, body=content, media_type=media_type, headers=headers)
