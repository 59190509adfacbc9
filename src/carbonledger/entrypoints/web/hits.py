"""What a search found, and asking everybody who may have it, each by the scope with which its page is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from carbonledger.entrypoints.rest import routing
from carbonledger.infra import db

SHOWN_MAX: Final = 20  # of each kind


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found. ``is_exact``: it was named whole."""

    kind: str
    name: str
    href: str
    is_exact: bool = False


ById = tuple[tuple[str, Callable[[routing.Call, db.UnitOfWork, UUID], Awaitable[Hit | None]]], ...]
"""A scope, and what finds a thing by its id."""
ByName = tuple[tuple[str, Callable[[routing.Call, db.UnitOfWork, str], Awaitable[list[Hit]]]], ...]
"""A scope, and what finds things by a part of their names."""


async def first(call: routing.Call, uow: db.UnitOfWork, finders: ById, asked: UUID) -> Hit | None:
    """Return what has this id: no two things have the same."""
    for scope, find in finders:
        if scope in call.actor.scopes and (found := await find(call, uow, asked)) is not None:
            return found
    return None


async def every(call: routing.Call, uow: db.UnitOfWork, finders: ByName, words: str) -> list[Hit]:
    """Return what has these words in its name, kind by kind."""
    return [hit for scope, find in finders if scope in call.actor.scopes for hit in await find(call, uow, words)]
