"""What is done to meters and tax rates alike: found, listed, renamed, and archived while no plan needs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic
from uuid import UUID

from carbonledger.domains.catalog.core import naming
from carbonledger.domains.catalog.store import versions as version_store
from carbonledger.domains.catalog.store.entries import E, Entries
from carbonledger.domains.catalog.types.faults import CatalogFault
from carbonledger.infra import db, outbox
from carbonledger.kernel import errors
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem


@dataclass(frozen=True, slots=True)
class Sort(Generic[E]):
    """One of the two: its rows, its ``word`` in events, its faults, and what plans do that need it."""

    rows: Entries[E]
    word: str
    not_found: type[CatalogFault]
    in_use: type[CatalogFault]
    need: str

    async def find(self, uow: db.UnitOfWork, *, organization_id: UUID, entry_id: UUID, lock: bool = False) -> E:
        """Return an entry, archived or not; ``lock``: no plan begins to need it until the transaction ends. Raises ``not_found``."""
        found = await self.rows.find(uow, organization_id=organization_id, entry_id=entry_id, lock=lock)
        if found is None:
            raise self.not_found(f"There is no {self.word.replace('_', ' ')} {entry_id}.")
        return found

    async def some(
        self, uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest, archived: bool, search: str | None = None
    ) -> pages.Page[E]:
        """Return entries in use, or those archived, newest first."""
        before = pages.before_id(page)
        rows = await self.rows.some(
            uow, organization_id=organization_id, archived=archived, search=search, before=before, limit=page.limit + 1
        )
        return pages.cut(rows, limit=page.limit, key=lambda entry: (str(entry.id),))

    async def rename(self, uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, entry_id: UUID, name: str) -> E:
        """Give an entry another name. Raises ``errors.Invalid``, ``not_found``."""
        problems: list[Problem] = []
        kept = naming.name(problems, "/name", name)
        errors.refuse(problems)
        old = await self.find(uow, organization_id=organization_id, entry_id=entry_id, lock=True)
        if kept == old.name:
            return old
        await self.rows.change(uow, organization_id=organization_id, entry_id=entry_id, values={"name": kept, "updated_at": now})
        await outbox.emit(
            uow,
            actor=actor,
            now=now,
            action=f"{self.word}.changed",
            target_type=self.word,
            target_id=entry_id,
            before={"name": old.name},
            after={"name": kept},
        )
        return replace(old, name=kept, updated_at=now)

    async def archive(self, uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, entry_id: UUID) -> None:
        """Archive what no version of any plan names. Again it changes nothing. Raises ``not_found``, ``in_use``."""
        old = await self.find(uow, organization_id=organization_id, entry_id=entry_id, lock=True)
        if old.archived_at is not None:
            return
        plans = await version_store.needed_by(uow, organization_id=organization_id, needed_id=entry_id)
        if plans:
            raise self.in_use(f"{self.need}: {', '.join(plans)}.", extra={"plans": list(plans)})
        await self.rows.change(uow, organization_id=organization_id, entry_id=entry_id, values={"archived_at": now, "updated_at": now})
        await outbox.emit(
            uow,
            actor=actor,
            now=now,
            action=f"{self.word}.archived",
            target_type=self.word,
            target_id=entry_id,
            before={"code": old.code},
        )
