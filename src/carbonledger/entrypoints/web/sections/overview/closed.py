"""The last closed month and its receipt, for the first page."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from carbonledger.domains.receipts.service import listing, periods, totals
from carbonledger.domains.receipts.types.listing import Listed
from carbonledger.domains.receipts.types.periods import State
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.web import figures
from carbonledger.entrypoints.web.sections.receipts import shown, wording
from carbonledger.infra import db
from carbonledger.kernel import page

_LOOKED_AT = 12  # months that are not closed in a row: whoever has more of them has not paid for a year


@dataclass(frozen=True, slots=True)
class Closed:
    """A month as it was closed: its emissions, and its receipt where it has one."""

    period_id: UUID
    name: str
    co2e: figures.Figure
    receipt: Listed | None
    state: tuple[str, str] | None


async def last(call: routing.Call, uow: db.UnitOfWork) -> Closed | None:
    """Return the last closed month with usage, to who may see it; None where there is none."""
    if not {"receipts:read", "periods:read"} <= call.actor.scopes:
        return None
    organization_id = call.caller.organization_id
    some = await periods.list_periods(uow, organization_id=organization_id, page=page.PageRequest(limit=_LOOKED_AT))
    found = next((one for one in some.data if one.state is State.CLOSED and one.leaves), None)
    if found is None:
        return None
    closed = await totals.closed(uow, organization_id=organization_id, period_id=found.id)
    receipt = (await listing.of_periods(uow, organization_id=organization_id, period_ids=[found.id])).get(found.id)
    return Closed(
        period_id=found.id,
        name=wording.month(found.month),
        co2e=shown.of_totals(closed.totals)[0],
        receipt=receipt,
        state=None if receipt is None else wording.STATES[receipt.state],
    )
