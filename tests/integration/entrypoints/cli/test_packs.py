"""audit-pack: ordered while serving, listed, saved as a file, and verified by the command that needs no server."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from carbonledger.infra import clock
from tests import installation, until
from tests.integration.entrypoints.cli.conftest import KEY


@pytest.fixture
def home() -> Iterator[Path]:
    with installation.new_home() as path:
        yield path


def said(home: Path, *arguments: str) -> str:
    done = installation.run(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def packs(home: Path, organization: str, month: str) -> list[dict[str, Any]]:
    found = json.loads(said(home, "audit-pack", "list", organization, "--json"))["audit_packs"]
    return [one for one in found if one["month"] == month]


def test_a_pack_is_ordered_saved_and_verified(home: Path, tmp_path: Path) -> None:
    at = clock.now() - timedelta(days=70)
    month = f"{at:%Y-%m}"
    file = tmp_path / "pack.zip"
    with installation.up(home, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as running:
        made = json.loads(said(home, "org", "create", "Acme", "--tier", "growth", "--first-key", "apps", "--json"))
        organization, key = made["id"], made["first_key"]["secret"]
        tokens = {"uncached_input": 1_000_000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500}
        event = {"idempotency_key": "a", "occurred_at": at.isoformat(), "provider": "openai", "model": "gpt-4o", "tokens": tokens}
        headers = {"authorization": f"Bearer {key}"}
        assert running.request("POST", "/v1/telemetry/events", body={"events": [event]}, headers=headers)[0] == 202
        assert said(home, "audit-pack", "list", organization).startswith("There is no audit pack yet.")
        said(home, "period", "paid", organization, month)  # or payment-failed: until then the month is open
        until.holds_now(
            lambda: [one["state"] for one in json.loads(said(home, "period", "list", organization, "--json"))["periods"]][-1] == "closed"
        )
        refused = installation.run(home, "audit-pack", "order", organization, f"{clock.now():%Y-%m}")
        assert refused.returncode != 0
        assert said(home, "audit-pack", "order", organization, month).startswith("Audit pack 1 of ")
        until.holds_now(lambda: [one["state"] for one in packs(home, organization, month)] == ["made"])
        said(home, "audit-pack", "save", organization, month, str(file))
        again = installation.run(home, "audit-pack", "save", organization, month, str(file))
        assert again.returncode != 0, "a file that is there stays"
    assert "VERIFIED: all checks hold." in said(home, "verify", str(file))
    told = json.loads(said(home, "verify", str(file), "--json"))
    assert (told["ok"], told["month"], told["test"], told["receipts"]) == (True, month, False, [])  # it waits for credits
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "pack")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "pack" / "recompute.py")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    done = installation.run(home, "verify", str(file))
    assert done.returncode == 1
    assert "NOT VERIFIED" in done.stdout
