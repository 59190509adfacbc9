"""The keys that sign receipts and checkpoints: made at first need, replaced, revoked, and published for ever.

    made ──> current ──(another follows)──> retired, valid for minutes more ──> past
                 └──────────(revoked)──────────┴──> revoked; of a current one another follows first

Every change is a leaf of the log. A key that follows another is signed by both; one that none vouches for signs itself, and whoever audits
the log is told. All of it happens in the house's transaction. The private part of a key that was replaced is destroyed in the same one.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from carbonledger.domains.receipts.core import keys as core
from carbonledger.domains.receipts.core import log as log_core
from carbonledger.domains.receipts.service import log, signing
from carbonledger.domains.receipts.store import keys as store
from carbonledger.domains.receipts.store import log as log_store
from carbonledger.domains.receipts.types import keys as types
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto, db, outbox
from carbonledger.kernel.actor import Actor
from carbonledger_proof import keys, leaves, signature


async def ensure(
    uow: db.UnitOfWork, *, actor: Actor, at: datetime, house_id: UUID, sealer: crypto.Sealer, outside: bool, address: str
) -> tuple[types.SigningKey, ...]:
    """Make the keys that there are not, and give the log its name, from the address that people use; return the current keys.

    Of several that do so at once one makes them. ``outside`` moves private parts to the outside store.
    """
    spoken = await log.turn(uow, at=at)  # first the head: who comes second finds what the first has made
    if (await log_store.head(uow)).origin is None:
        await log_store.name(uow, origin=log_core.origin_of(address))
    for purpose in keys.Purpose:
        if await store.current(uow, purpose=purpose) is None:
            made, sign = await _make(
                uow, actor=actor, at=at, spoken=spoken, house_id=house_id, sealer=sealer, outside=outside, purpose=purpose
            )
            await log.append(uow, statement=leaves.publish_key(made.key, at=spoken, sign=sign), at=at)
    return await signing.present(uow)


async def rotate(
    uow: db.UnitOfWork, *, actor: Actor, at: datetime, sealer: crypto.Sealer, outside: bool, purpose: keys.Purpose
) -> types.SigningKey:
    """Let a new key follow the current one, vouched for by it. Raises ``SigningKeyClosed``, ``SigningKeyMissing``."""
    old = await signing.current(uow, purpose=purpose, at=at, lock=True)
    present = await _required(uow, kid=old.key.kid)
    spoken = await log.turn(uow, at=at)
    made, sign = await _follow(uow, present, actor=actor, at=at, spoken=spoken, sealer=sealer, outside=outside)
    exp = int(core.ends(spoken).timestamp())
    leaf = leaves.rotate_key(old.key, made.key, at=spoken, old_exp=exp, old_sign=old.sign, sign=sign)
    await log.append(uow, statement=leaf, at=at)
    return made


async def revoke(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    at: datetime,
    sealer: crypto.Sealer,
    outside: bool,
    kid: str,
    reason: keys.Reason,
    is_lost: bool = False,
) -> types.SigningKey:
    """End a key before its time, and let another follow first if it is the current one; return the key as it is then.

    ``is_lost``: its private part can't be opened, so nobody vouches for the one that follows. Raises ``SigningKeyNotFound``,
    ``SigningKeyRevoked``, ``SigningKeyClosed``.
    """
    found = await _required(uow, kid=kid)
    if found.key.revoked is not None:
        raise types.SigningKeyRevoked(f"Key {kid} was revoked before: {found.key.window}.")
    if found.is_current and not is_lost:
        await rotate(uow, actor=actor, at=at, sealer=sealer, outside=outside, purpose=found.key.purpose)
    spoken = await log.turn(uow, at=at)
    if found.is_current and is_lost:
        made, sign = await _follow(uow, found, actor=actor, at=at, spoken=spoken, sealer=sealer, outside=outside)
        await log.append(uow, statement=leaves.publish_key(made.key, at=spoken, sign=sign), at=at)
    await store.revoke(uow, kid=kid, at=spoken, reason=reason)
    revoked = keys.Revoked(revoked_at=int(spoken.timestamp()), reason=reason)
    await log.append(uow, statement=leaves.KeyRevoked(at=spoken, kid=kid, revoked=revoked), at=at)
    await _tell(uow, actor=actor, at=at, action="signing_key.revoked", key=found, reason=reason)
    return await _required(uow, kid=kid)


async def list_keys(uow: db.UnitOfWork) -> list[types.SigningKey]:
    """Return every key there ever was, the oldest first."""
    return await store.all_keys(uow)


async def published(uow: db.UnitOfWork) -> keys.KeySet:
    """Return the public keys with the time in which each may sign, as they are published."""
    return keys.KeySet(tuple(key.key for key in await store.all_keys(uow)))


async def _required(uow: db.UnitOfWork, *, kid: str) -> types.SigningKey:
    found = await store.get(uow, kid=kid, lock=True)
    if found is None:
        raise types.SigningKeyNotFound(f"There is no key {kid}; `carbonledger signing-key list` shows them.")
    return found


async def _make(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    at: datetime,
    spoken: datetime,
    house_id: UUID,
    sealer: crypto.Sealer,
    outside: bool,
    purpose: keys.Purpose,
) -> tuple[types.SigningKey, signature.Signer]:
    seed, public, sign = _drawn()
    secret_id = await vault.seal(
        uow,
        actor=actor,
        now=at,
        at=at,
        sealer=sealer,
        organization_id=house_id,
        purpose=vault_types.Purpose.SIGNING_KEY,
        secret=signing.to_secret(seed),
        outside=outside,
    )
    key = keys.Key(public=public, purpose=purpose, nbf=int(spoken.timestamp()))
    made = types.SigningKey(key=key, house_id=house_id, secret_id=secret_id, retired_at=None, created_at=at)
    await store.insert_key(uow, key=made)
    await _tell(uow, actor=actor, at=at, action="signing_key.made", key=made)
    uow.after_commit(lambda: signing.remember(uow.remembered, made, sign))
    return made, sign


def _drawn() -> tuple[bytes, signature.PublicKey, signature.Signer]:
    """Draw a key whose name does not begin with a hyphen: one in 64 does, and every command would take it for an option."""
    while True:
        seed = secrets.token_bytes(signature.KEY_BYTES)
        public, sign = signature.signer(seed)
        if not public.kid.startswith("-"):
            return seed, public, sign


async def _follow(
    uow: db.UnitOfWork,
    old: types.SigningKey,
    *,
    actor: Actor,
    at: datetime,
    spoken: datetime,
    sealer: crypto.Sealer,
    outside: bool,
) -> tuple[types.SigningKey, signature.Signer]:
    """Retire a key, destroy its private part, and make another for the same."""
    await store.retire(uow, kid=old.kid, at=at, not_after=core.ends(spoken))
    if old.secret_id is not None:
        await vault.destroy(uow, actor=actor, now=at, organization_id=old.house_id, secret_id=old.secret_id)
    await _tell(uow, actor=actor, at=at, action="signing_key.retired", key=old)
    return await _make(
        uow,
        actor=actor,
        at=at,
        spoken=spoken,
        house_id=old.house_id,
        sealer=sealer,
        outside=outside,
        purpose=old.key.purpose,
    )


async def _tell(
    uow: db.UnitOfWork, *, actor: Actor, at: datetime, action: str, key: types.SigningKey, reason: keys.Reason | None = None
) -> None:
    is_alert = reason is not None
    await outbox.emit(
        uow,
        actor=actor,
        now=at,
        action=action,
        target_type="signing_key",
        target_id=key.kid,
        after={"purpose": key.key.purpose.value, **({} if reason is None else {"reason": reason.value})},
        severity="critical" if is_alert else None,
        audience=(outbox.OPERATORS,) if is_alert else None,
    )
