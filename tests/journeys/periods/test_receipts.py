"""Two months of real traces pass on a sandbox's clock: each closes, gets its receipt, and an auditor who has nothing else verifies it."""

from __future__ import annotations

import csv
import io
import json
import lzma
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.types.receipts import RECEIPTS
from carbonledger.infra import clock
from carbonledger.kernel import actor
from carbonledger_proof import audit, tiles
from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation
from tests.journeys import mooncake
from tests.journeys import test_verify_alone as alone
from tests.journeys.periods.test_months import months, move, send
from tests.unit.domains.receipts import credit_files as files

wheel, python = alone._wheel, alone._python  # fixtures

DATA = Path(__file__).parents[3] / "src" / "carbonledger_sandbox" / "data"
JANUARY, FEBRUARY = datetime(2026, 1, 5, 9, tzinfo=UTC), datetime(2026, 2, 5, 9, tzinfo=UTC)
LATE = 25
EVENTS_MAX = 5_000


def of_january() -> list[dict[str, Any]]:
    """Mooncake's half hour, on a day of January."""
    found = list(mooncake.events(mooncake.rows(DATA / "mooncake_conversation_first30min.jsonl.xz")))
    shift = JANUARY - mooncake.START
    return [{**one, "occurred_at": (datetime.fromisoformat(one["occurred_at"]) + shift).isoformat()} for one in found]


def of_february() -> list[dict[str, Any]]:
    """The first calls of Azure's trace, a second apart."""
    text = lzma.decompress((DATA / "azure_llm_2023_conv.csv.xz").read_bytes()).decode()
    rows = [row for row, _ in zip(csv.DictReader(io.StringIO(text)), range(EVENTS_MAX), strict=False)]
    return [
        {
            "idempotency_key": f"azure-{number}",
            "occurred_at": (FEBRUARY + timedelta(seconds=number)).isoformat(),
            "provider": "openai",
            "model": "gpt-4o",
            "tokens": {
                "uncached_input": int(row["ContextTokens"]),
                "cached_input": 0,
                "cache_creation_5m": 0,
                "cache_creation_1h": 0,
                "output": int(row["GeneratedTokens"]),
            },
        }
        for number, row in enumerate(rows)
    ]


def tokens(events: Sequence[dict[str, Any]]) -> dict[str, int]:
    """What the trace says by itself."""
    names = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
    return {name: sum(event["tokens"][name] for event in events) for name in names}


async def send_all(client: httpx2.AsyncClient, events: Sequence[dict[str, Any]]) -> None:
    for begin in range(0, len(events), 1000):
        part = events[begin : begin + 1000]
        assert (await send(client, *part))["accepted"] == len(part)


async def receipt_of(client: httpx2.AsyncClient, month: str) -> dict[str, Any]:
    found = [one for one in (await client.get("/v1/receipts")).json()["data"] if one["month"] == month]
    assert [(one["state"], one["is_test"], one["is_proven"]) for one in found] == [("issued", True, True)], found
    return dict((await client.get(f"/v1/receipts/{found[0]['id']}")).json())


async def log_leaves(client: httpx2.AsyncClient) -> tuple[list[bytes], str]:
    """The whole log as anybody mirrors it."""
    note = (await client.get("/v1/public/log/checkpoint")).text
    size = int(note.splitlines()[1])
    contents: list[bytes] = []
    for index in range(-(-size // tiles.WIDTH)):
        width = min(tiles.WIDTH, size - index * tiles.WIDTH)
        answer = await client.get(f"/v1/public/log/tile/{tiles.Tile(-1, index, width).path()}")
        contents += tiles.unpack_entries(answer.content)
    return contents, note


async def test_two_months_pass_and_their_receipts_are_verified_by_somebody_who_has_nothing_else(
    ledger: Installation, python: Path, tmp_path: Path
) -> None:
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
            features={RECEIPTS: True},
        )
    lots = files.written(files.block(1, 3, registry="sandbox")).decode()
    assert (await ledger.client(KEY).post("/v1/credit-lots", json={"csv": lots})).status_code == 201
    january, february = of_january(), of_february()
    in_time, late = january[:-LATE], january[-LATE:]
    await send_all(client, in_time)
    await move(ledger, client, "2026-02-04T00:00:00Z")
    first = await receipt_of(client, "2026-01")
    assert first["receipt"]["tokens"]["covered"] == tokens(in_time)
    assert first["receipt"]["events"]["count"] == len(in_time)

    await move(ledger, client, "2026-02-05T12:00:00Z")
    await send_all(client, late)
    await send_all(client, february)
    await move(ledger, client, "2026-03-04T00:00:00Z")
    second = await receipt_of(client, "2026-02")
    assert await receipt_of(client, "2026-01") == first
    assert second["receipt"]["tokens"]["covered"] == tokens([*february, *late])
    assert second["receipt"]["events"]["count"] == len(february) + LATE
    (adjustment,) = second["receipt"]["adjustments"]
    assert (adjustment["month"], adjustment["receipt"], adjustment["events"]) == ("2026-01", first["serial"], LATE)
    assert {month: one["state"] for month, one in (await months(client)).items()} == {
        "2026-01": "closed",
        "2026-02": "closed",
        "2026-03": "open",
    }

    keys = tmp_path / "jwks.json"
    keys.write_bytes((await client.get("/.well-known/jwks.json")).content)
    since = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "limit": "1"}
    event_id = (await client.get("/v1/telemetry/events", params=since)).json()["data"][0]["id"]
    month_of_it = first if await _is_in(client, first, event_id) else second
    for receipt, names in ((first, ("pdf", "bundle")), (second, ("pdf", "bundle")), (month_of_it, (f"events/{event_id}/proof",))):
        for name in names:
            file = tmp_path / "given"
            file.write_bytes((await client.get(f"/v1/receipts/{receipt['id']}/{name}")).content)
            done = alone.run(python, "-m", "carbonledger_proof", str(file), "--keys", str(keys))
            assert (done.returncode, done.stderr) == (0, ""), done
            assert f"TEST receipt {receipt['serial']}" in done.stdout
            assert done.stdout.endswith("VERIFIED as a TEST receipt: all checks hold, and it stands for nothing real.\n")
    checked = (await ledger.client().get(f"/v1/public/receipts/verify/{second['serial']}")).json()
    assert (checked["is_valid"], checked["is_test"]) == (True, True)
    contents, note = await log_leaves(ledger.client())
    assert audit.audit(contents, [note], origin=first["receipt"]["issuer"]) == []
    words = [json.loads(content)["leaf"] for content in contents]
    assert (words.count("receipt.issued"), words.count("lot.imported")) == (2, 1)


async def _is_in(client: httpx2.AsyncClient, receipt: dict[str, Any], event_id: str) -> bool:
    return (await client.get(f"/v1/receipts/{receipt['id']}/events/{event_id}/proof")).status_code == 200
