"""What the lines of a subscription that might be would come to, by the functions that bill: of flat ones, as nobody knows usage before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts.types import Locale
from carbonledger.domains.catalog.types import PlanVersion
from carbonledger.domains.invoices.core import drafting, totals, words
from carbonledger.domains.invoices.core.drafting import Known
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.types.totals import Item
from carbonledger.domains.subscriptions.types import DueCharge, DueKind, is_usage
from carbonledger.kernel.currency import Currency

_WORDS: Final = words.WORDS[Locale.EN]  # nobody reads the descriptions


def amounts(due: Sequence[DueCharge], versions: Mapping[UUID, PlanVersion]) -> dict[str, Decimal]:
    """Return what each of ``due`` comes to, by cause: rounded, after the line's own discounts, before the document's and before tax.

    ``due`` has everything from the start, so that a credit finds what it gives back; ``versions`` are those that it names. What rests on
    usage is left out: its own lines, and a commitment of a plan that charges for usage. Raises ``NumberOutOfRange``.
    """
    known = [one for one in due if not _rests_on_usage(one, versions)]
    if not known:
        return {}
    currency = versions[known[0].plan_version_id].currency
    pieces = drafting.pieces_of(known, Known(words=_WORDS, currency=currency, versions=versions))
    billable = {one.cause: one.billable_at for one in known}
    found: dict[str, Decimal] = {}
    for at in sorted(set(billable.values())):
        found.update(_document([piece for piece in pieces if billable[piece.cause] == at], currency))
    return found


def _document(pieces: Sequence[Piece], currency: Currency) -> dict[str, Decimal]:
    summed = totals.total([Item(piece.gross, piece.discounts, share=piece.share) for piece in pieces], currency=currency)
    return {piece.cause: line.amount for piece, line in zip(pieces, summed.lines, strict=True)}


def _rests_on_usage(due: DueCharge, versions: Mapping[UUID, PlanVersion]) -> bool:
    if due.kind is DueKind.COMMITMENT_TRUE_UP:
        return any(is_usage(charge) for charge in versions[due.plan_version_id].charges)
    return due.charge is not None and is_usage(due.charge)
