"""Where people see what an event is about: the path of its page in the dashboard, for letters and the activity page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from carbonledger.domains.receipts.service import issuing

_INVENTORY: Final = "/receipts/credits"
_PAGES: Final[Mapping[str, str]] = {
    "receipt": "/receipts/{id}",
    "period": "/receipts/periods/{id}",
    "credit_lot": _INVENTORY,
    "credit_commitment": _INVENTORY,
    "connection": "/connections/{id}",
    "project": "/projects/{id}",
    "invoice": "/invoices/{id}",
    "subscription": "/subscriptions/{id}",
}
_OPERATORS: Final[Mapping[str, str]] = {issuing.DEFERRED: _INVENTORY}
"""Events that tell operators of what is another organization's: what they can do about it."""


def page_of(*, action: str, target_type: str, target_id: str) -> str | None:
    """Return the path of the page; None where there is none."""
    found = _OPERATORS.get(action) or _PAGES.get(target_type)
    return None if found is None else found.format(id=target_id)
