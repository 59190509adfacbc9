"""The process's one listening connection: messages of any channel arrive, a loss is told, and listening goes on after it."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from carbonledger.infra import notify
from tests import conftest, until


async def send(dsn: str, channel: str, payload: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("SELECT pg_notify($1, $2)", channel, payload)
    finally:
        await conn.close()


async def cut(database: conftest.TestDatabase, application: str) -> None:
    """End the listening connection as a failing server or a firewall does."""
    conn = await asyncpg.connect(database.superuser)
    try:
        await conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", f"{application} listen")
    finally:
        await conn.close()


async def test_each_listener_hears_its_own_channel(worker_database: conftest.TestDatabase) -> None:
    first: list[str] = []
    second: list[str] = []
    async with notify.listening(worker_database.app, application="test-hears") as notifications:
        notifications.subscribe("channel_a", first.append, on_lost=lambda: None)
        notifications.subscribe("channel_b", second.append, on_lost=lambda: None)
        await until.holds(lambda: notifications.hears("channel_b"))
        await send(worker_database.app, "channel_a", "one")
        await send(worker_database.app, "channel_b", "two")
        await until.holds(lambda: bool(first and second))
    assert (first, second) == (["one"], ["two"])


async def test_a_channel_added_while_listening_is_heard(worker_database: conftest.TestDatabase) -> None:
    heard: list[str] = []
    async with notify.listening(worker_database.app, application="test-added") as notifications:
        notifications.subscribe("channel_c", lambda _: None, on_lost=lambda: None)
        await until.holds(lambda: notifications.hears("channel_c"))
        notifications.subscribe("channel_d", heard.append, on_lost=lambda: None)
        await until.holds(lambda: notifications.hears("channel_d"))
        await send(worker_database.app, "channel_d", "late")
        await until.holds(lambda: bool(heard))
    assert heard == ["late"]


async def test_a_lost_connection_is_told_and_made_again(worker_database: conftest.TestDatabase) -> None:
    lost: list[None] = []
    heard: list[str] = []
    async with notify.listening(worker_database.app, application="test-lost") as notifications:
        notifications.subscribe("channel_e", heard.append, on_lost=lambda: lost.append(None))
        await until.holds(lambda: notifications.hears("channel_e"))
        await cut(worker_database, "test-lost")
        await until.holds(lambda: bool(lost))
        await until.holds(lambda: notifications.hears("channel_e"))
        await send(worker_database.app, "channel_e", "again")
        await until.holds(lambda: bool(heard))
    assert heard == ["again"]


async def test_a_listener_that_fails_does_not_keep_the_others_from_hearing(worker_database: conftest.TestDatabase) -> None:
    heard: list[str] = []

    def fail(_: str) -> None:
        raise RuntimeError("of the test")

    async with notify.listening(worker_database.app, application="test-fails") as notifications:
        notifications.subscribe("channel_f", fail, on_lost=lambda: None)
        notifications.subscribe("channel_f", heard.append, on_lost=lambda: None)
        await until.holds(lambda: notifications.hears("channel_f"))
        await send(worker_database.app, "channel_f", "one")
        await until.holds(lambda: bool(heard))
    assert heard == ["one"]


async def test_a_listener_that_left_hears_nothing_more(worker_database: conftest.TestDatabase) -> None:
    left: list[str] = []
    stayed: list[str] = []
    async with notify.listening(worker_database.app, application="test-left") as notifications:
        leave = notifications.subscribe("channel_g", left.append, on_lost=lambda: None)
        notifications.subscribe("channel_g", stayed.append, on_lost=lambda: None)
        await until.holds(lambda: notifications.hears("channel_g"))
        leave()
        await send(worker_database.app, "channel_g", "one")
        await until.holds(lambda: stayed == ["one"])
    assert left == []


async def test_a_database_that_is_away_is_waited_for() -> None:
    async with notify.listening("postgresql://nobody@127.0.0.1:1/none", application="test-away") as notifications:
        notifications.subscribe("channel_h", lambda _: None, on_lost=lambda: None)
        assert not notifications.hears("channel_h")


async def test_what_nobody_expected_is_a_loss_too_and_not_the_end(
    worker_database: conftest.TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, refused = asyncpg.connect, list[str]()

    async def unlucky(dsn: str, **options: Any) -> object:
        if not refused:
            refused.append(dsn)
            raise RuntimeError("the transport is closed")
        return await connect(dsn, **options)

    monkeypatch.setattr(asyncpg, "connect", unlucky)
    lost: list[str] = []
    async with notify.listening(worker_database.app, application="test-unexpected") as notifications:
        notifications.subscribe("channel_a", lambda _: None, on_lost=lambda: lost.append("lost"))
        await until.holds(lambda: notifications.hears("channel_a"))
    assert (len(refused), lost) == (1, ["lost"])


async def test_a_name_that_could_carry_sql_is_no_channel(worker_database: conftest.TestDatabase) -> None:
    async with notify.listening(worker_database.app, application="test-name") as notifications:
        with pytest.raises(ValueError, match="channel"):
            notifications.subscribe('a"; DROP TABLE users; --', lambda _: None, on_lost=lambda: None)
