"""Which line bills usage that came late. Pure."""

from __future__ import annotations

from carbonledger.domains.invoices.types.failures import Late
from carbonledger.domains.invoices.types.sellers import LateUsage


def cause(of: str, times: int) -> str:
    """Return the cause of the line that bills, the ``times``-th time, what came late for the line of cause ``of``. Never to change."""
    return f"late:{times}:{of}"


def billed_by(late: Late, times: int) -> str | None:
    """Return the cause of the line that bills what was found; None where it was let go, or was worth nothing.

    ``times``: how often the line was charged for late usage until then, this time among them.
    """
    if late.decision is LateUsage.IGNORE_AND_REPORT or not late.amount:
        return None
    return cause(late.cause, times)
