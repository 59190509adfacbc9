"""What lines are charged for: a subscription, a version of its plan, a service period. Commitments and amounts off belong to one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.types.invoices import Line
from carbonledger.domains.subscriptions.types import DueCharge
from carbonledger.kernel.period import Period

Service = tuple[UUID | None, UUID | None, Period | None]
"""A subscription, a plan version and a service period; None where a line is of none."""


def of_due(due: DueCharge) -> Service:
    """Return what a due charge is for."""
    return due.subscription_id, due.plan_version_id, due.service


def of_line(line: Line) -> Service:
    """Return what a line is for."""
    period = None if line.service_start is None or line.service_end is None else Period(line.service_start, line.service_end)
    return line.subscription_id, line.plan_version_id, period


def of_piece(piece: Piece) -> Service:
    """Return what a piece is for."""
    return piece.subscription_id, piece.plan_version_id, piece.service


def of_pieces(made: Iterable[Piece]) -> list[tuple[UUID, UUID, Period]]:
    """Return what pieces are for, each once; nothing for those that are for no subscription."""
    found = dict.fromkeys(of_piece(piece) for piece in made)
    return [
        (subscription_id, version_id, period)
        for subscription_id, version_id, period in found
        if subscription_id is not None and version_id is not None and period is not None
    ]
