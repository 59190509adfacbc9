"""The stand-ins of the usage APIs in this process, and the published contracts to hold their answers against."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import jsonschema

from carbonledger_sandbox import state

QueryParams = Mapping[str, Any] | list[tuple[str, Any]]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONTRACTS = Path(__file__).parents[2] / "fixtures/contracts"
ADMIN = {
    "openai": {"authorization": "Bearer sk-admin-demo-openai"},
    "anthropic": {"x-api-key": "sk-ant-admin-demo-anthropic", "anthropic-version": "2023-06-01"},
    "openrouter": {"authorization": "Bearer sk-or-v1-demo-management"},
}


@functools.cache
def loaded() -> state.State:
    """The traces, read once a process."""
    return state.load(anchor=NOON, now=NOON, frozen=True)


@functools.cache
def contract(file: str) -> dict[str, Any]:
    """A contract as published."""
    found: dict[str, Any] = json.loads((CONTRACTS / file).read_text())
    return found


def valid(body: object, file: str, schema: dict[str, Any]) -> None:
    """Fail unless ``body`` is what a schema of a contract describes."""
    root: dict[str, Any] = {**schema, **{name: contract(file)[name] for name in ("components", "$defs") if name in contract(file)}}
    jsonschema.Draft202012Validator(root).validate(body)


@dataclass
class World:
    """The state, and a client of it that shows the admin keys."""

    state: state.State
    client: httpx2.AsyncClient

    async def ask(self, provider: str, path: str, params: QueryParams | None = None, **headers: str) -> httpx2.Response:
        """GET as the demo's admin, or with other headers."""
        return await self.client.get(f"/{provider}{path}", params=params, headers={**ADMIN[provider], **headers})

    async def read(self, provider: str, path: str, params: QueryParams | None = None) -> Any:  # noqa: ANN401 - JSON
        """GET as the demo's admin, and it must work."""
        response = await self.ask(provider, path, params)
        assert response.status_code == 200, response.text
        return response.json()

    async def query(self, body: object, **headers: str) -> httpx2.Response:
        """POST to OpenRouter's analytics."""
        return await self.client.post("/openrouter/api/v1/analytics/query", json=body, headers={**ADMIN["openrouter"], **headers})

    async def control(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """POST to control, and it must work."""
        response = await self.client.post(f"/control/{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()
