"""Usage that came when its invoice was issued: what it is of, what it is worth, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.invoices.service import reporting, sellers
from carbonledger.domains.invoices.types.failures import LateReport
from carbonledger.domains.invoices.types.invoices import Invoice, State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import routes, screens
from carbonledger.entrypoints.web.sections.invoices import one, pages, shown, wording
from carbonledger.kernel import decimals
from carbonledger.kernel import page as kernel_pages

router = routes.Router()
PATH: Final = pages.PATH + "/late"
_ROWS: Final = 50
_KEPT: Final = ("account", "customer")


@dataclass(frozen=True, slots=True)
class Row:
    """What came late for a line. ``fate``: what became of it, in words and the colour of its mark; ``bill``: where it is billed."""

    report: LateReport
    account: str
    subscription: str
    line: str
    invoice: str
    more: str
    now: str
    worth: str
    fate: tuple[str, str]
    bill: tuple[str, str] | None


@router.page(PATH, pages.READ)
async def late_usage(call: routing.CallDep) -> exchange.Answer:
    """Show what came late."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    async with screens.reading(call) as uow:
        chosen, choices = await pages.whose(call, uow, fields)
        found: kernel_pages.Page[LateReport] = kernel_pages.Page((), None)
        is_lost = chosen is None and pages.is_somebodys(fields)
        if not is_lost:
            request = call.page(limit=_ROWS, cursor=fields.given("cursor"), parts=1)
            account_id = None if chosen is None else chosen.id
            found = await reporting.late(uow, organization_id=organization_id, page=request, account_id=account_id)
        known = await accounts.find_many(uow, organization_id=organization_id, account_ids=[each.late.account_id for each in found.data])
        names = await one.names(call, uow, [each.line for each in found.data])
        settings = await sellers.settings(uow, organization_id=organization_id)
        kept = fields.named(_KEPT)
        return await screens.show(
            call,
            uow,
            "invoices/late.html",
            section="invoices",
            title="Late usage",
            path=PATH,
            tab="late",
            rows=[
                row(each, known[each.late.account_id].name, names.get(each.line.subscription_id) if each.line.subscription_id else None)
                for each in found.data
            ],
            next_cursor=found.next_cursor,
            account=chosen,
            customer=fields.text("customer"),
            choices=[(each, kept.replaced(customer=None, account=str(each.id)).query) for each in choices],
            is_lost=is_lost and not choices,
            is_narrowed=bool(kept.pairs),
            again=f"{PATH}?{kept.query}&" if kept.pairs else f"{PATH}?",
            decision=wording.LATE_DONE[settings.late_usage],
            grace_hours=int(settings.grace.total_seconds()) // 3600,
        )


def row(report: LateReport, account: str, subscription: str | None) -> Row:
    """Return what came late as the list shows it."""
    late = report.late
    more = decimals.subtract(late.quantity_after, late.quantity_before)
    return Row(
        report=report,
        account=account,
        subscription=subscription or "",
        line=report.line.description,
        invoice=wording.name(report.invoice),
        more=f"{'+' if more > 0 else ''}{shown.number(more)}",
        now=shown.number(late.quantity_after),
        worth=shown.money(late.amount, late.currency),
        fate=_fate(report),
        bill=None if report.billing is None else _bill(report.billing[0], late.decision),
    )


def _fate(report: LateReport) -> tuple[str, str]:
    if report.billing is None:
        return ("reported only", "notice") if report.late.amount else ("worth nothing", "")
    state = report.billing[0].state
    if state in (State.GATHERING, State.DRAFT):
        return ("to be billed", "notice")
    return ("void", "problem") if state is State.VOID else ("billed", "good")


def _bill(invoice: Invoice, decision: LateUsage) -> tuple[str, str]:
    kind = "a correction" if decision is LateUsage.CORRECTION else "the next invoice"
    return f"{pages.PATH}/{invoice.id}", f"{kind}, {wording.name(invoice)}" if invoice.issued is not None else kind
