"""The queue's schema in migration 0002 is what the locked pgqueuer installs."""

from __future__ import annotations

import runpy

from pgqueuer.adapters.persistence import schema_ddl

from carbonledger.infra.queue import pgq
from tests import conftest


def test_the_frozen_sql_is_what_the_locked_version_would_install() -> None:
    """When this fails after an update of pgqueuer: a new migration brings what ``pgq upgrade --dry-run`` says; the old one stays."""
    migration = runpy.run_path(str(conftest.ROOT / "migrations/versions/0002_activity.py"))
    header, _, sql = schema_ddl.render_install(pgq.SETTINGS).partition("\n\n")
    assert header.startswith("-- pgqueuer ")
    assert migration["PGQUEUER"].strip() == sql
