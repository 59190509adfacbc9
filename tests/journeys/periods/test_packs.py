"""Two months of real traces pass on a sandbox's clock: an auditor who has nothing else verifies the packs and computes them again."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.types.packs import AUDIT_PACKS
from carbonledger.domains.receipts.types.receipts import RECEIPTS
from carbonledger.infra import clock
from carbonledger.kernel import actor
from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation
from tests.journeys import test_verify_alone as alone
from tests.journeys.periods import test_receipts as traces
from tests.journeys.periods.test_months import move, send
from tests.unit.domains.receipts import credit_files as files

wheel, python = alone._wheel, alone._python  # fixtures
LATE = traces.LATE


async def packs_of(client: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await client.get("/v1/exports/audit-packs")
    assert answer.status_code == 200, answer.text
    return {pack["month"]: pack for pack in answer.json()["data"]}


def recomputed(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the pack's own program in a Python that has its standard library and nothing else."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "recompute.py")], capture_output=True, text=True, check=False, timeout=300, env={}
    )


async def test_two_months_pass_and_an_auditor_computes_both_again(ledger: Installation, python: Path, tmp_path: Path) -> None:
    made, client = await ledger.open_organization(name="Acme Robotics", sandbox=True, clock_start="2026-01-05T12:00:00Z")
    organization_id, now = UUID(made["id"]), clock.now()
    async with ledger.services.database.transaction(organization_id) as uow:
        await entitlements.grant(
            uow,
            actor=actor.system(organization_id),
            now=now,
            at=now,
            organization_id=organization_id,
            quotas={},
            features={RECEIPTS: True, AUDIT_PACKS: True},
        )
    lots = files.written(files.block(1, 3, registry="sandbox")).decode()
    assert (await ledger.client(KEY).post("/v1/credit-lots", json={"csv": lots})).status_code == 201
    january, february = traces.of_january(), traces.of_february()
    in_time, late = january[:-LATE], january[-LATE:]
    unknown = {**in_time[0], "idempotency_key": "unknown", "model": "dall-e-3"}  # emissions of images are not covered
    metered = {"idempotency_key": "page", "occurred_at": in_time[0]["occurred_at"], "event": "pages", "quantity": "3.50"}
    await traces.send_all(client, [*in_time, unknown, metered])
    assert await packs_of(client) == {}
    await move(ledger, client, "2026-02-03T00:00:00Z")  # midnight of the third
    first = await traces.receipt_of(client, "2026-01")
    assert {month: (pack["state"], pack["number"]) for month, pack in (await packs_of(client)).items()} == {"2026-01": ("made", 1)}

    await move(ledger, client, "2026-02-05T12:00:00Z")
    revised = {**in_time[1], "tokens": {**in_time[1]["tokens"], "output": in_time[1]["tokens"]["output"] + 7}}
    assert (await send(client, revised))["revised"] == 1
    await traces.send_all(client, late)
    await traces.send_all(client, february)
    await move(ledger, client, "2026-03-04T00:00:00Z")
    second = await traces.receipt_of(client, "2026-02")
    assert second["receipt"]["tokens"]["covered"]["output"] == traces.tokens([*february, *late])["output"] + 7
    packs = await packs_of(client)
    assert {month: (pack["state"], pack["number"]) for month, pack in packs.items()} == {"2026-01": ("made", 1), "2026-02": ("made", 1)}

    keys = tmp_path / "jwks.json"
    keys.write_bytes((await client.get("/.well-known/jwks.json")).content)
    for receipt, events in ((first, len(in_time) + 2), (second, len(february) + LATE + 1)):
        month = receipt["month"]
        folder = await unpacked(client, packs[month], keys, python, tmp_path)
        done = recomputed(folder)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert f"{events} events, root {receipt['receipt']['events']['root']}" in done.stdout
        [gross] = [one["co2e_mg"] for one in receipt["receipt"]["gross"] if one["basis"] == "location"]
        assert f"{gross['low']} / {gross['mid']} / {gross['high']} mg" in done.stdout
    proof = json.loads((tmp_path / "2026-02" / "log" / "consistency.json").read_text())
    assert 0 < proof["old"] < proof["new"], "the log grew from the one pack to the other, and only grew"
    before = (tmp_path / "2026-02" / "adjusted-before.csv").read_text().splitlines()
    assert len(before) == 2, "of the event that was revised, how it was before"

    changed = tmp_path / "2026-02" / "events.csv"
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    done = recomputed(tmp_path / "2026-02")
    assert (done.returncode, done.stdout) == (1, "")
    assert "events.csv is not the file that the manifest names" in done.stderr


async def unpacked(client: httpx2.AsyncClient, pack: dict[str, Any], keys: Path, python: Path, place: Path) -> Path:
    """Download a pack, have it verified where only ``carbonledger_proof`` is, and unzip it."""
    year, month = pack["month"].split("-")
    answer = await client.get(f"/v1/exports/audit-packs/{year}/{int(month)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["etag"] == f'"{pack["sha256"]}"'
    file = place / f"{pack['month']}.zip"
    file.write_bytes(answer.content)
    done = alone.run(python, "-m", "carbonledger_proof", str(file), "--keys", str(keys))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.endswith("VERIFIED as a TEST pack: all checks hold, and it stands for nothing real.\n")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(place / pack["month"])
    return place / str(pack["month"])
