"""The vault's keys, changed while serving: everything sealed anew, the old key dropped only when nothing needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carbonledger.infra import crypto
from tests import installation, until
from tests.integration.entrypoints.cli.conftest import KEY


@pytest.fixture
def home() -> Iterator[Path]:
    with installation.new_home() as path:
        yield path


def status(home: Path) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = json.loads(installation.run(home, "vault", "status", "--json").stdout)["keys"]
    return keys


def test_the_key_is_changed_while_serving_and_dropped_when_nothing_is_sealed_with_it(home: Path, tmp_path: Path) -> None:
    with installation.up(home, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as running:
        authorization = {"Authorization": f"Bearer {KEY}"}
        for number in range(3):
            body = {"provider": "openai", "label": f"key {number}", "api_key": f"sk-proj-{number}-of-the-test-of-rotation"}
            made, _ = running.request("POST", "/v1/llm-keys", body=body, headers=authorization)
            assert made == 201
        installation.run(home, "vault", "export", str(tmp_path / "keys"))
        [old] = status(home)
        assert (old["secrets"], old["exported_at"] is None) == (3, False)

        rotated = installation.run(home, "vault", "rotate")
        assert rotated.returncode == 0, rotated.stderr
        until.holds_now(lambda: [key["secrets"] for key in status(home)] == [3, 0])
        new, kept = status(home)
        assert kept["fingerprint"] == old["fingerprint"]
        assert new["exported_at"] is None  # a new key needs a backup of its own

        finished = installation.run(home, "vault", "rotate", "--finish")
        assert finished.stdout == f"Dropped {old['fingerprint']}.\n"
        assert [key["fingerprint"] for key in status(home)] == [new["fingerprint"]]
        assert running.request("GET", "/v1/llm-keys", headers=authorization)[0] == 200


def test_an_old_key_that_still_seals_is_not_dropped(home: Path) -> None:
    with installation.up(home, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as running:
        body = {"provider": "openai", "label": "key", "api_key": "sk-proj-of-the-test-of-rotation"}
        assert running.request("POST", "/v1/llm-keys", body=body, headers={"Authorization": f"Bearer {KEY}"})[0] == 201
        [old] = status(home)
        assert running.stop() == 0
    assert installation.run(home, "vault", "rotate").returncode == 0  # no worker runs

    refused = installation.run(home, "vault", "rotate", "--finish")

    assert refused.returncode == 5
    assert f"1 with {old['fingerprint']}" in refused.stderr
    assert len(status(home)) == 2


def test_keys_of_the_environment_are_the_operators_own(home: Path, tmp_path: Path) -> None:

    given = {"CARBONLEDGER_VAULT_KEYS": crypto.generate_key().reveal()}
    assert installation.run(home, "migrate", **given).returncode == 0

    refused = installation.run(home, "vault", "export", str(tmp_path / "keys"), **given)

    assert refused.returncode == 5
    assert "The keys are given by CARBONLEDGER_VAULT_KEYS" in refused.stderr
    assert not (tmp_path / "keys").exists()
    assert not (home / "secrets/vault.keys").exists()
