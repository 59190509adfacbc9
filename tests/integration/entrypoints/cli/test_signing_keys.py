"""Signing keys by command, while serving: made, replaced, revoked; the worker signs the log, and anybody audits it by command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import installation, until
from tests.integration.entrypoints.cli.conftest import KEY


@pytest.fixture
def home() -> Iterator[Path]:
    with installation.new_home() as path:
        yield path


def keys(home: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(installation.run(home, "signing-key", "list", "--json").stdout)["keys"]
    return found


def test_keys_are_replaced_and_revoked_while_serving_and_the_log_is_audited(home: Path, tmp_path: Path) -> None:
    with installation.up(home, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as running:
        assert keys(home) == []
        rotated = installation.run(home, "signing-key", "rotate", "receipts")
        assert rotated.returncode == 0, rotated.stderr
        old, *_ = [key["kid"] for key in keys(home) if key["purpose"] == "receipts"]
        until.holds_now(lambda: running.request("GET", "/v1/public/log/proof?index=2")[0] == 200, told=lambda: running.told)
        assert len(keys(home)) == 3

        def audit() -> tuple[int, dict[str, Any]]:
            done = installation.run(home, "log", "audit", running.address, "--json", "--state", str(tmp_path / "state.json"))
            assert done.stdout, done.stderr
            return done.returncode, json.loads(done.stdout)

        code, found = audit()
        assert (code, found["size"], found["findings"]) == (0, 3, [])

        current = next(key["kid"] for key in keys(home) if key["purpose"] == "log")
        revoked = installation.run(home, "signing-key", "revoke", current, "--reason", "compromised")
        assert revoked.returncode == 0, revoked.stderr
        until.holds_now(lambda: audit()[1]["size"] == 5, told=lambda: (audit(), running.told))
        code, found = audit()
        assert (code, found["audited_before"], found["findings"]) == (0, 5, [])
        again = installation.run(home, "signing-key", "revoke", current, "--reason", "compromised")
        assert again.returncode == 5
        shown = installation.run(home, "signing-key", "list").stdout
        assert "(compromised)" in shown
        assert old in shown


def test_the_log_and_its_keys_come_back_from_a_backup_and_go_on(tmp_path: Path) -> None:
    with installation.new_home(prepared=False) as home, installation.new_home(prepared=False) as other:
        assert installation.run(home, "signing-key", "rotate", "log").returncode != 0, "there is no installation yet"
        assert installation.run(home, "migrate").returncode == 0
        for purpose in ("log", "receipts"):
            rotated = installation.run(home, "signing-key", "rotate", purpose)
            assert rotated.returncode == 0, rotated.stderr
        path = tmp_path / "backup"
        assert installation.run(home, "db", "dump", str(path)).returncode == 0
        (other / "secrets").mkdir(mode=0o700, parents=True)
        (other / "secrets/vault.keys").write_bytes((home / "secrets/vault.keys").read_bytes())
        (other / "secrets/vault.keys").chmod(0o600)

        restored = installation.run(other, "db", "restore", str(path))
        assert restored.returncode == 0, restored.stderr
        assert keys(other) == keys(home)
        with installation.up(other) as running:
            until.holds_now(lambda: running.request("GET", "/v1/public/log/proof?index=3")[0] == 200)
            audited = installation.run(other, "log", "audit", running.address, "--json", "--state", str(tmp_path / "state.json"))
            assert json.loads(audited.stdout)["findings"] == []
            again = installation.run(other, "signing-key", "rotate", "log")
            assert again.returncode == 0, again.stderr
