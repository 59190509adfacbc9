"""receipt: a month of a paying organization is issued while serving, superseded and revoked by command, and checked by anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from carbonledger.infra import clock
from tests import installation, until
from tests.integration.entrypoints.cli.conftest import KEY
from tests.unit.domains.receipts import credit_files as files


@pytest.fixture
def home() -> Iterator[Path]:
    with installation.new_home() as path:
        yield path


def said(home: Path, *arguments: str) -> str:
    done = installation.run(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def receipts(home: Path, organization: str, month: str) -> list[dict[str, Any]]:
    found = json.loads(said(home, "receipt", "list", organization, "--json"))["receipts"]
    return [one for one in found if one["month"] == month]


def test_a_receipt_is_issued_superseded_revoked_and_checked_while_serving(home: Path, tmp_path: Path) -> None:
    at = clock.now() - timedelta(days=70)
    month = f"{at:%Y-%m}"
    with installation.up(home, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as running:
        made = json.loads(said(home, "org", "create", "Acme", "--tier", "growth", "--first-key", "apps", "--json"))
        organization, key = made["id"], made["first_key"]["secret"]
        tokens = {"uncached_input": 1_000_000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500}
        event = {"idempotency_key": "a", "occurred_at": at.isoformat(), "provider": "openai", "model": "gpt-4o", "tokens": tokens}
        headers = {"authorization": f"Bearer {key}"}
        assert running.request("POST", "/v1/telemetry/events", body={"events": [event]}, headers=headers)[0] == 202
        assert said(home, "receipt", "list", organization).startswith("There is no receipt yet.")
        said(home, "period", "paid", organization, month)
        until.holds_now(lambda: [one["state"] for one in receipts(home, organization, month)] == ["deferred"])
        assert said(home, "receipt", "issue", organization, month).startswith("Deferred: ")

        file = tmp_path / "lots.csv"
        file.write_bytes(files.written(files.block(1, 1)))
        said(home, "credits", "import", str(file))
        until.holds_now(lambda: [one["is_proven"] for one in receipts(home, organization, month)] == [True])
        (first,) = receipts(home, organization, month)
        assert (first["state"], first["is_test"]) == ("issued", False)
        assert first["serial"] in said(home, "receipt", "issue", organization, month)  # as it stands

        def verify(serial: str) -> tuple[int, dict[str, Any]]:
            done = installation.run(home, "verify", serial, "--url", running.address, "--json")
            return done.returncode, json.loads(done.stdout)

        code, report = verify(first["serial"])
        assert (code, report["ok"], report["serial"]) == (0, True, first["serial"])

        assert first["serial"] in said(home, "receipt", "supersede", first["serial"])
        until.holds_now(lambda: all(one["is_proven"] for one in receipts(home, organization, month)))
        second, old = receipts(home, organization, month)
        assert (second["state"], old["serial"], old["state"]) == ("issued", first["serial"], "superseded")
        assert verify(first["serial"])[0] == 1
        assert verify(second["serial"])[0] == 0

        said(home, "receipt", "revoke", second["serial"], "--reason", "requested")
        again = installation.run(home, "receipt", "revoke", second["serial"], "--reason", "requested")
        assert again.returncode == 5
        assert "does not become revoked" in again.stderr
        assert "was revoked" in said(home, "receipt", "issue", organization, month)
        assert "is issued" in said(home, "receipt", "issue", organization, month, "--again")
        until.holds_now(lambda: all(one["is_proven"] for one in receipts(home, organization, month)))
        assert [one["state"] for one in receipts(home, organization, month)] == ["issued", "revoked", "superseded"]

        absent = installation.run(home, "receipt", "revoke", "CL-202610-00000", "--reason", "requested")
        assert absent.returncode == 4
        audit = installation.run(home, "log", "audit", running.address, "--json", "--state", str(tmp_path / "state.json"))
        assert (audit.returncode, json.loads(audit.stdout)["findings"]) == (0, []), audit.stdout
