"""What every integration test needs besides a database: the declared handlers and subscribers, as each process loads them at its start."""

from __future__ import annotations

import pytest

from carbonledger.entrypoints.worker import registry


@pytest.fixture(scope="session", autouse=True)
def declarations() -> None:
    """Load what events and jobs lead to; without it the outbox refuses to write."""
    registry.load()
