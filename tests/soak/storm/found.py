"""What is there when the storm is over: read through the API as its tenants see it, and from the database as nobody but a test may."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto
from carbonledger.infra.postgres import folder as folders
from carbonledger.infra.postgres import passwords, state
from carbonledger_sandbox import smtp
from tests.soak.storm import client as clients
from tests.soak.storm.book import Kind
from tests.soak.storm.facts import Event, Item, Job, Letter
from tests.soak.storm.writers import Tenant

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_PAGE = 200
_TOKEN = re.compile(r"[?]token=(\S+)")
_EVENT = re.compile(r"^Event: (\S+)", re.MULTILINE)
_LISTS = {Kind.LLM_KEY: "/v1/llm-keys", Kind.API_KEY: "/v1/api-keys", Kind.INVITATION: "/v1/invitations"}
_UNDER_WAY = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
_IDLE_FOR = "2 s"  # a transaction that is between two statements for longer, with no load on, waits for nobody
_LEFT_OPEN = f"SELECT pid, application_name, query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND now() - state_change > '{_IDLE_FOR}'"  # noqa: E501
_SECRETS = "SELECT k.id, k.organization_id, s.id AS secret_id, s.sealed FROM llm_keys k JOIN secrets s ON s.id = k.secret_id"


# --- through the API


async def items(client: clients.Client, tenant: Tenant) -> list[Item]:
    """Return everything that the organization's lists hold."""
    found = []
    for kind, path in _LISTS.items():
        found += [_item(kind, tenant.name, row) for row in await rows(client, tenant, path)]
    return found


def _item(kind: Kind, organization: str, row: Mapping[str, Any]) -> Item:
    is_ended = {Kind.API_KEY: row.get("revoked_at") is not None, Kind.INVITATION: row.get("state") != "pending"}.get(kind, False)
    label = row["email"] if kind is Kind.INVITATION else row["label"]
    return Item(kind, organization, row["id"], label or "", row.get("key_hint"), is_ended)


async def events(client: clients.Client, tenant: Tenant) -> list[Event]:
    """Return the organization's audit trail."""
    return [
        Event(row["id"], tenant.name, row["action"], row["target"]["id"], row["after"] or {})
        for row in await rows(client, tenant, "/v1/events")
    ]


async def rows(client: clients.Client, tenant: Tenant, path: str) -> list[dict[str, Any]]:
    """Return a whole list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.ask("GET", f"{path}?limit={_PAGE}" + (f"&cursor={cursor}" if cursor else ""), token=tenant.token)).body
        found += page["data"]
        cursor = page["next_cursor"]
    return found


def letters(mails: Sequence[smtp.Mail]) -> tuple[Letter, ...]:
    """Read what the mail server took."""
    return tuple(_letter(mail) for mail in mails)


def _letter(mail: smtp.Mail) -> Letter:
    message = mail.message
    text = message.get_content()
    token, event = _TOKEN.search(text), _EVENT.search(text)
    return Letter(mail.recipients[0], str(message["Message-ID"]), event[1] if event else "", token[1] if token else "")


# --- from the database


def server(home: Path) -> dict[str, Any]:
    """Return how the embedded server is reached as its superuser, without starting it if it is not there."""
    folder = folders.Folder(home / "postgres")
    told = state.read(folder.state)
    if told is None or told.status != "ready":
        raise ConnectionError("The database's supervisor does not say that it is ready.")
    word = passwords.load(folder).of("superuser")
    return {"host": told.host, "port": told.port, "user": passwords.LOGINS["superuser"], "password": word, "database": passwords.DATABASE}


@asynccontextmanager
async def connected(home: Path) -> AsyncIterator[Connection]:
    """Connect as the superuser, whom no policy holds."""
    conn: Connection = await asyncpg.connect(**server(home), timeout=10, command_timeout=60)
    try:
        yield conn
    finally:
        await conn.close(timeout=10)


async def under_way(conn: Connection) -> int:
    """Return how many jobs have not ended, and how many rows the queue holds: whichever is more."""
    return max(int(await conn.fetchval(_UNDER_WAY)), int(await conn.fetchval("SELECT count(*) FROM pgqueuer")))


async def jobs(conn: Connection) -> tuple[Job, ...]:
    """Return every job of every organization."""
    found = await conn.fetch("SELECT id, name, args, state, error, attempts FROM jobs")
    return tuple(Job(str(row["id"]), row["name"], json.loads(row["args"]), row["state"], row["error"], row["attempts"]) for row in found)


async def attempts(conn: Connection) -> Counter[str]:
    """Return how the attempts at all jobs ended."""
    found = await conn.fetch("SELECT coalesce(outcome, 'open') AS outcome, count(*) AS many FROM job_attempts GROUP BY 1")
    return Counter({row["outcome"]: row["many"] for row in found})


async def left_open(conn: Connection) -> list[str]:
    """Return, in words, transactions and locks that somebody left behind."""
    words = [
        f"{row['application_name']} ({row['pid']}) left a transaction open after: {row['query']}" for row in await conn.fetch(_LEFT_OPEN)
    ]
    held = await conn.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    prepared = await conn.fetchval("SELECT count(*) FROM pg_prepared_xacts")
    return words + ([f"{held} advisory locks are held"] if held else []) + ([f"{prepared} transactions are prepared"] if prepared else [])


async def values(conn: Connection, home: Path) -> tuple[dict[str, str], list[str]]:
    """Open every LLM key's secret, and say in words what can't be opened or belongs to nobody."""
    sealer = crypto.Sealer(crypto.KeyFile(home / "secrets" / "vault.keys"))
    opened: dict[str, str] = {}
    words = []
    for row in await conn.fetch(_SECRETS):
        bound = {"organization_id": row["organization_id"], "secret_id": row["secret_id"], "purpose": vault_types.Purpose.LLM_KEY.value}
        try:
            opened[str(row["id"])] = sealer.open(row["sealed"], **bound).reveal()
        except crypto.SealFault as fault:
            words.append(f"the secret of llm_key {row['id']} does not open: {fault}")
        if not sealer.is_current(row["sealed"]):
            words.append(f"the secret of llm_key {row['id']} is still under an old key")
    many = await conn.fetchval("SELECT count(*) FROM secrets")
    if many != len(opened):
        words.append(f"there are {many} secrets and {len(opened)} LLM keys that they belong to")
    return opened, words


async def clocks(conn: Connection) -> dict[str, str]:
    """Return what the sandboxes' clocks show, and nothing for one that is still under way."""
    found = await conn.fetch("SELECT name, clock_at FROM organizations WHERE is_sandbox AND clock_target IS NULL")
    return {row["name"]: row["clock_at"].isoformat().replace("+00:00", "Z") for row in found}
