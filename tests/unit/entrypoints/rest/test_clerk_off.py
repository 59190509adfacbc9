"""Clerk's webhook, where it is off, refuses before it reads anything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from carbonledger.domains.identity import types
from carbonledger.entrypoints.rest import clerk, routing
from carbonledger.entrypoints.shared import exchange, gate
from carbonledger.infra import limits, settings


async def test_without_a_secret_no_byte_of_the_body_is_read(tmp_path: Path) -> None:
    async def receive() -> exchange.Message:
        raise AssertionError("the body was asked for")

    configuration = settings.Settings.model_validate({"home": tmp_path})
    services: Any = SimpleNamespace(clerk=None, settings=configuration)
    edge = routing.Edge(services=services, gate=gate.Gate(cast("gate.Callers", None), limits.MemoryLimiter(), configuration))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    scope = {"type": "http", "method": "POST", "path": "/v1/auth/webhook", "headers": headers, "query_string": b""}
    [route] = clerk.router.routes
    with pytest.raises(types.WebhookOff):
        await route.answer(exchange.Exchange(scope, receive, at=datetime(2026, 11, 21, tzinfo=UTC)), {}, edge)
    assert edge.bodies.held_bytes == 0
