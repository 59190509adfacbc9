"""Operators' commands, as a script uses them: JSON out, exit codes, one sentence when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import callers
from carbonledger.infra import clock, queue
from carbonledger.infra.queue import registry
from tests import installation
from tests.integration.entrypoints.cli.conftest import KEY, Opened


def document(home: Path, *arguments: str) -> dict[str, Any]:
    """Run a command that must succeed and return its JSON."""
    done = installation.run(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_an_organization_is_made_and_listed(home: Path) -> None:
    made = document(home, "org", "create", "Ada & Söhne", "--external-id", "ada", "--tier", "growth", "--currency", "EUR")

    listed = document(home, "org", "list")["data"]

    assert [{**row, "first_key": None, "invitation": None} for row in listed if row["id"] == made["id"]] == [made]
    assert (made["name"], made["external_id"], made["tier"], made["currency"]) == ("Ada & Söhne", "ada", "growth", "EUR")
    assert [row["name"] for row in listed if row["is_house"]] == ["House"]


def test_a_sandbox_has_its_own_clock_and_its_keys_say_test(home: Path) -> None:
    made = document(home, "org", "create", "Sandbox", "--sandbox", "--clock-start", "2026-01-31", "--first-key", "first")
    key = document(home, "key", "create", "--label", "second", "--organization", made["id"])

    assert made["clock_at"] == "2026-01-31T00:00:00Z"
    assert made["first_key"]["secret"].startswith("cl_test_")
    assert key["secret"].startswith("cl_test_")


def test_an_organization_gets_its_first_owner_by_a_link(home: Path) -> None:
    made = document(home, "org", "create", "With an owner", "--owner", "grace@example.org")

    assert made["invitation"]["email"] == "grace@example.org"
    assert "/accept-invitation?token=" in made["invitation"]["link"]


def test_a_person_whom_no_email_reaches_gets_a_link_for_a_new_password(home: Path) -> None:
    known = installation.run(home, "org", "reset-link", "owner@localhost")
    unknown = installation.run(home, "org", "reset-link", "nobody@example.org")

    assert "/reset-password?token=" in known.stdout
    assert unknown.returncode == 4
    assert unknown.stdout == ""


async def test_a_key_works_until_it_is_revoked(home: Path, opened: Opened) -> None:
    key = document(home, "key", "create", "--label", "ci", "--scope", "llm_keys:read", "--scope", "events:read")
    async with opened() as services:
        async with services.database.transaction() as uow:
            found = await callers.by_key(uow, key=key["secret"], at=clock.now())
        assert found.caller.actor.scopes == {"llm_keys:read", "events:read"}

        assert installation.run(home, "key", "revoke", key["id"]).returncode == 0

        listed = document(home, "key", "list")["data"]
        assert [row["revoked_at"] is not None for row in listed if row["id"] == key["id"]] == [True]
        assert key["secret"] not in json.dumps(listed)
        async with services.database.transaction() as uow:
            with pytest.raises(types.CredentialsMissing, match="was revoked"):
                await callers.by_key(uow, key=key["secret"], at=clock.now())


def test_the_first_key_of_a_script_is_kept_once(home: Path) -> None:
    again = installation.run(home, "migrate", CARBONLEDGER_BOOTSTRAP_API_KEY=KEY)

    labels = [row["label"] for row in document(home, "key", "list")["data"]]

    assert again.returncode == 0
    assert labels.count("First key") == 1


def test_migrating_again_changes_nothing_and_says_so(home: Path) -> None:
    again = document(home, "migrate")

    assert again["schema"] == f"at revision {again['revision']}"


async def test_a_parked_job_is_listed_and_tried_again(home: Path, opened: Opened) -> None:
    async with opened() as services:
        made = document(home, "org", "create", "With a job")
        name = next(iter(registry.declared.handlers))
        async with services.database.transaction(made["id"]) as uow:
            job_id = await queue.enqueue(uow, name=name, args={}, now=clock.now())
            # What the worker's runner does to a job that failed for good.
            await uow.conn.execute("DELETE FROM pgqueuer WHERE dedupe_key = $1", str(job_id))
            await uow.conn.execute(
                "UPDATE jobs SET state = 'parked', finished_at = $2, error = 'no such model' WHERE id = $1", job_id, clock.now()
            )

        listed = document(home, "jobs", "list")["data"]
        assert [(row["organization_id"], row["error"]) for row in listed if row["id"] == str(job_id)] == [(made["id"], "no such model")]

        assert installation.run(home, "jobs", "unpark", str(job_id)).returncode == 0

        async with services.database.transaction(made["id"]) as uow:
            job = await queue.job(uow, job_id=job_id)
            action = await uow.conn.fetchval("SELECT action FROM events WHERE target_id = $1::text", str(job_id))
        assert job.state is queue.JobState.QUEUED
        assert action == "job.unparked"


@pytest.mark.parametrize(
    "arguments, code, sentence",
    [
        (("org", "set-tier", "house", "gold"), 3, "There is no plan 'gold'; choose one of free, starter"),
        (("org", "set-tier", str(uuid4()), "free"), 4, "no such organization"),
        (("org", "create", "X", "--clock-start", "2026-01-01"), 3, "Only a sandbox organization has a clock of its own."),
        (("org", "create", ""), 3, "error: name: Write at least one visible character."),
        (("key", "create", "--label", "x", "--scope", "world:rule"), 3, "There is no such scope"),
        (("key", "create", "--label", "x", "--organization", "nobody"), 3, "'nobody' is not the id of an organization"),
        (("key", "revoke", "x"), 3, "'x' is not the id of a key"),
        (("key", "revoke", str(uuid4())), 4, "key"),
        (("jobs", "unpark"), 3, "Name the jobs by id, or say --all."),
        (("jobs", "unpark", str(uuid4())), 4, "No job"),
        (("db", "restore", "/nonexistent/dump"), 4, "There is no file /nonexistent/dump."),
        (("fly",), 2, "No such command 'fly'."),
        (("up", "--port", "http"), 2, "Invalid value for '--port'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_with_an_exit_code(home: Path, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    done = installation.run(home, *arguments)

    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_where_nothing_is_installed_a_command_does_not_begin_to(tmp_path: Path) -> None:
    done = installation.run(tmp_path / "typo", "org", "list")

    assert done.returncode == 4
    assert f"There is no installation in {tmp_path / 'typo'}; start one with `carbonledger up`" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_traceback_is_for_those_who_ask_for_it(home: Path) -> None:
    quiet = installation.run(home, "key", "revoke", "x")
    debug = installation.run(home, "key", "revoke", "x", CARBONLEDGER_LOG_LEVEL="debug")

    assert "Traceback" not in quiet.stderr
    assert "Traceback" in debug.stderr
    assert debug.returncode == quiet.returncode == 3


def test_a_wrong_setting_is_named_without_its_value(home: Path) -> None:
    done = installation.run(home, "org", "list", CARBONLEDGER_BOOTSTRAP_API_KEY="cl_live_short-and-secret")

    assert done.returncode == 3
    assert "CARBONLEDGER_BOOTSTRAP_API_KEY" in done.stderr
    assert "short-and-secret" not in done.stderr


def test_production_refuses_what_suits_a_laptop(home: Path) -> None:
    done = installation.run(home, "up", CARBONLEDGER_ENVIRONMENT="production", CARBONLEDGER_ALLOW_PRIVATE_WEBHOOKS="1")

    assert done.returncode == 3
    assert "set CARBONLEDGER_PUBLIC_URL to the https address they use" in done.stderr
    assert "unset CARBONLEDGER_ALLOW_PRIVATE_WEBHOOKS" in done.stderr


def test_help_imports_nothing_that_is_slow() -> None:
    slow = ("pydantic", "asyncpg", "sqlalchemy", "fastapi", "uvicorn", "alembic", "structlog", "carbonledger.infra.settings")
    script = (
        "import sys\nfrom carbonledger.entrypoints.cli import main\n"
        "try: main.run(['--help'])\nexcept SystemExit as end: assert end.code == 0, end\n"
        f"print([name for name in {slow!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str) -> None:
    asked = {
        "_CARBONLEDGER_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "carbonledger do",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "carbonledger do",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }

    done = installation.run(Path("/nonexistent"), **asked)

    assert "doctor" in done.stdout
    assert "migrate" not in done.stdout
