"""Accounts: made, listed, changed, deleted, erased; and what later domains say is live for them.

Events name a field that may be about a person and never say what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NoReturn
from uuid import UUID

import asyncpg

from carbonledger.domains.accounts import types
from carbonledger.domains.accounts.core import accounts as core
from carbonledger.domains.accounts.store import accounts as store
from carbonledger.domains.accounts.store import payment_methods
from carbonledger.domains.accounts.types import Account, Address, Locale, TaxId, TaxTreatment
from carbonledger.domains.identity.service import organizations
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor

CREATED: Final = "account.created"
CHANGED: Final = "account.changed"
DELETED: Final = "account.deleted"
ERASED: Final = "account.erased"
_TARGET: Final = "account"
_TOLD: Final = ("external_id", "currency", "time_zone", "locale", "tax_treatment", "payment_terms_days")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An account to be made. ``currency`` and ``time_zone`` None: the organization's own."""

    name: str
    external_id: str | None = None
    email: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    locale: Locale = Locale.EN
    address: Address = types.NOWHERE
    tax_ids: tuple[TaxId, ...] = ()
    tax_treatment: TaxTreatment = TaxTreatment.STANDARD
    payment_terms_days: int = 30
    metadata: Mapping[str, str] = field(default_factory=dict)


async def create(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, draft: Draft) -> Account:
    """Make an account. Raises ``errors.Invalid`` with all that is wrong with it, ``AccountExternalIdTaken``."""
    organization = await organizations.find(uow, organization_id=organization_id)
    made = core.checked(
        Account(
            id=ids.new_id(at),
            external_id=draft.external_id,
            name=draft.name,
            email=draft.email,
            currency=draft.currency or organization.currency,
            time_zone=draft.time_zone or organization.time_zone,
            locale=draft.locale,
            address=draft.address,
            tax_ids=draft.tax_ids,
            tax_treatment=draft.tax_treatment,
            payment_terms_days=draft.payment_terms_days,
            metadata=draft.metadata,
            created_at=now,
            updated_at=now,
        )
    )
    try:
        await store.add(uow, organization_id=organization_id, account=made)
    except asyncpg.UniqueViolationError as error:
        _raise_taken(error)
    await _emit(uow, actor=actor, now=now, action=CREATED, account=made, after=core.told(made, _TOLD))
    return made


def _raise_taken(error: asyncpg.UniqueViolationError) -> NoReturn:
    raise types.AccountExternalIdTaken("Is it the same customer? Then change that account.") from error


async def _emit(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    action: str,
    account: Account,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    await outbox.emit(uow, actor=actor, now=now, action=action, target_type=_TARGET, target_id=account.id, before=before, after=after)


async def find(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID) -> Account:
    """Return an account, deleted or not. Raises ``AccountNotFound``."""
    return _there(await store.find(uow, organization_id=organization_id, account_id=account_id), account_id)


def _there(found: Account | None, account_id: UUID) -> Account:
    if found is None:
        raise types.AccountNotFound(f"There is no account {account_id}.")
    return found


async def find_by_external_id(uow: db.UnitOfWork, *, organization_id: UUID, external_id: str) -> Account | None:
    """Return the account that has this external id now, or None."""
    return await store.with_external_id(uow, organization_id=organization_id, external_id=external_id)


async def find_many(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, Account]:
    """Return accounts by id, deleted or not, in one statement; an id that is none is left out."""
    found = await store.those(uow, organization_id=organization_id, account_ids=list(dict.fromkeys(account_ids)))
    return {account.id: account for account in found}


async def some(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    page: pages.PageRequest,
    deleted: bool = False,
    external_id: str | None = None,
    search: str | None = None,
) -> pages.Page[Account]:
    """Return accounts, or those that were deleted, newest first; ``search``: a part of the name, the email or the external id."""
    rows = await store.some(
        uow,
        organization_id=organization_id,
        deleted=deleted,
        external_id=external_id,
        search=search,
        before=pages.before_id(page),
        limit=page.limit + 1,
    )
    return pages.cut(rows, limit=page.limit, key=lambda account: (str(account.id),))


async def change(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, account_id: UUID, values: Mapping[str, object]
) -> Account:
    """Give fields of an account, by their names, other values. What changes nothing is no change.

    An external id stays while something is live for the account (``set_uses``). Raises ``AccountNotFound``, ``AccountDeleted``,
    ``AccountInUse``, ``AccountExternalIdTaken``, and ``errors.Invalid`` with all that is wrong.
    """
    old = await held(uow, organization_id=organization_id, account_id=account_id)
    new = core.changed(old, values)
    names = core.differences(old, new)
    if not names:
        return old
    core.refuse_renamed(old, new, await store.uses_of(uow, organization_id=organization_id, account_id=account_id))
    new = replace(new, updated_at=now)
    try:
        await store.change(uow, organization_id=organization_id, account=new)
    except asyncpg.UniqueViolationError as error:
        _raise_taken(error)
    await _emit(uow, actor=actor, now=now, action=CHANGED, account=new, before=core.told(old, names), after=core.told(new, names))
    return new


async def held(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID) -> Account:
    """Return an account whose row nobody else changes until the transaction ends. Raises ``AccountNotFound``."""
    return _there(await store.find(uow, organization_id=organization_id, account_id=account_id, lock=True), account_id)


async def delete(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, account_id: UUID) -> None:
    """Delete an account: its history stays, its external id is free again. Deleting it again changes nothing.

    Raises ``AccountNotFound``, and ``AccountInUse`` while something is live for it (``set_uses``).
    """
    old = await held(uow, organization_id=organization_id, account_id=account_id)
    if old.deleted_at is not None:
        return
    core.refuse_in_use(await store.uses_of(uow, organization_id=organization_id, account_id=account_id))
    ended = replace(old, deleted_at=now, updated_at=now)
    await store.change(uow, organization_id=organization_id, account=ended)
    await _emit(uow, actor=actor, now=now, action=DELETED, account=ended, before=core.told(old, ("external_id",)))


async def erase(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, account_id: UUID) -> Account:
    """Take the personal data out of a deleted account, and its payment methods with it, for ever. Doing it again changes nothing.

    Documents that were issued keep their copy, as the law of invoices demands. Raises ``AccountNotFound``, ``AccountNotDeleted``.
    """
    old = await held(uow, organization_id=organization_id, account_id=account_id)
    if old.erased_at is not None:
        return old
    new = core.erased(old, now=now)
    await store.change(uow, organization_id=organization_id, account=new)
    await payment_methods.drop_all(uow, organization_id=organization_id, account_id=account_id)
    await _emit(uow, actor=actor, now=now, action=ERASED, account=new)
    return new


async def hold(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID]) -> None:
    """Make sure that accounts are there and stay so until the transaction ends: whoever begins something for them calls it first.

    Raises ``AccountNotFound``, ``AccountDeleted``.
    """
    wanted = list(dict.fromkeys(account_ids))
    there = await store.held(uow, organization_id=organization_id, account_ids=wanted)
    for account_id in wanted:
        if account_id not in there:
            core.refuse_deleted(await find(uow, organization_id=organization_id, account_id=account_id))


async def set_uses(uow: db.UnitOfWork, *, organization_id: UUID, kind: str, live: Mapping[UUID, int]) -> None:
    """Say how many things of ``kind`` (a word for people, such as ``subscriptions``) are live for accounts; such an account isn't deleted.

    Called by the domain whose things they are, in the transaction that changes their number, after ``hold``.
    """
    if live:
        await store.set_uses(uow, organization_id=organization_id, kind=kind, live=live)
