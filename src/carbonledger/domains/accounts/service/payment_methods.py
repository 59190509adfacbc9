"""Payment methods of an account: added, listed, made the default, removed. What charges them comes later on the path.

Events say who keeps it and whether it is the default; never the reference, nor what a person would know it by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.accounts.core import accounts as accounts_core
from carbonledger.domains.accounts.core import payment_methods as core
from carbonledger.domains.accounts.service import accounts
from carbonledger.domains.accounts.store import payment_methods as store
from carbonledger.domains.accounts.types import payment_methods as types
from carbonledger.domains.accounts.types.payment_methods import PaymentMethod
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel.actor import Actor

ADDED: Final = "account.payment_method_added"
DEFAULT: Final = "account.payment_method_default"
REMOVED: Final = "account.payment_method_removed"
_TARGET: Final = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A payment method to be added. The first of an account is its default, whatever ``is_default`` says."""

    processor: str
    reference: str
    brand: str | None = None
    last4: str | None = None
    label: str | None = None
    is_default: bool = False


async def add(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, account_id: UUID, draft: Draft
) -> PaymentMethod:
    """Add a payment method to an account.

    Raises ``AccountNotFound``, ``AccountDeleted``, ``PaymentMethodsFull``, ``PaymentMethodTaken``, and ``errors.Invalid`` with all that
    is wrong, a number of a card among it.
    """
    accounts_core.refuse_deleted(await accounts.held(uow, organization_id=organization_id, account_id=account_id))
    known = await store.every(uow, organization_id=organization_id, account_id=account_id)
    if len(known) >= types.METHODS_MAX:
        raise types.PaymentMethodsFull(f"An account has at most {types.METHODS_MAX}. Remove one that is not used any more.")
    made = core.checked(
        PaymentMethod(
            id=ids.new_id(at),
            account_id=account_id,
            processor=draft.processor,
            reference=draft.reference,
            brand=draft.brand,
            last4=draft.last4,
            label=draft.label,
            is_default=draft.is_default or not known,
            created_at=now,
        )
    )
    if made.is_default:
        await store.set_default(uow, organization_id=organization_id, account_id=account_id, method_id=None)
    try:
        await store.add(uow, organization_id=organization_id, method=made)
    except asyncpg.UniqueViolationError as error:
        raise types.PaymentMethodTaken("One reference is one account's. Remove it there first.") from error
    await _emit(uow, actor=actor, now=now, action=ADDED, method=made)
    return made


async def every(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID) -> tuple[PaymentMethod, ...]:
    """Return an account's payment methods, the default first, then the newest first. Raises ``AccountNotFound``."""
    await accounts.find(uow, organization_id=organization_id, account_id=account_id)
    return await store.every(uow, organization_id=organization_id, account_id=account_id)


async def make_default(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, account_id: UUID, method_id: UUID
) -> PaymentMethod:
    """Make a payment method the account's default. Raises ``AccountNotFound``, ``AccountDeleted``, ``PaymentMethodNotFound``."""
    accounts_core.refuse_deleted(await accounts.held(uow, organization_id=organization_id, account_id=account_id))
    found = await _found(uow, organization_id=organization_id, account_id=account_id, method_id=method_id)
    if found.is_default:
        return found
    await store.set_default(uow, organization_id=organization_id, account_id=account_id, method_id=method_id)
    made = replace(found, is_default=True)
    await _emit(uow, actor=actor, now=now, action=DEFAULT, method=made)
    return made


async def remove(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, account_id: UUID, method_id: UUID) -> None:
    """Forget a payment method. Where it was the default, none is until another is made so: nobody is charged by a guess.

    Raises ``AccountNotFound``, ``PaymentMethodNotFound``.
    """
    await accounts.held(uow, organization_id=organization_id, account_id=account_id)
    found = await _found(uow, organization_id=organization_id, account_id=account_id, method_id=method_id)
    await store.drop(uow, organization_id=organization_id, account_id=account_id, method_id=method_id)
    await _emit(uow, actor=actor, now=now, action=REMOVED, method=found)


async def _found(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID, method_id: UUID) -> PaymentMethod:
    for one in await store.every(uow, organization_id=organization_id, account_id=account_id):
        if one.id == method_id:
            return one
    raise types.PaymentMethodNotFound(f"The account has no payment method {method_id}.")


async def _emit(uow: db.UnitOfWork, *, actor: Actor, now: datetime, action: str, method: PaymentMethod) -> None:
    said = {"payment_method_id": str(method.id), "processor": method.processor, "is_default": method.is_default}
    before, after = (said, None) if action == REMOVED else (None, said)
    await outbox.emit(
        uow, actor=actor, now=now, action=action, target_type=_TARGET, target_id=method.account_id, before=before, after=after
    )
