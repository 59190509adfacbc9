"""What happens by itself as an organization's time goes on: each domain says what is due next, and does it.

Registered once, when the process loads its declarations (``entrypoints.worker``). Real organizations are served by schedules; this is
what moves with the clock of a sandbox, and both call the same use case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

NextDue = Callable[[db.UnitOfWork, UUID, datetime], Awaitable[datetime | None]]
"""``(uow, organization_id, until)``: the business time of the organization's next thing due at or before ``until``, or None."""

RunDue = Callable[[db.UnitOfWork, Actor, datetime], Awaitable[None]]
"""``(uow, actor, now)``: do everything that is due at the business time ``now``, so that none of it is due any more."""


@dataclass(frozen=True, slots=True)
class Due:
    """One sort of thing that comes due."""

    name: str
    next_due: NextDue
    run_due: RunDue


_registered: dict[str, Due] = {}


def register(name: str, *, next_due: NextDue, run_due: RunDue) -> None:
    """Add a sort of thing that comes due. What is due at one instant runs in the order of registration, which is the data's."""
    if name in _registered:
        raise ValueError(f"{name} is registered already.")
    _registered[name] = Due(name=name, next_due=next_due, run_due=run_due)


def unregister(name: str) -> None:
    """Take a sort of thing out again; for tests."""
    del _registered[name]


def every() -> tuple[Due, ...]:
    """Return all sorts, in their order."""
    return tuple(_registered.values())
