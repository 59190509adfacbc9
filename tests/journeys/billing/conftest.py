"""An installation with its API and jobs in this process."""

from __future__ import annotations

import pytest

from carbonledger.entrypoints.worker import registry
from tests.integration.entrypoints.rest.identity.conftest import install, ledger

__all__ = ["install", "ledger"]


@pytest.fixture(autouse=True, scope="session")
def declared() -> None:
    """Load the declarations of jobs and subscribers, as every entry point does when it starts."""
    registry.load()
