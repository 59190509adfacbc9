"""The list of invoices as a file, as it is narrowed."""

from __future__ import annotations

from datetime import date
from typing import Final

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.invoices.service import standing
from carbonledger.domains.invoices.types.invoices import Filters, Invoice
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import routes, screens, sheets
from carbonledger.entrypoints.web.sections.invoices import pages, wording
from carbonledger.infra import db
from carbonledger.kernel import errors, spreadsheet
from carbonledger.kernel import money as moneys
from carbonledger.kernel import page as kernel_pages
from carbonledger.kernel import zone as zones
from carbonledger.kernel.money import Money

router = routes.Router()
ROWS_MAX: Final = 5000  # who has more takes a shorter time, or the API


@router.page(pages.PATH + "/table.csv", pages.READ)
async def table(call: routing.CallDep) -> exchange.Answer:
    """Give the list as it is narrowed, as CSV with exact amounts."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    async with screens.reading(call) as uow:
        chosen, _ = await pages.whose(call, uow, fields)
        found: list[Invoice] = []
        if chosen is not None or not pages.is_somebodys(fields):
            found = await _all(call, uow, pages.filters_of(call, fields, chosen))
        known = await accounts.find_many(uow, organization_id=organization_id, account_ids=[one.account_id for one in found])
    text = sheets.written(_HEAD, [_cells(one, known[one.account_id], pages.today(call)) for one in found])
    return sheets.answer("invoices.csv", text)


async def _all(call: routing.Call, uow: db.UnitOfWork, filters: Filters) -> list[Invoice]:
    """Return what the filters leave. Raises ``errors.Invalid`` where it is more than a table takes."""
    found: list[Invoice] = []
    request = kernel_pages.PageRequest(limit=kernel_pages.LIMIT_MAX)
    while len(found) <= ROWS_MAX:
        some = await standing.listed(uow, organization_id=call.caller.organization_id, filters=filters, page=request)
        found += some.data
        if some.next_cursor is None:
            return found
        request = kernel_pages.PageRequest(limit=kernel_pages.LIMIT_MAX, after=kernel_pages.decode_cursor(some.next_cursor, parts=1))
    raise errors.Invalid(f"A table holds up to {ROWS_MAX:,} invoices. Choose the days on which they were issued, or use the API.")


_HEAD: Final = (
    "number", "id", "account", "account_external_id", "document", "payment", "currency", "subtotal", "discount", "tax", "total",
    "issued_on", "due_on", "paid_on", "reference",
)  # fmt: skip


def _cells(one: Invoice, account: Account, on: date) -> list[str]:
    """Return an invoice as a row of a table: amounts exact, days those of the document."""
    totals, issued, zone = one.totals, one.issued, zones.named(one.zone)
    amounts = (totals.subtotal, totals.discount, totals.tax, totals.total)
    return [
        spreadsheet.inert("" if issued is None else issued.number),
        str(one.id),
        spreadsheet.inert(account.name),
        spreadsheet.inert(account.external_id or ""),
        one.state.value,
        wording.payment(one, today=on)[0],
        one.currency.code,
        *(moneys.to_api_amount(Money(amount, one.currency)) for amount in amounts),
        "" if issued is None else zones.local_date(issued.at, zone).isoformat(),
        "" if issued is None else issued.due_on.isoformat(),
        "" if one.paid_at is None else zones.local_date(one.paid_at, zone).isoformat(),
        spreadsheet.inert(one.reference or ""),
    ]
