"""Keys that are open in this process, and signing with the current one.

A private part is a secret of the house in the vault, sealed or in the outside store. It is opened once for each process, in a transaction
of the house, before one that signs; from then on it is remembered with the database. Which key is current is asked in each transaction
that signs, and stays so until that ends.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, Final

from carbonledger.domains.receipts.store import keys as store
from carbonledger.domains.receipts.types import keys as types
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto, db
from carbonledger.kernel.actor import Actor
from carbonledger_proof import keys, signature

_REMEMBERED: Final = "receipts.signers"


async def current(uow: db.UnitOfWork, *, purpose: keys.Purpose, at: datetime, lock: bool = False) -> types.Signing:
    """Return the key that signs this until the transaction ends; ``at`` is the real time. Take it before the head of the log.

    ``lock``: this transaction lets another follow. Raises ``SigningKeyMissing`` before the first was made, ``SigningKeyClosed`` where it
    was not opened in this process (it was replaced a moment ago, perhaps).
    """
    found = await store.current(uow, purpose=purpose, share=not lock, lock=lock)
    if found is None:
        raise types.SigningKeyMissing(f"There is no key for {purpose.value} yet.")
    sign = opened(uow.remembered, found)
    if sign is None:
        raise types.SigningKeyClosed(f"Key {found.kid} is not open in this process.")
    if not found.key.is_valid(int(at.timestamp())):
        raise types.SigningKeyClosed(f"Key {found.kid} may sign {found.key.window}, and the clock here says {at}.")
    return types.Signing(found.key, sign)


def opened(remembered: dict[str, Any], key: types.SigningKey) -> signature.Signer | None:
    """Return what signs with a key, if it is open in this process."""
    sign: signature.Signer | None = remembered.get(_REMEMBERED, {}).get(key.kid)
    return sign


def remember(remembered: dict[str, Any], key: types.SigningKey, sign: signature.Signer) -> None:
    """Keep a key open for this process: after the commit that made it, or outside of a transaction."""
    remembered.setdefault(_REMEMBERED, {})[key.kid] = sign


async def present(uow: db.UnitOfWork) -> tuple[types.SigningKey, ...]:
    """Return the current keys, one for each purpose that has one."""
    found = [await store.current(uow, purpose=purpose) for purpose in keys.Purpose]
    return tuple(key for key in found if key is not None)


async def locate(uow: db.UnitOfWork, *, actor: Actor, now: datetime, key: types.SigningKey) -> vault_types.Located:
    """Return where a key's private part is, and write down that it is opened; in the house's transaction. Raises ``SigningKeyClosed``."""
    if key.secret_id is None:
        raise types.SigningKeyClosed(f"The private part of key {key.kid} was destroyed when another followed.")
    return await vault.find(uow, actor=actor, now=now, organization_id=key.house_id, secret_id=key.secret_id, reason="sign")


async def open_key(
    located: vault_types.Located, *, key: types.SigningKey, sealer: crypto.Sealer, outside: vault_types.SecretStore | None
) -> signature.Signer:
    """Open what ``locate`` returned, outside of a transaction. Raises ``SecretUnreadable``, ``SigningKeyForeign``."""
    secret = await vault.reveal(located, sealer=sealer, outside=outside)
    public, sign = signature.signer(base64.urlsafe_b64decode(secret.reveal()))
    if public != key.key.public:
        raise types.SigningKeyForeign(f"The secret of key {key.kid} is that of {public.kid}.")
    return sign


def to_secret(seed: bytes) -> crypto.SecretText:
    """Return a private key (the 32 bytes of RFC 8032) as the vault keeps it."""
    return crypto.SecretText(base64.urlsafe_b64encode(seed).decode())
