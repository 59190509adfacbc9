"""An installation in this process: its own database, the whole web application, letters that are kept, jobs that run when asked to."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import argon2
import httpx2
import pytest

from carbonledger import bootstrap
from carbonledger.domains.identity.service import house
from carbonledger.entrypoints.asgi import create
from carbonledger.infra import clock, mail, passwords, reach
from tests import conftest
from tests.integration.entrypoints.worker import conftest as benches

KEY = "cl_live_" + "h" * 40
OWNER, PASSWORD = "ann@example.com", "plenty of quiet otters"
COOKIE = "carbonledger_session"
_LINK = re.compile(r"https?://\S+[?]token=([0-9A-Za-z]{43})")


class Mailbox:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.letters: list[mail.Message] = []

    async def send(self, message: mail.Message, *, now: datetime) -> None:
        del now
        self.letters.append(message)

    def token(self, to: str) -> str:
        """Return the token of the link in the last letter to ``to``."""
        links = [_LINK.search(letter.text) for letter in self.letters if letter.to == to]
        last = [found for found in links if found is not None][-1]
        return last[1]


class Browser:
    """Somebody's browser: keeps the cookie, repeats the CSRF token."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.csrf: str | None = None

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {} if self.csrf is None else {"x-csrf-token": self.csrf}
        answer = await self.client.request(method, path, headers={**headers, **options.pop("headers", {})}, **options)
        if answer.is_success and answer.content and isinstance(answer.json(), dict) and "csrf_token" in answer.json():
            self.csrf = answer.json()["csrf_token"]
        return answer

    async def sign_in(self, email: str = OWNER, password: str = PASSWORD, **more: Any) -> httpx2.Response:
        return await self.send("POST", "/v1/auth/login", json={"email": email, "password": password, **more})


@dataclass(slots=True)
class Installation:
    """A running installation and ways to reach it."""

    services: bootstrap.Services
    transport: httpx2.ASGITransport
    house_id: UUID
    owner_id: UUID
    mailbox: Mailbox
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self, key: str | None = None) -> httpx2.AsyncClient:
        """Return a client, with a key or without."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        made = httpx2.AsyncClient(transport=self.transport, base_url="http://ledger.test", headers=headers)
        self.clients.append(made)
        return made

    def browser(self) -> Browser:
        return Browser(self.client())

    async def open_organization(self, **given: Any) -> tuple[dict[str, Any], httpx2.AsyncClient]:
        """Open an organization with a key of all scopes, and return it with a client of that key."""
        asked = {"name": "Customer", "first_key": {"scopes": ["*"]}, **given}
        answer = await self.client(KEY).post("/v1/organizations", json=asked)
        assert answer.status_code == 201, answer.text
        return answer.json(), self.client(answer.json()["first_key"]["secret"])

    async def new_member(self, email: str, *, role: str = "owner") -> tuple[dict[str, Any], Browser]:
        """Open an organization whose first member accepted an invitation, and return it with their browser."""
        made, client = await self.open_organization(name=f"Of {email}")
        browser = await self.join(client, email, role=role)
        return made, browser

    async def join(self, client: httpx2.AsyncClient, email: str, *, role: str) -> Browser:
        """Let somebody join, invited with the key of ``client`` or, as an owner, by the operator."""
        if role == "owner":
            organization_id = UUID((await client.get("/v1/organizations/me")).json()["id"])
            token = await self.invite_owner(organization_id, email)
        else:
            answer = await client.post("/v1/invitations", json={"email": email, "role": role})
            assert answer.status_code == 201, answer.text
            await self.run_jobs()
            token = self.mailbox.token(email)
        browser = self.browser()
        answer = await browser.send(
            "POST", "/v1/invitations/accept-as-new", json={"token": token, "name": email.partition("@")[0], "password": PASSWORD}
        )
        assert answer.status_code == 201, answer.text
        return browser

    async def invite_owner(self, organization_id: UUID, email: str) -> str:
        from carbonledger.domains.identity.service import callers, invitations
        from carbonledger.kernel.actor import Role

        now = clock.now()
        async with self.services.database.transaction(organization_id) as uow:
            made = await invitations.invite(
                uow,
                actor=callers.operator_actor(organization_id),
                now=now,
                at=now,
                organization_id=organization_id,
                email=email,
                role=Role.OWNER,
                by_mail=False,
            )
        assert made.token is not None
        return made.token

    async def run_jobs(self) -> int:
        """Run what is due until nothing is left, and return how many jobs that were."""
        bench = benches.Bench(services=self.services, organization_id=self.house_id)
        count = 0
        while ran := await bench.run_once():
            count += ran
        return count


Opener = Callable[..., Awaitable[Installation]]


@pytest.fixture
async def install(fresh_database: conftest.TestDatabase, tmp_path: Path) -> AsyncIterator[Opener]:
    """Return a function that starts an installation with these settings (``mailer=False``: without a mail server)."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, mailer: bool = True, replaced: dict[str, Any] | None = None, **given: Any) -> Installation:
            defaults = {"rate_sign_in_per_min": 100_000, "rate_free_per_s": 100_000, "public_url": "http://ledger.test"}
            configuration = benches.configure(fresh_database, tmp_path, **{**defaults, **given})
            addresses = reach.given(configuration)
            assert addresses is not None
            built = await stack.enter_async_context(bootstrap.build(configuration, addresses, application="test-rest"))
            cheap = await stack.enter_async_context(passwords.opened(argon2.profiles.CHEAPEST))
            mailbox = Mailbox()
            services = dataclasses.replace(built, passwords=cheap, mailer=mailbox if mailer else None, **(replaced or {}))
            password_hash = await cheap.hash(PASSWORD)
            async with services.database.transaction() as uow:
                made = await house.ensure(uow, at=clock.now(), email=OWNER, password_hash=password_hash, api_key=KEY)
            app = create.create_app(services)
            await stack.enter_async_context(app.running())
            assert made.owner_id is not None
            running = Installation(
                services=services,
                transport=httpx2.ASGITransport(app=app),
                house_id=made.organization_id,
                owner_id=made.owner_id,
                mailbox=mailbox,
            )
            stack.push_async_callback(_close, running)
            return running

        yield start


async def _close(running: Installation) -> None:
    for client in running.clients:
        await client.aclose()


@pytest.fixture
async def ledger(install: Opener) -> Installation:
    """Return an installation with a mail server."""
    return await install()
