"""db dump and db restore as an operator uses them: secrets stay sealed, keys stay out, and a new machine gets it all back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.identity.service import callers, house
from carbonledger.domains.vault import service as vault
from carbonledger.infra import clock, crypto, reach, settings
from carbonledger.infra.dump import archive
from carbonledger.kernel.page import PageRequest
from tests import installation
from tests.integration.entrypoints.cli.conftest import KEY, Opened

LLM_KEY = "sk-proj-" + "Zq7" * 16
PASSWORD = "correct horse battery staple"


async def add_llm_key(services: bootstrap.Services) -> UUID:
    async with services.database.transaction() as uow:
        organization_id = await house.find(uow)
    assert organization_id is not None
    async with services.database.transaction(organization_id) as uow:
        await vault.add_llm_key(
            uow,
            actor=callers.operator_actor(organization_id),
            now=clock.now(),
            at=clock.now(),
            sealer=services.sealer,
            organization_id=organization_id,
            provider="openai",
            label="production",
            key=crypto.SecretText(LLM_KEY),
            outside=False,
        )
    return organization_id


async def open_llm_key(services: bootstrap.Services, organization_id: UUID) -> str:
    async with services.database.transaction(organization_id) as uow:
        [key] = (await vault.list_llm_keys(uow, organization_id=organization_id, provider=None, page=PageRequest())).data
        located = await vault.find(
            uow,
            actor=callers.operator_actor(organization_id),
            now=clock.now(),
            organization_id=organization_id,
            secret_id=key.secret_id,
            reason="test",
        )
    return (await vault.reveal(located, sealer=services.sealer, outside=None)).reveal()


def clear_text(path: Path, programs_dir: Path) -> bytes:
    """Return everything in a dump as anybody can read it: its own bytes, and the SQL that they unpack to."""
    with archive.reading(path) as source:
        sql = subprocess.run([programs_dir / "pg_restore", "--file=-"], input=source.read(), capture_output=True, check=True).stdout
    return path.read_bytes() + sql


async def test_a_dump_holds_no_secret_and_no_key_and_restores_on_a_new_machine_with_the_key_alone(
    home: Path, opened: Opened, tmp_path: Path
) -> None:
    async with opened() as services:
        organization_id = await add_llm_key(services)
        [fingerprint] = services.sealer.fingerprints()
    path = tmp_path / "backup"
    dumped = json.loads(installation.run(home, "db", "dump", str(path), "--json").stdout)
    key_file = (home / "secrets/vault.keys").read_bytes()

    assert dumped["keys"] == [fingerprint]
    with reach.reached(settings.Settings(home=home)) as reached:
        assert reached.programs_dir is not None
        readable = clear_text(path, reached.programs_dir)
    assert b"CREATE TABLE public.organizations" in readable
    for secret in (LLM_KEY, KEY, *key_file.decode().split()[-1:]):
        assert secret.encode() not in readable

    with installation.new_home(prepared=False) as other:
        refused = installation.run(other, "db", "restore", str(path))
        assert refused.returncode == 6
        assert f"sealed with the vault keys {fingerprint}, of which {fingerprint} is not here (here: none)" in refused.stderr
        assert f"Put the exported keys at {other / 'secrets/vault.keys'}" in refused.stderr

        (other / "secrets").mkdir(mode=0o700)
        (other / "secrets/vault.keys").write_bytes(key_file)
        (other / "secrets/vault.keys").chmod(0o600)
        restored = installation.run(other, "db", "restore", str(path))
        assert restored.returncode == 0, restored.stderr

        configuration = settings.Settings(home=other)
        with reach.reached(configuration) as reached:
            async with bootstrap.build(configuration, reached.addresses, application="test") as services:
                assert await open_llm_key(services, organization_id) == LLM_KEY
            started = installation.run(other, "migrate", "--json")
            assert json.loads(started.stdout)["house"] == str(organization_id)
            assert installation.run(other, "doctor").returncode == 0


def test_a_running_installation_is_not_restored_over(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    assert installation.run(home, "db", "dump", str(path)).returncode == 0

    refused = installation.run(home, "db", "restore", str(path))

    assert refused.returncode == 5
    assert "organizations, which a restore would replace; dump it first, then add --force." in refused.stderr


def test_a_dump_is_not_written_over_another(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_text("precious")

    refused = installation.run(home, "db", "dump", str(path))

    assert refused.returncode == 5
    assert path.read_text() == "precious"
