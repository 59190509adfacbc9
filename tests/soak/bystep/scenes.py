"""What is done once and then, from the same state, again for every kill: two polls and three ways of sending events.

- **first poll**: an account with ten days of usage is read for the first time
- **hourly poll**: some hours later, over a midnight: new calls, an hour of yesterday that says more, another that is told no more
- **one event**, **a batch** (new ones, known ones, known ones with other counts; under an idempotency key), **spans** of OpenTelemetry
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from carbonledger_sandbox import state
from tests import standins
from tests.soak.bystep import parts
from tests.soak.bystep.asking import Request
from tests.soak.bystep.ground import RUN
from tests.soak.bystep.provider import Told, Truth
from tests.soak.bystep.stage import Stage
from tests.soak.storm import pacing

FIRST: Final = datetime(2026, 11, 24, 20, 10, tzinfo=UTC)
LATER: Final = datetime(2026, 11, 25, 3, 20, tzinfo=UTC)
READ_FROM: Final = FIRST.replace(hour=0, minute=0) - timedelta(days=9)
ACCOUNT: Final = "acme-anthropic"
_REVISED = state.Revision("ant-chat", -1, 10, rows=2)
_VANISHED = state.Vanished("ant-label", -1, 2)
_QUIET_S = 120.0
_UNDER_WAY = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
SENT: Final = "sent-"
"""How the keys of what is sent begin."""
Counts = dict[str, tuple[int, int, int]]
"""Input, output and revision of what was sent, by key."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is done, by which process, from which state; ``sent`` and ``truth`` are what the ledger must then have."""

    name: str
    part: str
    kept: str
    told: Told
    request: Request | None = None
    truth: Truth | None = None
    sent: Counts = field(default_factory=dict)

    @property
    def is_replayed(self) -> bool:
        """Whether every answer to the request must be the same, to the byte."""
        return self.request is not None and "Idempotency-Key" in self.request.headers


async def prepare(stage: Stage) -> tuple[Scene, ...]:
    """Make the states from which the scenes begin, by the product's own means."""
    await stage.ground.copy("template1")
    assert await stage.part("migrate", is_owner=True).run() == 0, stage.log.read_text()
    worker, api = stage.part(parts.WORKER), stage.part(parts.API)
    try:
        worker.start()
        await _comes(stage, "SELECT count(*) > 0 FROM pgqueuer_schedules")
        worker.kill()
        # What is due by the clock is not part of any scene.
        await _do(stage, "UPDATE pgqueuer_schedules SET next_run = next_run + interval '10 years'")
        api.start()
        first = Told(int(FIRST.timestamp()), (), ())
        stage.provider.goes_back(first)
        await _open(stage)
        api.kill()
        await stage.keep("first")
        # It is hidden until it was read: a poll that is killed and reads again would rightly see more than one that is not.
        stage.provider.goes_back(Told(first.now_s, (_REVISED,), ()))
        worker.start()
        await _comes(stage, f"SELECT ({_UNDER_WAY}) = 0")
        worker.kill()
        later = Told(int(LATER.timestamp()), tuple(stage.provider.state.revisions), (_VANISHED,))
        stage.provider.goes_back(later)
        await _do(stage, "UPDATE organizations SET clock_at = $1 WHERE id = $2", LATER, stage.organization_id)
        api.start()
        [connection] = (await stage.ask(Request("GET", "/v1/connections"))).document["data"]
        await stage.ask(Request("POST", f"/v1/connections/{connection['id']}/sync", headers={"Idempotency-Key": "later"}))
        api.kill()
        await stage.keep("later")
    finally:
        worker.kill()
        api.kill()
    return (*_polls(stage, first, stage.provider.tells()), *_sendings(first))


