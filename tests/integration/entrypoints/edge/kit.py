"""A small API on the real framework and a real database, to try the framework with: what it does around an endpoint shows in its effects.

An effect is one more ``x`` at the end of the organization's name, so that effects can be counted. Callers are stubs: the bearer says which
organization and what kind of caller.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import structlog
from fastapi import Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from carbonledger import bootstrap
from carbonledger.domains.identity import types as identity_types
from carbonledger.entrypoints.asgi import application
from carbonledger.entrypoints.rest import health, routing, shapes
from carbonledger.entrypoints.shared import access, gate
from carbonledger.infra import crypto, reach, settings
from carbonledger.kernel import actor, errors, page
from tests import conftest

ID = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")
SECRET = "cl_live_0123456789abcdef0123456789abcdef"
VAULT_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

router = routing.Router(prefix="/v1/things", tag="Things")


class Odd(errors.Conflict):
    """The thing is odd."""

    code = "thing_odd"


class TokensIn(shapes.In):
    """Nested fields."""

    output: int = Field(ge=0, le=1_000_000)


class ThingIn(shapes.In):
    """What the small API takes."""

    name: str = Field(min_length=1, max_length=20)
    count: int = Field(default=1, ge=0, le=10)
    tokens: TokensIn | None = None
    labels: list[Annotated[str, Field(max_length=10)]] = Field(default_factory=list, max_length=300)
    properties: dict[str, Any] = Field(default_factory=dict)


class ThingOut(shapes.Out):
    """What the small API gives."""

    id: UUID
    name: str


class SecretOut(shapes.Out):
    """An answer that holds a secret."""

    id: UUID
    secret: str


_REQUEST = {"name": "lamp"}
_RESPONSE = {"id": str(ID), "name": "lamp"}


async def effect(call: routing.Call) -> None:
    await call.uow.conn.execute("UPDATE organizations SET name = name || 'x' WHERE id = $1", call.caller.organization_id)


async def effects(database: conftest.TestDatabase, organization_id: UUID) -> int:
    """How often the small API did what it does."""
    conn = await asyncpg.connect(database.superuser)
    try:
        name: str = await conn.fetchval("SELECT name FROM organizations WHERE id = $1", organization_id)
        return name.count("x")
    finally:
        await conn.close()


@router.post(
    "",
    access=access.scope("api_keys:write"),
    status_code=201,
    large=True,
    operation_id="createThing",
    summary="Make a thing",
    examples={"request": _REQUEST, "response": _RESPONSE},
    errors=(Odd,),
)
async def create_thing(call: routing.CallDep, body: ThingIn) -> ThingOut:
    await effect(call)
    if body.name == "odd":
        raise Odd("It has an effect, and then fails.")
    if body.name == "broken":
        raise ValueError(f"a detail that must not be told: {SECRET}")
    if body.name == "die before commit":
        os._exit(9)
    if body.name == "die after commit":
        call.uow.after_commit(lambda: os._exit(9))
    thing_id = uuid4()
    call.created(f"/v1/things/{thing_id}")
    return ThingOut(id=thing_id, name=body.name)


@router.post(
    "/secret",
    access=access.scope("api_keys:write"),
    status_code=201,
    seals_answer=True,
    operation_id="createSecret",
    summary="Make a secret",
    examples={"response": {"id": str(ID), "secret": SECRET}},
)
async def create_secret(call: routing.CallDep) -> SecretOut:
    await effect(call)
    call.created(f"/v1/things/{ID}")
    return SecretOut(id=ID, secret=SECRET)


@router.post(
    "/{thing_id}/touch", access=access.scope("api_keys:write"), status_code=204, operation_id="touchThing", summary="Touch a thing"
)
async def touch_thing(call: routing.CallDep, thing_id: UUID) -> None:
    assert thing_id.int
    await effect(call)


@router.get(
    "",
    access=access.scope("api_keys:read"),
    operation_id="listThings",
    summary="List things",
    examples={"response": {"data": [_RESPONSE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_things(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> shapes.ListOut[ThingOut]:
    asked = call.page(limit=limit, cursor=cursor, parts=1)
    return shapes.ListOut[ThingOut](data=[ThingOut(id=ID, name=str(asked.limit))], next_cursor=None)


@router.get(
    "/mine",
    access=access.caller(),
    operation_id="getMine",
    summary="Who calls",
    examples={"response": _RESPONSE},
)
async def get_mine(call: routing.CallDep) -> ThingOut:
    name: str = await call.uow.conn.fetchval("SELECT name FROM organizations")
    return ThingOut(id=call.caller.organization_id, name=name)


@router.get(
    "/carried",
    access=access.caller(),
    transaction=False,
    operation_id="getCarried",
    summary="What trace goes on",
    examples={"response": _RESPONSE},
)
async def get_carried(call: routing.CallDep) -> ThingOut:
    assert call.request_id == structlog.contextvars.get_contextvars()["request_id"]
    return ThingOut(id=ID, name=structlog.contextvars.get_contextvars()["traceparent"])


@router.get(
    "/now", access=access.caller(), transaction=False, operation_id="getNow", summary="What day it is", examples={"response": _RESPONSE}
)
async def get_now(call: routing.CallDep) -> ThingOut:
    return ThingOut(id=ID, name=call.now.date().isoformat())


@router.post("/house", access=access.house("organizations:write"), operation_id="houseThing", summary="For the house", idempotent=False)
async def house_thing(call: routing.CallDep) -> None:
    assert call.caller.is_house


@router.post(
    "/raw",
    access=access.public(limit="public"),
    transaction=False,
    raw=("application/octet-stream",),
    ingest=True,
    operation_id="rawThing",
    summary="Count bytes",
    examples={"response": {"id": str(ID), "name": "12"}},
)
async def raw_thing(call: routing.CallDep) -> ThingOut:
    return ThingOut(id=ID, name=str(len(call.body)))


@router.post("/sign-in", access=access.public(limit="sign_in"), transaction=False, operation_id="signInThing", summary="Sign in")
async def sign_in_thing(call: routing.CallDep) -> None:
    assert call.actor.kind is actor.ActorKind.ANONYMOUS


@router.get(
    "/cached",
    access=access.public(limit="public"),
    transaction=False,
    cache_s=60,
    operation_id="cachedThing",
    summary="May be kept",
    examples={"response": _RESPONSE},
)
async def cached_thing(call: routing.CallDep) -> ThingOut:
    return ThingOut(id=ID, name=call.exchange.address)


@router.get("/stream", access=access.caller(), transaction=False, answers=("text/plain",), operation_id="streamThing", summary="A stream")
async def stream_thing(call: routing.CallDep) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"part "

    assert call.caller.organization_id.int
    return StreamingResponse(parts(), media_type="text/plain")


class StubCallers:
    """``Bearer <organization>[:tier][:word…]``: words are ``house``, ``sandbox``, ``session``, ``jwt``, ``few`` (scopes) and ``none``."""

    async def identify(self, *, authorization: str | None, cookies: Mapping[str, str], at: datetime) -> identity_types.Caller:
        bearer = (authorization or "").removeprefix("Bearer ") or cookies.get("session", "")
        organization, *words = bearer.split(":")
        try:
            organization_id = UUID(organization)
        except ValueError:
            raise identity_types.CredentialsMissing from None
        tiers = [tier for tier in identity_types.Tier if tier.value in words]
        scopes = frozenset({"api_keys:write"} if "few" in words else ()) if {"few", "none"} & {*words} else identity_types.SCOPE_NAMES
        return identity_types.Caller(
            actor=actor.Actor(kind=actor.ActorKind.API_KEY, id=ID, organization_id=organization_id, scopes=scopes),
            tier=tiers[0] if tiers else identity_types.Tier.ENTERPRISE,
            is_house="house" in words,
            is_sandbox="sandbox" in words,
            clock_at=datetime.fromisoformat("2020-02-02T00:00:00Z") if "sandbox" in words else None,
            time_zone="UTC",
            credential="session" if "session" in cookies else "jwt" if "jwt" in words else "key",
            credential_id=ID,
            csrf_token="csrf-of-the-session" if "session" in cookies else None,
        )


@contextlib.asynccontextmanager
async def opened(services: bootstrap.Services) -> AsyncIterator[routing.Edge]:
    yield routing.Edge(services=services, gate=gate.Gate(StubCallers(), services.limiter, services.settings))


def configure(database: conftest.TestDatabase, home: Path, **given: Any) -> settings.Settings:
    addresses = {"DATABASE_URL": database.owner, "app_database_url": database.app}
    return settings.Settings.model_validate({"home": home, "vault_keys": VAULT_KEY, **addresses, **given})


@contextlib.asynccontextmanager
async def running(configuration: settings.Settings) -> AsyncIterator[application.Application]:
    """Run the small API in this process."""
    addresses = reach.given(configuration)
    assert addresses is not None
    async with bootstrap.build(configuration, addresses, application="test-edge") as services:
        app = make_app(services)
        async with app.running():
            yield app


def make_app(services: bootstrap.Services) -> application.Application:
    return application.Application(services, routes=[*router.routes, *health.router.routes], opener=opened)


@contextlib.asynccontextmanager
async def client(
    configuration: settings.Settings, bearer: object = None, *, peer: str = "203.0.113.9"
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the small API, in this process, that seems to call from ``peer``."""
    headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
    async with running(configuration) as app:
        transport = httpx2.ASGITransport(app=app, client=(peer, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://edge.test", headers=headers) as opened_client:
            yield opened_client


def sealer() -> crypto.Sealer:
    return crypto.Sealer(crypto.parse_keys(crypto.SecretText(VAULT_KEY)))


@contextlib.contextmanager
def served(database: conftest.TestDatabase, home: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Serve the small API in a process of its own; give its port and the process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "tests.integration.entrypoints.edge.serving", str(listener.fileno()), str(home)]
        with subprocess.Popen(command, cwd=conftest.ROOT, stdin=subprocess.PIPE, pass_fds=[listener.fileno()]) as child:
            assert child.stdin is not None
            child.stdin.write(f"{database.owner}\n{database.app}\n".encode())
            child.stdin.close()
            try:
                yield listener.getsockname()[1], child
            finally:
                child.kill()
