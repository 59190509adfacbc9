"""What is asked of the catalog: a plan version, a meter or a tax rate as somebody wants it, before it is checked.

An edge reads text and numbers. What it can't read it tells here beside what it could (``problems``), so that whoever sent it hears of
everything at once, and not of prices only once the names are right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from carbonledger.domains.catalog.types.plans import Charge
from carbonledger.kernel.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDraft:
    """A plan version to be made: of the first all that differs from the defaults, of a later one what differs from the one before.

    ``values`` by the names of ``PlanVersion``'s fields. ``charges`` None: those of the version before. ``unread``: the places of
    charges that could not be read whole, with something in place of what could not, so that the rest of each is checked too.
    ``effective_at`` None: at once.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    charges: tuple[Charge, ...] | None = None
    unread: frozenset[int] = frozenset()
    effective_at: datetime | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraft:
    """A plan to be made, with its first version."""

    code: str
    name: str
    description: str | None = None
    version: VersionDraft
