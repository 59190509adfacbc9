"""What the tests of identity share: a fresh database opened as the service, a house, cheap password hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import argon2
import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import house
from carbonledger.infra import db, passwords
from tests import conftest

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = "cl_live_" + "A" * 32


@pytest.fixture
async def own_database(fresh_database: conftest.TestDatabase) -> AsyncIterator[db.Database]:
    """Return a migrated database of this test alone, as the service sees it: for what exists once in an installation."""
    opened = await db.connect(fresh_database.app, size=8, application="test")
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def the_house(own_database: db.Database) -> types.House:
    """Return a house with a first owner and the key ``KEY``."""
    async with own_database.transaction() as uow:
        return await house.ensure(uow, at=AT, email="ann@example.com", api_key=KEY)


@pytest.fixture
async def hasher() -> AsyncIterator[passwords.Passwords]:
    """Return the password hasher, with parameters that cost nothing."""
    async with passwords.opened(argon2.profiles.CHEAPEST) as opened:
        yield opened