async def _open(stage: Stage) -> None:
    """Open the organization, connect its account, and send the events that are known before."""
    opening = {"name": "Steps", "sandbox": True, "clock_start": FIRST.isoformat(), "first_key": {"scopes": ["*"]}}
    made = await stage.ask(_post("/v1/organizations", opening, key="open"))
    assert made.status == 201, made.body
    stage.token, stage.organization_id = made.document["first_key"]["secret"], UUID(made.document["id"])
    named = {"provider": "anthropic", "label": "steps", "api_key": standins.KEYS["anthropic"]}
    connected = await stage.ask(_post("/v1/connections", named, key="connect"))
    assert connected.status == 201, connected.body
    known = await stage.ask(_post("/v1/telemetry/events", {"events": [event(f"{SENT}known-{number}") for number in range(20)]}))
    assert known.document["accepted"] == 20, known.body
    await _do(stage, "UPDATE connections SET reads_from = $1", READ_FROM)


def _polls(stage: Stage, first: Told, later: Told) -> list[Scene]:
    scenes = []
    for name, kept, told in (("first poll", "first", first), ("hourly poll", "later", later)):
        stage.provider.goes_back(told)
        scenes.append(Scene(name, parts.WORKER, kept, told, truth=stage.provider.truth(ACCOUNT, since=READ_FROM)))
    return scenes


def _sendings(told: Told) -> list[Scene]:
    known: Counts = {f"{SENT}known-{number}": (1000, 500, 0) for number in range(20)}
    new: Counts = {f"{SENT}new-{number}": (1000, 500, 0) for number in range(80)}
    revised: Counts = {f"{SENT}known-{number}": (1000, 700, 1) for number in range(10, 20)}
    batch = [
        *(event(key) for key in new),
        *(event(f"{SENT}known-{number}") for number in range(10)),
        *(event(key, output=700) for key in revised),
    ]
    one = _post("/v1/telemetry/events", event(f"{SENT}one"))
    spans = _post("/v1/otlp/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [_span(number) for number in range(5)]}]}]})
    return [
        Scene("one event", parts.API, "first", told, one, sent={**known, f"{SENT}one": (1000, 500, 0)}),
        Scene(
            "batch",
            parts.API,
            "first",
            told,
            _post("/v1/telemetry/events", {"events": batch}, key="batch"),
            sent={**known, **new, **revised},
        ),
        Scene("spans", parts.API, "first", told, spans, sent=known),
    ]


def event(key: str, *, output: int = 500) -> dict[str, Any]:
    """Return an event of an hour ago."""
    return {
        "idempotency_key": key,
        "occurred_at": (FIRST - timedelta(hours=1)).isoformat(),
        "provider": "openai",
        "model": "gpt-4o",
        "operation": "chat",
        "tokens": {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": output},
    }


def _span(number: int) -> dict[str, Any]:
    at = int((FIRST - timedelta(hours=2)).timestamp()) * 10**9
    said: Mapping[str, dict[str, str]] = {
        "gen_ai.operation.name": {"stringValue": "chat"},
        "gen_ai.provider.name": {"stringValue": "openai"},
        "gen_ai.request.model": {"stringValue": "gpt-4o"},
        "gen_ai.usage.input_tokens": {"intValue": "1000"},
        "gen_ai.usage.output_tokens": {"intValue": str(500 + number)},
    }
    return {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(at),
        "endTimeUnixNano": str(at + 10**9),
        "attributes": [{"key": key, "value": value} for key, value in said.items()],
    }


def _post(path: str, document: object, *, key: str | None = None) -> Request:
    return Request("POST", path, json.dumps(document).encode(), headers={} if key is None else {"Idempotency-Key": key})


async def _do(stage: Stage, statement: str, *arguments: object) -> None:
    async with stage.ground.connected(RUN) as conn:
        await conn.execute(statement, *arguments)


async def _comes(stage: Stage, question: str) -> None:
    async with stage.ground.connected(RUN) as conn:

        async def holds() -> bool:
            return bool(await conn.fetchval(question))

        if not await pacing.holds(holds, deadline_s=_QUIET_S):
            raise TimeoutError(f"not in {_QUIET_S:.0f} s: {question}\n{stage.log.read_text()[-4000:]}")
