"""The first start: one house, one owner, one key, whatever is started how often and by how many at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import api_keys, callers, house, links
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel.page import PageRequest
from tests.integration.domains.identity.conftest import AT, KEY


async def start(database: db.Database, *, api_key: str | None = KEY, password_hash: str | None = None) -> types.House:
    async with database.transaction() as uow:
        return await house.ensure(uow, at=AT, email="Ann@Example.com", api_key=api_key, password_hash=password_hash)


async def test_the_first_start_makes_the_house_and_every_later_one_finds_it(own_database: db.Database) -> None:
    first, second = await start(own_database), await start(own_database)
    assert (first.was_made, second.was_made) == (True, False)
    assert (second.organization_id, second.owner_id) == (first.organization_id, first.owner_id)
    async with own_database.transaction() as uow:
        assert await house.find(uow) == first.organization_id


async def test_first_starts_at_the_same_moment_make_one_house(own_database: db.Database) -> None:
    made = await asyncio.gather(*(start(own_database) for _ in range(5)))
    assert len({found.organization_id for found in made}) == 1
    assert len({found.owner_id for found in made}) == 1
    assert [found.was_made for found in made].count(True) == 1


async def test_the_bootstrap_key_holds_every_scope_of_the_house(own_database: db.Database, the_house: types.House) -> None:
    async with own_database.transaction() as uow:
        found = await callers.by_key(uow, key=KEY, at=AT)
    assert found.caller.actor.scopes == types.SCOPE_NAMES
    assert found.caller.is_house
    assert found.caller.organization_id == the_house.organization_id


async def test_a_bootstrap_key_that_was_revoked_stays_revoked_though_the_setting_still_names_it(
    own_database: db.Database, the_house: types.House
) -> None:
    actor = callers.operator_actor(the_house.organization_id)
    async with own_database.transaction(the_house.organization_id) as uow:
        (key,) = (await api_keys.page(uow, organization_id=the_house.organization_id, request=PageRequest())).data
        await api_keys.revoke(uow, actor=actor, now=AT, at=AT, organization_id=the_house.organization_id, key_id=key.id)
    await start(own_database)
    async with own_database.transaction() as uow:
        with pytest.raises(types.CredentialsMissing):
            await callers.by_key(uow, key=KEY, at=AT)


async def test_an_owner_without_password_gets_a_new_link_at_each_start_and_the_older_one_ends(own_database: db.Database) -> None:
    first, second = await start(own_database), await start(own_database)
    assert first.sign_in_token
    assert second.sign_in_token
    async with own_database.transaction() as uow:
        with pytest.raises(types.LinkUnusable):
            await links.follow(uow, at=AT, token=first.sign_in_token, purpose=types.LinkPurpose.SIGN_IN)
    async with own_database.transaction() as uow:
        found = await links.follow(uow, at=AT, token=second.sign_in_token, purpose=types.LinkPurpose.SIGN_IN)
    assert found == first.owner_id


async def test_an_owner_with_a_password_gets_no_link(own_database: db.Database) -> None:
    assert (await start(own_database, password_hash="$argon2id$x")).sign_in_token is None
    assert (await start(own_database)).sign_in_token is None


async def test_a_link_is_of_no_use_after_its_day(own_database: db.Database) -> None:
    token = (await start(own_database)).sign_in_token
    assert token
    async with own_database.transaction() as uow:
        with pytest.raises(types.LinkUnusable):
            await links.follow(uow, at=AT + timedelta(days=1), token=token, purpose=types.LinkPurpose.SIGN_IN)


async def test_an_address_that_is_none_is_refused_and_leaves_nothing(own_database: db.Database) -> None:
    with pytest.raises(errors.Invalid):
        async with own_database.transaction() as uow:
            await house.ensure(uow, at=AT, email="not an address")
    async with own_database.transaction() as uow:
        assert await house.find(uow) is None
