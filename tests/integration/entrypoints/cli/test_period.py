"""Months on the command line: listed, paid or not, and compared with a fresh computation, which ends with 1 where they differ."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from tests import installation
from tests.integration.domains.receipts import kit
from tests.integration.entrypoints.cli.conftest import Opened


async def test_months_are_listed_paid_and_checked(home: Path, opened: Opened, tmp_path: Path) -> None:
    organization = json.loads(installation.run(home, "org", "create", "Monthly", "--json").stdout)["id"]
    organization_id, now = UUID(organization), datetime.now(UTC)
    before = (now - timedelta(days=75)).replace(day=3)
    month = f"{before:%Y-%m}"
    nothing = installation.run(home, "period", "check", organization)
    assert (nothing.returncode, nothing.stdout) == (0, "No month is frozen yet, so there is nothing to compare.\n")
    async with opened() as services:
        await kit.accept(services.database, organization_id, kit.draft("a", at=before), now=now)
        async with services.database.transaction(organization_id) as uow:
            await uow.conn.execute("UPDATE organizations SET tier = 'growth' WHERE id = $1", organization_id)
        failed = installation.run(home, "period", "payment-failed", organization, month)
        assert (failed.returncode, failed.stdout) == (0, f"{month} is failed, its payment failed.\n")
        paid = installation.run(home, "period", "paid", organization, month)
        assert (paid.returncode, paid.stdout) == (0, f"{month} is closing, its payment paid.\n")
        again = installation.run(home, "period", "payment-failed", organization, month)
        assert again.returncode != 0, "it was paid"
        first = (await kit.every(services.database, organization_id, now=now))[month]
        files = kit.files(tmp_path, organization_id)
        await kit.close(services.database, organization_id, first.id, files, now=now + timedelta(days=3))
        await kit.accept(services.database, organization_id, kit.draft("late", at=before, uncached=5), now=now)
    listed = json.loads(installation.run(home, "period", "list", organization, "--json").stdout)["periods"]
    assert [one["state"] for one in listed if one["month"] == month] == ["closed"]
    right = installation.run(home, "period", "check", organization, "--json")
    assert right.returncode == 0, right.stdout
    (told,) = [one for one in json.loads(right.stdout)["periods"] if one["month"] == month]
    assert told["frozen"].startswith("1 events, 1500 tokens")
    assert told["pending"].startswith("1 events, 505 tokens")
    assert told["fresh"].startswith("2 events, 2005 tokens")


def test_a_month_is_written_as_a_month(home: Path) -> None:
    done = installation.run(home, "period", "paid", "house", "October")
    assert done.returncode != 0
    assert "write it as 2026-10" in done.stderr
