"""An installation, and people in front of its pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.rest.identity.conftest import install

__all__ = ["install", "ledger", "owner", "viewer"]

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(slots=True)
class Person:
    """Somebody with a browser: opens pages, sends the forms that stand on them."""

    ledger: kit.Installation
    client: httpx2.AsyncClient
    key: httpx2.AsyncClient

    async def open(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.get(path, follow_redirects=False, **options)

    async def read(self, path: str) -> str:
        answer = await self.open(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def token(self) -> str:
        found = _TOKEN.search(await self.read("/settings"))
        assert found is not None
        return found[1]

    async def send(self, path: str, *, token: str | None = None, headers: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        given = {"csrf_token": await self.token() if token is None else token, **fields}
        return await self.client.post(path, data=given, headers=headers or {}, follow_redirects=False)


@pytest.fixture
async def ledger(install: kit.Opener) -> kit.Installation:
    return await install()


async def person(ledger: kit.Installation, email: str, role: str, client: httpx2.AsyncClient | None = None) -> Person:
    if client is None:
        _, client = await ledger.open_organization(name="Example & <b>Sons</b>")
    browser = await ledger.join(client, email, role=role)
    return Person(ledger, browser.client, client)


@pytest.fixture
async def owner(ledger: kit.Installation) -> Person:
    """Return an owner of an organization of their own."""
    return await person(ledger, "owner@example.com", "owner")


@pytest.fixture
async def viewer(ledger: kit.Installation, owner: Person) -> Person:
    """Return a viewer of the same organization."""
    return await person(ledger, "viewer@example.com", "viewer", owner.key)
