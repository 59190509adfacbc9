"""Signing keys on a real database: made once, sealed, replaced by one that both sign for, revoked, published for ever."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest

from carbonledger.domains.receipts.service import keys, log, signing
from carbonledger.domains.receipts.types import keys as types
from carbonledger.domains.vault import types as vault
from carbonledger.infra import clock, crypto, db
from carbonledger.kernel import actor
from carbonledger_proof import audit, canonical, errors, leaves, signature
from carbonledger_proof import keys as proof_keys
from tests import conftest
from tests.integration.domains.receipts import logs

LOG, RECEIPTS = proof_keys.Purpose.LOG, proof_keys.Purpose.RECEIPTS


async def rotate(kit: logs.Kit, purpose: proof_keys.Purpose) -> types.SigningKey:
    async with kit.database.transaction(kit.house_id) as uow:
        return await keys.rotate(uow, actor=actor.system(kit.house_id), at=clock.now(), sealer=kit.sealer, outside=False, purpose=purpose)


async def revoke(kit: logs.Kit, kid: str, *, is_lost: bool = False) -> types.SigningKey:
    async with kit.database.transaction(kit.house_id) as uow:
        return await keys.revoke(
            uow,
            actor=actor.system(kit.house_id),
            at=clock.now(),
            sealer=kit.sealer,
            outside=False,
            kid=kid,
            reason=proof_keys.Reason.COMPROMISED,
            is_lost=is_lost,
        )


async def current(kit: logs.Kit, purpose: proof_keys.Purpose) -> types.Signing:
    async with kit.database.transaction(kit.house_id) as uow:
        return await signing.current(uow, purpose=purpose, at=clock.now())


async def published(kit: logs.Kit) -> proof_keys.KeySet:
    async with kit.database.transaction(read_only=True) as uow:
        return await keys.published(uow)


async def findings(kit: logs.Kit) -> list[audit.Finding]:
    async with kit.database.transaction(read_only=True) as uow:
        latest = await log.latest(uow)
    return audit.audit(await kit.contents(), [latest.note], origin=logs.ORIGIN)


async def secrets(kit: logs.Kit) -> list[str]:
    async with kit.database.transaction(kit.house_id) as uow:
        return [row["sealed"] for row in await uow.conn.fetch("SELECT sealed FROM secrets WHERE purpose = 'signing_key'")]


async def test_of_many_that_need_the_keys_at_once_one_makes_them(kit: logs.Kit) -> None:
    await asyncio.gather(*(kit.ready() for _ in range(6)))
    found = [leaves.parse(content) for content in await kit.contents()]
    assert [(type(leaf), leaf.key.purpose) for leaf in found if isinstance(leaf, leaves.KeyPublished)] == [
        (leaves.KeyPublished, RECEIPTS),
        (leaves.KeyPublished, LOG),
    ]
    assert len(found) == 2
    assert {key.kid for key in await published(kit)} == {leaf.key.kid for leaf in found if isinstance(leaf, leaves.KeyPublished)}


async def test_a_private_part_is_nowhere_in_clear_and_opens_only_by_the_vaults_key(kit: logs.Kit) -> None:
    await kit.ready()
    signer = await current(kit, RECEIPTS)
    signer.key.public.verify(signer.sign(b"anything"), b"anything")
    sealed = await secrets(kit)
    assert len(sealed) == 2
    assert all(text.startswith(f"cl1.{kit.sealer.fingerprints()[0]}.") for text in sealed)
    stranger = replace(kit, sealer=crypto.Sealer(crypto.parse_keys(crypto.generate_key())))
    kit.database.remembered.clear()
    with pytest.raises(Exception, match="It needs the key"):
        await stranger.ready()


async def test_a_process_that_did_not_make_a_key_opens_it_before_it_signs(kit: logs.Kit, fresh_database: conftest.TestDatabase) -> None:
    await kit.ready()
    other = await db.connect(fresh_database.app, size=2, application="test")
    try:
        second = replace(kit, database=other)
        with pytest.raises(types.SigningKeyClosed):
            await current(second, LOG)
        await second.ready()
        assert (await current(second, LOG)).key == (await current(kit, LOG)).key
        async with other.transaction(kit.house_id) as uow:
            opened = await uow.conn.fetchval("SELECT count(*) FROM events WHERE action = 'secret.opened'")
        assert opened == 2, "each opening is in the trail"
    finally:
        await other.close()


@pytest.mark.parametrize("purpose", [LOG, RECEIPTS])
async def test_a_key_that_is_replaced_while_a_process_opens_it_is_left_for_the_one_that_follows(
    kit: logs.Kit, fresh_database: conftest.TestDatabase, monkeypatch: pytest.MonkeyPatch, purpose: proof_keys.Purpose
) -> None:
    await kit.ready()
    locate, followed = signing.locate, list[types.SigningKey]()

    async def overtaken(uow: db.UnitOfWork, **given: Any) -> vault.Located:
        if given["key"].key.purpose is purpose and not followed:
            followed.append(await rotate(kit, purpose))
        return await locate(uow, **given)

    monkeypatch.setattr(signing, "locate", overtaken)
    other = await db.connect(fresh_database.app, size=2, application="another process")
    try:
        await replace(kit, database=other).ready()
        assert [(await current(replace(kit, database=other), purpose)).key.kid] == [key.kid for key in followed]
    finally:
        await other.close()


async def test_no_key_has_a_name_that_a_command_takes_for_an_option(kit: logs.Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = (number.to_bytes(signature.KEY_BYTES) for number in itertools.count())
    named = {seed: signature.signer(seed)[0].kid for seed in itertools.islice(seeds, 1_000)}
    hyphen = [seed for seed, kid in named.items() if kid.startswith("-")]
    drawn = itertools.chain(hyphen[:3], (seed for seed in named if seed not in hyphen))
    monkeypatch.setattr("secrets.token_bytes", lambda _: next(drawn))
    await kit.ready()
    assert len(hyphen) >= 3
    assert not [key.kid for key in await published(kit) if key.kid.startswith("-")]


async def test_without_a_key_nothing_is_signed(kit: logs.Kit) -> None:
    with pytest.raises(types.SigningKeyMissing):
        await current(kit, LOG)


@pytest.mark.parametrize("purpose", [LOG, RECEIPTS])
async def test_a_rotation_is_signed_by_the_old_key_and_by_the_new(kit: logs.Kit, purpose: proof_keys.Purpose) -> None:
    await kit.ready()
    old = (await current(kit, purpose)).key
    new = await rotate(kit, purpose)
    leaf = leaves.parse((await kit.contents())[-1])
    assert isinstance(leaf, leaves.KeyRotated)
    assert (leaf.old_kid, leaf.key.kid) == (old.kid, new.kid)
    part = canonical.write(leaves.signed_part(leaf))
    signature.verify(signature.LOG_KEY, part, leaf.old_signature, old.public)
    signature.verify(signature.LOG_KEY, part, leaf.signature, new.key.public)
    with pytest.raises(errors.SignatureInvalid):
        signature.verify(signature.LOG_KEY, part, leaf.signature, old.public)
    await kit.sign()
    assert await findings(kit) == []


async def test_the_old_key_stays_published_with_its_end_and_can_sign_no_more(kit: logs.Kit) -> None:
    await kit.ready()
    old = (await current(kit, LOG)).key
    await kit.sign()
    new = await rotate(kit, LOG)
    known = await published(kit)
    assert {key.kid for key in known.of(LOG)} == {old.kid, new.kid}
    ended = known.get(old.kid, LOG)
    assert ended.exp is not None
    assert ended.exp == new.key.nbf + 300, "five minutes for clocks that differ"
    assert proof_keys.from_json(known.to_json()) == known
    assert len(await secrets(kit)) == 2, "the private part of the old one is destroyed"
    signed = await kit.sign()
    assert signed is not None
    assert signed.kid == new.kid
    logs.verified(signed, known)


async def test_what_is_being_signed_ends_before_another_key_follows(kit: logs.Kit) -> None:
    await kit.ready()
    async with kit.database.transaction(kit.house_id) as uow:
        signer = await signing.current(uow, purpose=RECEIPTS, at=clock.now())
        rotating = asyncio.create_task(rotate(kit, RECEIPTS))
        while not await conftest.waits_for_a_lock(kit.database):
            assert not rotating.done()
        entry = await log.append(uow, statement=logs.lot(1, at=await log.turn(uow, at=clock.now())), at=clock.now())
    new = await rotating
    assert new.kid != signer.key.kid
    assert isinstance(leaves.parse((await kit.contents())[entry.index + 1]), leaves.KeyRotated)


async def test_a_revoked_key_is_followed_first_and_says_when_and_why(kit: logs.Kit) -> None:
    await kit.ready()
    old = (await current(kit, RECEIPTS)).key
    revoked = await revoke(kit, old.kid)
    assert revoked.key.is_compromised
    last = [leaves.parse(content) for content in (await kit.contents())[-2:]]
    assert [type(leaf) for leaf in last] == [leaves.KeyRotated, leaves.KeyRevoked]
    assert (await current(kit, RECEIPTS)).key.kid != old.kid
    assert (await published(kit)).get(old.kid, RECEIPTS).revoked == revoked.key.revoked
    await kit.sign()
    assert await findings(kit) == []
    with pytest.raises(types.SigningKeyRevoked):
        await revoke(kit, old.kid)
    async with kit.database.transaction(kit.house_id) as uow:
        severity = await uow.conn.fetchval("SELECT severity FROM events WHERE action = 'signing_key.revoked'")
    assert severity == "critical"


async def test_for_a_key_that_was_lost_nobody_vouches_and_auditors_are_told(kit: logs.Kit) -> None:
    await kit.ready()
    old = (await current(kit, RECEIPTS)).key
    kit.database.remembered.clear()
    with pytest.raises(types.SigningKeyClosed):
        await revoke(kit, old.kid)
    await revoke(kit, old.kid, is_lost=True)
    await kit.ready()
    assert (await current(kit, RECEIPTS)).key.kid != old.kid
    await kit.sign()
    assert [finding.problem for finding in await findings(kit)] == [audit.Problem.KEY_UNVOUCHED]


async def test_a_key_that_there_is_not_can_not_be_revoked(kit: logs.Kit) -> None:
    with pytest.raises(types.SigningKeyNotFound):
        await revoke(kit, "x" * 43)
