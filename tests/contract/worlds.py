"""Worlds to call operations in: an organization with its keys and its first member, made through the API, in one shared installation."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import argon2
import httpx2

from carbonledger import bootstrap
from carbonledger.domains.identity.service import house
from carbonledger.entrypoints.asgi import create
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, passwords, reach, settings
from tests import conftest, standins
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.worker import conftest as benches

CLERK_SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODkwMTI="
SANDBOX_START = "2026-01-01T00:00:00Z"
_names = itertools.count(1)


class Sender(Protocol):
    """Somebody who calls operations."""

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response: ...


@dataclass(frozen=True, slots=True)
class Client:
    """A program with a key, or with nothing."""

    client: httpx2.AsyncClient

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return await self.client.request(method, path, **options)


@dataclass(frozen=True, slots=True)
class World:
    """An organization: a key with every scope, and the browser of its owner, who is ``email``."""

    ledger: kit.Installation
    organization: dict[str, Any]
    key: Client
    browser: kit.Browser
    email: str

    @property
    def organization_id(self) -> UUID:
        return UUID(self.organization["id"])

    @property
    def nobody(self) -> Client:
        return Client(self.ledger.client())

    @property
    def house(self) -> Client:
        return Client(self.ledger.client(kit.KEY))

    async def weak_key(self, *scopes: str) -> Client:
        """Return a key that holds these scopes alone."""
        made = await self.post("/v1/api-keys", {"label": "weak", "scopes": list(scopes)})
        return Client(self.ledger.client(made["secret"]))

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make something with the organization's key."""
        answer = await self.key.send("POST", path, json=body)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made


def a_name(kind: str = "name") -> str:
    """Return a name that no other test uses."""
    return f"{kind} {next(_names)}"


def an_email() -> str:
    return f"person{next(_names)}@example.com"


@contextlib.asynccontextmanager
async def installed(
    database: conftest.TestDatabase, home: Path, **given: Any
) -> AsyncIterator[tuple[bootstrap.Services, kit.Installation]]:
    """Run an installation in this process, with everything switched on and no limits in the way."""
    registry.load()
    defaults = {
        "sign_up": "open",
        "rate_sign_in_per_min": 100_000,
        "rate_public_per_min": 100_000,
        "rate_verify_per_min": 100_000,
        "rate_free_per_s": 100_000,
        "public_url": "http://ledger.test",
        "clerk_webhook_secret": CLERK_SECRET,
    }
    with standins.running() as providers:
        async with _installed(benches.configure(database, home, **{**defaults, **providers.settings, **given})) as made:
            yield made


@contextlib.asynccontextmanager
async def _installed(configuration: settings.Settings) -> AsyncIterator[tuple[bootstrap.Services, kit.Installation]]:
    addresses = reach.given(configuration)
    assert addresses is not None
    async with (
        bootstrap.build(configuration, addresses, application="test-contract") as built,
        passwords.opened(argon2.profiles.CHEAPEST) as cheap,
    ):
        mailbox = kit.Mailbox()
        services = dataclasses.replace(built, passwords=cheap, mailer=mailbox)
        async with services.database.transaction() as uow:
            made = await house.ensure(uow, at=clock.now(), email=kit.OWNER, password_hash=await cheap.hash(kit.PASSWORD), api_key=kit.KEY)
        assert made.owner_id is not None
        app = create.create_app(services)
        async with app.running():
            ledger = kit.Installation(
                services=services,
                transport=httpx2.ASGITransport(app=app),
                house_id=made.organization_id,
                owner_id=made.owner_id,
                mailbox=mailbox,
            )
            try:
                yield services, ledger
            finally:
                for client in ledger.clients:
                    await client.aclose()


async def make(ledger: kit.Installation, *, sandbox: bool = False) -> World:
    """Open an organization and let its owner in."""
    given = {"sandbox": True, "clock_start": SANDBOX_START} if sandbox else {}
    organization, client = await ledger.open_organization(name=a_name("organization"), **given)
    email = an_email()
    browser = await ledger.join(client, email, role="owner")
    return World(ledger=ledger, organization=organization, key=Client(client), browser=browser, email=email)
