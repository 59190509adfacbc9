"""Credits: the operator's inventory of retired lots, importing a file of them, and what is ordered ahead, which is no credit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from carbonledger.domains.receipts.service import commitments, issuing, listing
from carbonledger.domains.receipts.service import credits as service
from carbonledger.domains.receipts.types import credits as types
from carbonledger.domains.receipts.types.commitments import Commitment, CommitmentState
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens, uploads
from carbonledger.entrypoints.web.sections.receipts import pages, shown
from carbonledger.kernel import humane
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.humane import Shown

router = routes.Router()
PATH: Final = "/receipts/credits"
_LOTS: Final = 100
PROBLEMS_SHOWN: Final = 200
_PLACE: Final = re.compile(r"/lines/([0-9]{1,7})(?:/(\w{1,40}))?")
_ADDED: Final = re.compile(r"([0-9]{1,5}),([0-9]{1,5})")
STATES: Final = {
    CommitmentState.ASKED: ("being ordered", "notice"),
    CommitmentState.PLACED: ("placed, waits for the seller", "notice"),
    CommitmentState.CONFIRMED: ("confirmed", ""),
    CommitmentState.DELIVERED: ("delivered", "good"),
    CommitmentState.CANCELED: ("canceled", "problem"),
    CommitmentState.REFUSED: ("refused", "problem"),
}


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot as shown, with what is left of it as a share."""

    lot: types.Lot
    quantity: Shown
    remaining: Shown
    share: Decimal


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a line of a file. ``line`` is empty where it is about the whole file."""

    line: str
    column: str
    words: str


@dataclass(frozen=True, slots=True)
class Ordered:
    """A commitment as shown."""

    commitment: Commitment
    quantity: Shown
    state: tuple[str, str]
    total: str


@router.page(PATH, access.house("credits:read"))
async def inventory(call: routing.CallDep) -> exchange.Answer:
    """Show the inventory of retired credits."""
    return await _show(call, ())


@router.upload(PATH, access.house("credits:write"))
async def take_in(call: routing.CallDep) -> exchange.Answer:
    """Import a file of retired lots: all of it, or nothing."""
    file = uploads.sent(call).file("file")
    if file is None:
        return await _show(call, (Problem("/file", "file_missing", "Choose a file with at least one lot."),), status=422)
    try:
        async with screens.writing(call) as uow:
            made = await service.import_lots(uow, actor=call.actor, now=call.now, at=call.at, content=file.content)
    except types.LotsInvalid as fault:
        return await _show(call, fault.problems, status=422, name=file.name)
    return screens.go(f"{PATH}?added={len(made.added)},{made.known}")


async def _show(call: routing.Call, problems: Sequence[Problem], *, status: int = 200, name: str = "") -> exchange.Answer:
    fields = screens.query(call)
    # Who waits for credits is other organizations', so it is asked outside of the house's transaction.
    async with call.services.database.transaction(read_only=True) as uow:
        waiting = await issuing.waiting(uow)
    async with screens.reading(call) as uow:
        found = await service.list_lots(uow, page=call.page(limit=_LOTS, cursor=fields.given("cursor"), parts=1))
        ordered = await commitments.every(uow)
        return await screens.show(
            call,
            uow,
            "receipts/credits.html",
            section="receipts",
            title="Credits",
            path=PATH,
            status=status,
            tab="credits",
            done=_done(fields),
            lots=[_lot(one) for one in found.data],
            next_cursor=found.next_cursor,
            stock=await listing.stock(uow),
            tonnes=shown.tonnes,
            waiting=len(waiting),
            commitments=[_ordered(one) for one in ordered],
            file_name=name,
            wrong=[_wrong(one) for one in problems[:PROBLEMS_SHOWN]],
            left_out=max(len(problems) - PROBLEMS_SHOWN, 0),
            columns=service.COLUMNS,
            **pages.tabs(call),
        )


def _done(fields: forms.Fields) -> str:
    found = _ADDED.fullmatch(fields.text("added"))
    if found is None:
        return ""
    added, known = int(found[1]), int(found[2])
    there = f" {known} {'was' if known == 1 else 'were'} there already." if known else ""
    return f"{added} lot{'' if added == 1 else 's'} imported.{there} Receipts that wait for credits are tried again now."


def _lot(lot: types.Lot) -> Lot:
    quantity = lot.credit.quantity_mg
    return Lot(lot, shown.tonnes(quantity), shown.tonnes(lot.remaining_mg), humane.share(lot.remaining_mg, quantity))


def _ordered(one: Commitment) -> Ordered:
    total = "" if one.order is None else f"{one.order.total.amount:f} {one.order.total.currency.code}"
    return Ordered(one, shown.tonnes(one.quantity_mg), STATES[one.state], total)


def _wrong(problem: Problem) -> Wrong:
    found = _PLACE.fullmatch(problem.pointer)
    if found is None:
        return Wrong("", "", problem.detail)
    return Wrong(found[1], found[2] or "", problem.detail.removeprefix(f"Line {found[1]}, {found[2]}: "))
