"""doctor: well where all is well, and for each thing that isn't, what it is and what to do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from carbonledger.domains.identity.service import callers, house
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import clock, crypto, db
from tests import installation
from tests.integration.entrypoints.cli.conftest import Opened


def findings(home: Path, **extra: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Run doctor and return its exit code and the worst finding of each part."""
    done = installation.run(home, "doctor", "--json", **extra)
    worst: dict[str, dict[str, str]] = {}
    for check in json.loads(done.stdout)["checks"]:
        order = ("ok", "warning", "failed").index
        if check["name"] not in worst or order(check["status"]) > order(worst[check["name"]]["status"]):
            worst[check["name"]] = check
    return done.returncode, worst


def test_a_new_installation_is_well_but_for_the_backup_of_its_keys(home: Path, tmp_path: Path) -> None:
    code, found = findings(home)

    assert code == 0
    assert {name: check["status"] for name, check in found.items() if check["status"] != "ok"} == {"keys": "warning"}
    assert "never backed up" in found["keys"]["detail"]
    assert "carbonledger vault export" in found["keys"]["remedy"]
    assert "factor set 1.0 (9a5eb3e79bc9)" in found["factors"]["detail"]

    assert installation.run(home, "vault", "export", str(tmp_path / "keys")).returncode == 0

    assert findings(home)[1]["keys"]["status"] == "ok"
    assert (tmp_path / "keys").read_bytes() == (home / "secrets/vault.keys").read_bytes()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_a_key_file_that_others_may_read_is_a_failure(home: Path) -> None:
    path = home / "secrets/vault.keys"
    path.chmod(0o644)
    try:
        code, found = findings(home)
    finally:
        path.chmod(0o600)

    assert code == 1
    assert found["keys"]["status"] == "failed"
    assert f"chmod 600 {path}" in found["keys"]["detail"]


async def test_a_missing_key_is_a_failure_that_names_it(home: Path, opened: Opened) -> None:
    async with opened() as services:
        await seal(services.sealer, await house_id(services.database), services.database)
        used = services.sealer.fingerprints()[0]
    path = home / "secrets/vault.keys"
    kept = path.read_bytes()
    try:
        path.unlink()
        without = findings(home)
        crypto.open_or_create(path)
        with_another = findings(home)
    finally:
        path.write_bytes(kept)

    assert without[0] == with_another[0] == 1
    assert "does not exist" in without[1]["keys"]["detail"]
    assert f"1 with {used}" in with_another[1]["keys"]["detail"]
    assert findings(home)[0] == 0


async def house_id(database: db.Database) -> UUID:
    async with database.transaction() as uow:
        found = await house.find(uow)
    assert found is not None
    return found


async def seal(sealer: crypto.Sealer, organization_id: UUID, database: db.Database) -> None:
    async with database.transaction(organization_id) as uow:
        await vault.seal(
            uow,
            actor=callers.operator_actor(organization_id),
            now=clock.now(),
            at=clock.now(),
            sealer=sealer,
            organization_id=organization_id,
            purpose=next(iter(vault_types.Purpose)),
            secret=crypto.SecretText("sk-of-the-test"),
            outside=False,
        )


def test_where_nothing_is_installed_it_says_so_and_makes_nothing(tmp_path: Path) -> None:
    code, found = findings(tmp_path / "nothing")

    assert code == 1
    assert "There is no installation in" in found["database"]["detail"]
    assert list(tmp_path.iterdir()) == []


def test_unknown_variables_and_laptop_defaults_are_named(home: Path) -> None:
    code, found = findings(home, CARBONLEDGER_WORKER_CONCURENCY="3")
    in_production, unsafe = findings(home, CARBONLEDGER_ENVIRONMENT="production")

    assert code == 0
    assert found["settings"]["remedy"] == "Write CARBONLEDGER_WORKER_CONCURRENCY."
    assert in_production == 1
    assert unsafe["settings"]["detail"] == "In production people would sign in over http."


def test_a_database_that_is_away_leaves_the_other_checks(home: Path) -> None:
    code, found = findings(home, DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/cl")

    assert code == 1
    assert "Nothing answers at 127.0.0.1:1/cl" in found["database"]["detail"]
    assert found["disk"]["status"] == "ok"
    assert "hidden" not in json.dumps(found)


def test_what_is_configured_outside_must_answer(home: Path) -> None:
    code, found = findings(
        home,
        CARBONLEDGER_REDIS_URL="redis://:hidden@127.0.0.1:1",
        CARBONLEDGER_SMTP_URL="smtp+plain://127.0.0.1:1",
        CARBONLEDGER_OBJECTS_URL="file:///proc/nowhere",
    )

    assert code == 1
    assert "Nothing answers at 127.0.0.1:1" in found["redis"]["detail"]
    assert "No mail server greets at 127.0.0.1:1" in found["e-mail"]["detail"]
    assert found["objects"]["status"] == "failed"
    assert "hidden" not in json.dumps(found)


@pytest.fixture
def mail_server() -> Iterator[int]:
    """Return the port of something that greets as a mail server does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail.example.org ready\r\n")
                connection.recv(1)

        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_mail_server_that_greets_is_well(home: Path, mail_server: int) -> None:
    found = findings(home, CARBONLEDGER_SMTP_URL=f"smtp+plain://127.0.0.1:{mail_server}")[1]

    assert found["e-mail"] == {"name": "e-mail", "status": "ok", "detail": f"127.0.0.1:{mail_server} takes mail", "remedy": ""}


def test_people_read_what_to_do_beside_what_is_wrong(home: Path) -> None:
    done = installation.run(home, "doctor", DATABASE_URL="", CARBONLEDGER_PORTS="1")

    lines = done.stdout.splitlines()
    assert lines[0].split(maxsplit=2) == ["warning", "settings", "Nothing reads CARBONLEDGER_PORTS."]
    assert lines[1].split(maxsplit=1) == ["->", "Write CARBONLEDGER_PORT."]
