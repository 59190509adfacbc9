"""The installation of identity's tests serves here too."""

from __future__ import annotations

from tests.integration.entrypoints.rest.identity.conftest import install, ledger

__all__ = ["install", "ledger"]
