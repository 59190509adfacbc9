"""What runs out: sessions, links, invitations, counts; and that it is deleted afterwards, and nothing else is."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import attempts, callers, clerk, invitations, links, sessions, upkeep, users
from carbonledger.infra import db
from carbonledger.kernel.actor import Role
from tests import conftest
from tests.integration.domains.identity.conftest import AT

US = timedelta(microseconds=1)
DAY = timedelta(days=1)


async def open_session(database: db.Database, user_id: UUID, *, at: datetime = AT) -> types.NewSession:
    async with database.transaction() as uow:
        return await sessions.open_for(uow, at=at, user_id=user_id, user_agent=None, address="203.0.113.7", request_id=None)


async def is_alive(database: db.Database, token: str, *, at: datetime) -> bool:
    async with database.transaction() as uow:
        try:
            await callers.by_session(uow, token=token, at=at)
        except types.CredentialsMissing:
            return False
    return True


async def rows(database: conftest.TestDatabase, table: str) -> int:
    conn = await asyncpg.connect(database.superuser)
    try:
        count: int = await conn.fetchval(f"SELECT count(*) FROM {table}")
        return count
    finally:
        await conn.close()


async def test_a_session_ends_after_twelve_idle_hours_and_after_a_week(own_database: db.Database, the_house: types.House) -> None:
    assert the_house.owner_id is not None
    made = await open_session(own_database, the_house.owner_id)
    half_a_day = timedelta(hours=12)
    assert await is_alive(own_database, made.token, at=AT + half_a_day - US)
    assert not await is_alive(own_database, made.token, at=AT + half_a_day)
    at = AT
    while at < AT + 7 * DAY - US:
        at = min(at + half_a_day - US, AT + 7 * DAY - US)
        assert await is_alive(own_database, made.token, at=at)
        async with own_database.transaction() as uow:
            await callers.touch(uow, key_ids=(), session_ids=(made.session.id,), at=at)
    assert not await is_alive(own_database, made.token, at=AT + 7 * DAY)


async def test_a_use_that_is_written_late_does_not_turn_the_clock_back(own_database: db.Database, the_house: types.House) -> None:
    assert the_house.owner_id is not None
    made = await open_session(own_database, the_house.owner_id)
    async with own_database.transaction() as uow:
        for minutes in (10, 5):
            await callers.touch(uow, key_ids=(), session_ids=(made.session.id,), at=AT + timedelta(minutes=minutes))
        found = await sessions.some(uow, at=AT, user_id=the_house.owner_id)
    assert found[0].seen_at == AT + timedelta(minutes=10)


async def test_sessions_that_are_over_are_not_listed(own_database: db.Database, the_house: types.House) -> None:
    assert the_house.owner_id is not None
    old = await open_session(own_database, the_house.owner_id)
    new = await open_session(own_database, the_house.owner_id, at=AT + timedelta(hours=6))
    async with own_database.transaction() as uow:
        found = await sessions.some(uow, at=AT + timedelta(hours=12), user_id=the_house.owner_id)
    assert [session.id for session in found] == [new.session.id] != [old.session.id]


@pytest.mark.parametrize(
    "purpose, lasts",
    [
        (types.LinkPurpose.RESET_PASSWORD, timedelta(hours=1)),
        (types.LinkPurpose.SIGN_IN, DAY),
        (types.LinkPurpose.VERIFY_EMAIL, 3 * DAY),
    ],
)
async def test_a_link_is_good_until_it_runs_out_and_for_its_purpose_only(
    own_database: db.Database, the_house: types.House, purpose: types.LinkPurpose, lasts: timedelta
) -> None:
    assert the_house.owner_id is not None
    async with own_database.transaction() as uow:
        token = await links.make(uow, at=AT, user_id=the_house.owner_id, purpose=purpose)
    for wrong, at in [(purpose, AT + lasts)] + [(other, AT) for other in types.LinkPurpose if other is not purpose]:
        async with own_database.transaction() as uow:
            with pytest.raises(types.LinkUnusable):
                await links.address(uow, at=at, token=token, purpose=wrong)
            with pytest.raises(types.LinkUnusable):
                await links.follow(uow, at=at, token=token, purpose=wrong)
    async with own_database.transaction() as uow:
        assert await links.address(uow, at=AT, token=token, purpose=purpose) == "ann@example.com"
        assert await links.follow(uow, at=AT + lasts - US, token=token, purpose=purpose) == the_house.owner_id


async def test_an_invitation_that_ran_out_is_of_no_use_and_gives_way_to_a_new_one(
    own_database: db.Database, the_house: types.House
) -> None:
    house_id = the_house.organization_id
    actor = callers.operator_actor(house_id)

    async def invite(at: datetime) -> types.NewInvitation:
        async with own_database.transaction(house_id) as uow:
            return await invitations.invite(
                uow, actor=actor, now=at, at=at, organization_id=house_id, email="ben@example.com", role=Role.VIEWER, by_mail=False
            )

    first = await invite(AT)
    assert first.token
    async with own_database.transaction() as uow:
        assert (await invitations.offer(uow, at=AT + 7 * DAY - US, token=first.token)).role is Role.VIEWER
        with pytest.raises(types.LinkUnusable):
            await invitations.offer(uow, at=AT + 7 * DAY, token=first.token)
    with pytest.raises(types.InvitationPending):
        await invite(AT + 7 * DAY - US)
    second = await invite(AT + 7 * DAY)
    async with own_database.transaction(house_id) as uow:
        old = await invitations.find(uow, organization_id=house_id, invitation_id=first.invitation.id)
        assert (old.state, old.email) == (types.InvitationState.REVOKED, None)
        assert second.token
        assert (await invitations.offer(uow, at=AT + 8 * DAY, token=second.token)).id == second.invitation.id


async def test_what_ran_out_is_deleted_a_day_later_and_nothing_else(
    own_database: db.Database, fresh_database: conftest.TestDatabase, the_house: types.House
) -> None:
    assert the_house.owner_id is not None
    await open_session(own_database, the_house.owner_id)
    kept = await open_session(own_database, the_house.owner_id, at=AT + 7 * DAY)
    async with own_database.transaction() as uow:
        await links.make(uow, at=AT, user_id=the_house.owner_id, purpose=types.LinkPurpose.RESET_PASSWORD)
        await attempts.begin(uow, at=AT, email="ann@example.com", address="203.0.113.7")
        await clerk.take(uow, at=AT, message_id="msg_1")
    for at in (AT + 8 * DAY, AT + 8 * DAY + US):
        async with own_database.transaction() as uow:
            while await upkeep.purge_people(uow, at=at):
                pass
            await upkeep.purge_tallies(uow, at=at)
        sessions_left = await rows(fresh_database, "sessions")
        assert sessions_left == (2 if at == AT + 8 * DAY else 1)  # a day after the week, and not a moment before
    assert await is_alive(own_database, kept.token, at=AT + 7 * DAY + timedelta(hours=1))
    assert await rows(fresh_database, "one_use_tokens") == 0
    assert await rows(fresh_database, "attempt_tallies") == 0
    assert await rows(fresh_database, "clerk_messages") == 1
    async with own_database.transaction() as uow:
        await upkeep.purge_tallies(uow, at=AT + 30 * DAY + US)
    assert await rows(fresh_database, "clerk_messages") == 0
    assert await rows(fresh_database, "users") == 1


async def test_a_reset_link_of_the_operator_is_for_a_known_address(own_database: db.Database, the_house: types.House) -> None:
    async with own_database.transaction() as uow:
        assert await users.reset_link(uow, at=AT, email=" Ann@Example.com")
        for strange in ("nobody@example.com", "no address"):
            with pytest.raises(types.UserUnknown):
                await users.reset_link(uow, at=AT, email=strange)
