"""A log of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from carbonledger.infra import db
from tests import conftest
from tests.integration.domains.receipts import logs


@pytest.fixture
async def kit(fresh_database: conftest.TestDatabase) -> AsyncIterator[logs.Kit]:
    """Return the log of a fresh database, with a house and no key yet."""
    database = await db.connect(fresh_database.app, size=8, application="test")
    try:
        yield await logs.made(database)
    finally:
        await database.close()
