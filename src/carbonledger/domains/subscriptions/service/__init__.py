"""The front door of subscriptions: begun, changed, paused, canceled, previewed; what is due of them (``billing``); their advance with time.

``now`` is the organization's time, which facts and events carry; ``at`` the real one, from which ids are made.
"""

from __future__ import annotations

from carbonledger.domains.subscriptions.service.advancing import advance, next_due, run_due
from carbonledger.domains.subscriptions.service.beginning import Draft, create
from carbonledger.domains.subscriptions.service.changing import (
    cancel,
    change_plan,
    change_quantity,
    end,
    pause,
    reactivate,
    record_payment,
    resume,
)
from carbonledger.domains.subscriptions.service.finding import find, history, some
from carbonledger.domains.subscriptions.service.following import migrate, move_zone
from carbonledger.domains.subscriptions.service.previewing import Preview, preview
from carbonledger.domains.subscriptions.service.using import Used, usage

__all__ = [
    "Draft",
    "Preview",
    "Used",
    "advance",
    "cancel",
    "change_plan",
    "change_quantity",
    "create",
    "end",
    "find",
    "history",
    "migrate",
    "move_zone",
    "next_due",
    "pause",
    "preview",
    "reactivate",
    "record_payment",
    "resume",
    "run_due",
    "some",
    "usage",
]
