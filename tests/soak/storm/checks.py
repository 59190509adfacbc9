"""What is asked of the installation itself after the storm: that it came back, that its work is done, and that the database is whole."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from carbonledger.infra.postgres import folder as folders
from carbonledger.infra.postgres import state
from tests.soak.storm import client as clients
from tests.soak.storm import family as families
from tests.soak.storm import found, pacing
from tests.soak.storm.book import Book, Kind
from tests.soak.storm.facts import Letter
from tests.soak.storm.writers import Tenant

SAMPLE = 100  # links and keys that are tried one by one
_PROGRAM_S = 120.0
_TIDY_S = 15.0
_ASKED = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def is_ready(http: httpx2.AsyncClient, family: families.Family) -> bool:
    """Say whether every part lives and the service says that it can work."""
    if await asyncio.to_thread(lambda: any(family.find(victim) is None for victim in families.Victim)):
        return False
    try:
        return (await http.get("/health/ready")).status_code == 200
    except httpx2.TransportError:
        return False  # asked again, until the deadline


async def is_drained(home: Path) -> bool:
    """Say whether no job is queued or running."""
    try:
        async with found.connected(home) as conn:
            return await found.under_way(conn) == 0
    except _ASKED:
        return False  # asked again, until the deadline


async def tidiness(home: Path, family: families.Family) -> list[str]:
    """Return what stays left over: processes, transactions, locks. What is just ending gets its time."""
    words: list[str] = []

    async def is_tidy() -> bool:
        async with found.connected(home) as conn:
            words[:] = [*family.strays(), *await found.left_open(conn)]
        return not words

    await pacing.holds(is_tidy, deadline_s=_TIDY_S)
    return words


async def links(client: clients.Client, book: Book, letters: tuple[Letter, ...], rng: random.Random) -> list[str]:
    """Try the link in the last letter of some invitations that are open."""
    last = {letter.to: letter for letter in letters}
    openly = [thing for thing in book.things if thing.kind is Kind.INVITATION and thing.is_live and thing.label in last]
    words = []
    for thing in rng.sample(openly, min(SAMPLE, len(openly))):
        body = {"token": last[thing.label].token}
        answer = await client.ask("POST", "/v1/invitations/offer", body=body, takes=frozenset({400, 404, 409, 410, 422}))
        if answer.status != 200 or answer.body["email"] != thing.label:
            words.append(f"the link last mailed to {thing.label} does not work: {answer.status} {answer.body}")
    return words


async def keys(client: clients.Client, book: Book, tenants: list[Tenant], rng: random.Random) -> list[str]:
    """Try some API keys: those that live open their organization, those that were revoked open nothing."""
    ids = {tenant.name: tenant.id for tenant in tenants}
    made = [thing for thing in book.things if thing.kind is Kind.API_KEY and thing.under_way is None]
    words = []
    for thing in rng.sample(made, min(SAMPLE, len(made))):
        answer = await client.ask("GET", "/v1/organizations/me", token=thing.value, takes=frozenset({401}))
        if (answer.status == 401) is not thing.is_ended or (not thing.is_ended and answer.body["id"] != ids[thing.organization]):
            words.append(f"api_key {thing.id} is {'ended' if thing.is_ended else 'live'} and was answered {answer.status}")
    return words


# --- the database's own programs


async def amcheck(home: Path) -> tuple[str, list[str]]:
    """Check every table and index with ``pg_amcheck`` where the server has the extension; else read every row, as a dump does.

    Returns what was done, and what was wrong.
    """
    async with found.connected(home) as conn:
        is_there = await conn.fetchval("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck')")
    if is_there:
        options = ["--install-missing", "--heapallindexed", "--parent-check"]
        return "pg_amcheck of every table and index", await _run(home, "pg_amcheck", *options)
    return "every row read by pg_dump (this server has no amcheck)", await _run(home, "pg_dump", "--file", os.devnull)


async def _run(home: Path, program: str, *options: str) -> list[str]:
    server = found.server(home)
    environ = {
        **os.environ,
        "PGHOST": server["host"],
        "PGPORT": str(server["port"]),
        "PGUSER": server["user"],
        "PGPASSWORD": server["password"],
        "PGDATABASE": server["database"],
    }
    return await asyncio.to_thread(_finish, program, [_bin_dir(home) / program, *options], environ)


def checksums(home: Path) -> list[str]:
    """Check every page of the stopped server's data against its checksum."""
    return _finish(
        "pg_checksums", [_bin_dir(home) / "pg_checksums", "--check", "-D", folders.Folder(home / "postgres").data], dict(os.environ)
    )


def _finish(name: str, argv: list[str | Path], environ: dict[str, str]) -> list[str]:
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=_PROGRAM_S, check=False)
    return [f"{name} ended with {done.returncode}: {(done.stderr + done.stdout)[-2000:]}"] if done.returncode else []


def _bin_dir(home: Path) -> Path:
    told = state.read(folders.Folder(home / "postgres").state)
    assert told is not None, "the server ran, so its supervisor has written its state"
    return Path(told.bin_dir)


def unwell(answer: Mapping[str, Any]) -> list[str]:
    """Return what ``/health/ready`` says of parts that are not well."""
    return [f"/health/ready says of {name}: {part}" for name, part in answer["parts"].items() if part["status"] != "ok"]
