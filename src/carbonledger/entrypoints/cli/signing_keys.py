"""What ``signing-key`` does."""

from __future__ import annotations

from datetime import UTC, datetime

from carbonledger import bootstrap
from carbonledger.domains.receipts.service import keys
from carbonledger.domains.receipts.types import keys as types
from carbonledger.entrypoints.cli import console, operating
from carbonledger.entrypoints.shared import signing
from carbonledger.infra import crypto, opening
from carbonledger_proof import keys as proof_keys


def show(*, json: bool) -> None:
    """Print every key."""

    async def work(operator: operating.Operator) -> list[types.SigningKey]:
        async with operator.database.transaction(read_only=True) as uow:
            return await keys.list_keys(uow)

    found = operating.run(work)
    if json:
        console.json({"keys": [{**proof_keys.to_json(key.key), "current": key.is_current} for key in found]})
    elif not found:
        console.say("There is no key yet; the first are made when something is signed.")
    else:
        console.table(("key", "signs", "from", "to before", "state"), [_row(key) for key in found])


def _row(key: types.SigningKey) -> tuple[str, ...]:
    revoked = key.key.revoked
    state = "current" if key.is_current else "past" if revoked is None else f"revoked {_day(revoked.revoked_at)} ({revoked.reason.value})"
    return (key.kid, key.key.purpose.value, _day(key.key.nbf), "" if key.key.exp is None else _day(key.key.exp), state)


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"


def rotate(purpose: str) -> None:
    """Let a new key follow."""
    configuration = operating.load()

    async def work(operator: operating.Operator) -> types.SigningKey:
        house_id = await operator.organization(operating.HOUSE)
        sealer = crypto.Sealer(opening.vault_keys(configuration))
        outside = bootstrap.outside_secrets(configuration)
        await signing.open_current(operator.database, at=operator.at, sealer=sealer, outside=outside, address=configuration.address)
        async with operator.database.transaction(house_id) as uow:
            return await keys.rotate(
                uow,
                actor=operator.acting_in(house_id),
                at=operator.at,
                sealer=sealer,
                outside=outside is not None,
                purpose=proof_keys.Purpose(purpose),
            )

    made = operating.run(work)
    console.say(f"Key {made.kid} signs {purpose} from now on. It is in the log, and at {configuration.address}/.well-known/jwks.json.")


def revoke(kid: str, *, reason: str, lost: bool) -> None:
    """End a key before its time."""
    configuration = operating.load()

    async def work(operator: operating.Operator) -> types.SigningKey:
        house_id = await operator.organization(operating.HOUSE)
        sealer = crypto.Sealer(opening.vault_keys(configuration))
        outside = bootstrap.outside_secrets(configuration)
        if not lost:
            await signing.open_current(operator.database, at=operator.at, sealer=sealer, outside=outside, address=configuration.address)
        async with operator.database.transaction(house_id) as uow:
            return await keys.revoke(
                uow,
                actor=operator.acting_in(house_id),
                at=operator.at,
                sealer=sealer,
                outside=outside is not None,
                kid=kid,
                reason=proof_keys.Reason(reason),
                is_lost=lost,
            )

    console.say(f"Key {kid} is revoked: {operating.run(work).key.window}.")
