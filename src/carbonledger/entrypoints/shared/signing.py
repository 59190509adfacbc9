"""Opens the keys that sign in this process, before a transaction that signs. Each edge that signs something calls ``ready`` first.

The keys belong to the house, and what is signed mostly to another organization, so they can't be opened in the same transaction.
"""

from __future__ import annotations

from datetime import datetime

from carbonledger import bootstrap
from carbonledger.domains.identity.service import house
from carbonledger.domains.receipts.service import keys, signing
from carbonledger.domains.receipts.types import keys as types
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto, db
from carbonledger.kernel import actor, errors
from carbonledger_proof import keys as proof_keys


async def ready(services: bootstrap.Services, *, at: datetime) -> None:
    """Have the current keys open in this process; make those that there are not. ``at`` is the real time.

    Raises ``SigningKeyMissing`` without a house, ``SecretUnreadable`` or ``SigningKeyForeign`` for one that can't be opened.
    """
    await open_current(
        services.database,
        at=at,
        sealer=services.sealer,
        outside=services.outside_secrets,
        address=services.settings.address,
    )


async def open_current(
    database: db.Database, *, at: datetime, sealer: crypto.Sealer, outside: vault_types.SecretStore | None, address: str
) -> None:
    """The same, with what it takes given one by one."""
    async with database.transaction(read_only=True) as uow:
        present = await signing.present(uow)
    if len(present) < len(proof_keys.Purpose):
        present = await _made(database, at=at, sealer=sealer, is_outside=outside is not None, address=address)
    while closed := [key for key in present if signing.opened(database.remembered, key) is None]:
        try:
            await _open(database, closed[0], at=at, sealer=sealer, outside=outside)
        except errors.Fault:
            async with database.transaction(read_only=True) as uow:
                present = await signing.present(uow)
            if closed[0].kid in {key.kid for key in present}:
                raise
            # Another has followed it meanwhile, and its private part was destroyed: that one is to be opened instead.


async def _made(
    database: db.Database, *, at: datetime, sealer: crypto.Sealer, is_outside: bool, address: str
) -> tuple[types.SigningKey, ...]:
    async with database.transaction(read_only=True) as uow:
        house_id = await house.find(uow)
    if house_id is None:
        raise types.SigningKeyMissing("There is no house organization yet; `carbonledger migrate` makes it.")
    async with database.transaction(house_id) as uow:
        return await keys.ensure(
            uow, actor=actor.system(house_id), at=at, house_id=house_id, sealer=sealer, outside=is_outside, address=address
        )


async def _open(
    database: db.Database,
    key: types.SigningKey,
    *,
    at: datetime,
    sealer: crypto.Sealer,
    outside: vault_types.SecretStore | None,
) -> None:
    async with database.transaction(key.house_id) as uow:
        located = await signing.locate(uow, actor=actor.system(key.house_id), now=at, key=key)
    sign = await signing.open_key(located, key=key, sealer=sealer, outside=outside)
    signing.remember(database.remembered, key, sign)
