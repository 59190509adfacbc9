"""The front door of accounts: made, listed, changed, deleted, erased; what later domains say is live for them; ``payment_methods``.

``now`` is the organization's time, which rows and events carry; ``at`` the real one, from which ids are made.
"""

from __future__ import annotations

from carbonledger.domains.accounts.service.accounts import (
    CHANGED,
    CREATED,
    DELETED,
    ERASED,
    Draft,
    change,
    create,
    delete,
    erase,
    find,
    find_by_external_id,
    find_many,
    hold,
    set_uses,
    some,
)

__all__ = [
    "CHANGED",
    "CREATED",
    "DELETED",
    "ERASED",
    "Draft",
    "change",
    "create",
    "delete",
    "erase",
    "find",
    "find_by_external_id",
    "find_many",
    "hold",
    "set_uses",
    "some",
]
