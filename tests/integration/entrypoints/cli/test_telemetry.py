"""The ledger's sums on the command line: right ones are said to be right, wrong ones end with 1, and a rebuild mends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from tests import installation
from tests.integration.domains.telemetry import books
from tests.integration.entrypoints.cli.conftest import Opened

START = datetime(2026, 10, 22, tzinfo=UTC)


async def test_sums_are_checked_and_made_anew(home: Path, opened: Opened) -> None:
    made = installation.run(home, "org", "create", "Counted", "--json")
    organization = json.loads(made.stdout)["id"]
    command = ("telemetry", "check", "--organization", organization)
    async with opened() as services:
        await books.write(services.database, UUID(organization), seed=4, start=START, days=2, number=40)
        right = installation.run(home, *command)
        assert (right.returncode, right.stdout) == (0, "2 days compared, all the same.\n")
        async with services.database.transaction(UUID(organization)) as uow:
            await uow.conn.execute(
                "UPDATE telemetry_daily SET output = output + 1 WHERE organization_id = $1 AND day = $2 AND events > 0",
                UUID(organization),
                START.date(),
            )
    wrong = installation.run(home, *command, "--json")
    assert wrong.returncode == 1
    told = json.loads(wrong.stdout)
    assert {(one["rollup"], one["slot"]) for one in told["differences"]} == {("daily", "2026-10-22")}
    assert all(int(change["rollup"]) == int(change["events"]) + 1 for one in told["differences"] for change in one["sums"])
    assert installation.run(home, *command, "--from", "2026-10-23").returncode == 0, "the other day is right"
    rebuilt = installation.run(home, "telemetry", "rebuild", "--organization", organization)
    assert (rebuilt.returncode, rebuilt.stdout) == (0, "Days made anew: 2.\n")
    assert installation.run(home, *command).returncode == 0


def test_an_unknown_organization_is_said_to_be_unknown(home: Path) -> None:
    done = installation.run(home, "telemetry", "check", "--organization", "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")
    assert done.returncode == 4, done.stderr


async def test_the_ledgers_of_all_are_computed_anew_by_a_job_each(home: Path, opened: Opened) -> None:
    made = installation.run(home, "org", "create", "Another", "--json")
    listed = json.loads(installation.run(home, "org", "list", "--json").stdout)["data"]
    assert json.loads(made.stdout)["id"] in [one["id"] for one in listed]

    done = installation.run(home, "telemetry", "recompute", "--all")

    assert done.returncode == 0, done.stderr
    async with opened() as services:
        for one in listed:
            async with services.database.transaction(UUID(one["id"]), read_only=True) as uow:
                jobs = await uow.conn.fetch(
                    "SELECT id FROM jobs WHERE name = 'telemetry.recompute' AND organization_id = $1", UUID(one["id"])
                )
            assert [str(job["id"]) in done.stdout for job in jobs] == [True]


@pytest.mark.parametrize("words", [(), ("--all", "--organization", "house")])
def test_one_organization_or_all_has_to_be_said(home: Path, words: tuple[str, ...]) -> None:
    done = installation.run(home, "telemetry", "recompute", *words)
    assert (done.returncode, "one of the two" in done.stderr) == (3, True), done.stderr
