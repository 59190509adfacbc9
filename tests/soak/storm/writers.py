"""The load: clients that make, change, end, read back and repeat, and write into the book what they were told.

Each works on what it made itself, one request at a time, so that what must be there is known exactly. The amounts are bounded by time
(a pause after each request) and, for what an organization may have only so many of, by a count.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.soak.storm import client as clients
from tests.soak.storm import pacing
from tests.soak.storm.book import REFUSED, Ask, Book, Kind, Thing

_REFUSED_SHARE = 0.1
_PAUSE_MAX_S = 0.04
_PENDING_MAX = 60  # invitations of one writer: an organization may have a thousand
_SCOPES = ["organization:read", "llm_keys:read"]
_PATHS = {Kind.LLM_KEY: "/v1/llm-keys", Kind.API_KEY: "/v1/api-keys", Kind.INVITATION: "/v1/invitations"}
_PAGE = 200
_REPEATABLE = 20


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization of the run, and its key."""

    name: str
    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A POST that was answered, to be sent once more."""

    path: str
    body: dict[str, Any]
    key: str
    id: str


class Writer:
    """One client that writes."""

    def __init__(self, name: str, tenant: Tenant, client: clients.Client, book: Book, rng: random.Random) -> None:
        self._name = name
        self._tenant = tenant
        self._client = client
        self._book = book
        self._rng = rng
        self._count = 0
        self._live: dict[Kind, list[Thing]] = {kind: [] for kind in Kind}
        self._ended: deque[Thing] = deque(maxlen=_REPEATABLE)
        self._sent: deque[Sent] = deque(maxlen=_REPEATABLE)
        acts: dict[Callable[[], Awaitable[None]], int] = {
            self._make_llm_key: 20,
            self._rotate: 18,
            self._end_llm_key: 8,
            self._make_api_key: 14,
            self._end_api_key: 5,
            self._invite: 7,
            self._withdraw: 2,
            self._look: 20,
            self._use_api_key: 3,
            self._repeat: 3,
        }
        self._acts, self._weights = list(acts), list(acts.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; what is under way then is brought to its end."""
        while not stop.is_set():
            [act] = self._rng.choices(self._acts, self._weights)
            try:
                await act()
            except clients.Refused as refusal:
                self._surprise(str(refusal))
            except clients.NeverAnswered as silence:
                self._surprise(str(silence))
                return
            await pacing.pause(self._rng.uniform(0.0, _PAUSE_MAX_S))

    def _surprise(self, words: str) -> None:
        self._book.surprises.append(f"{self._name}: {words}")

    def _label(self) -> str:
        self._count += 1
        return f"{self._name}-{self._count}"

    # --- making

    async def _make_llm_key(self) -> None:
        label, value = self._label(), self._value()
        thing = await self._make(Kind.LLM_KEY, label, {"provider": "openai", "label": label, "api_key": value})
        thing.value = value

    async def _make_api_key(self) -> None:
        label = self._label()
        await self._make(Kind.API_KEY, label, {"label": label, "scopes": _SCOPES})

    async def _invite(self) -> None:
        if len(self._live[Kind.INVITATION]) >= _PENDING_MAX:
            await self._withdraw()
        label = (REFUSED if self._rng.random() < _REFUSED_SHARE else "") + self._label() + "@example.com"
        await self._make(Kind.INVITATION, label, {"email": label, "role": "viewer"})

    async def _make(self, kind: Kind, label: str, body: dict[str, Any]) -> Thing:
        thing = self._book.begin(kind, self._tenant.name, label)
        answer = await self._post(_PATHS[kind], body)
        thing.id, thing.under_way = answer.body["id"], None
        thing.value = answer.body.get("secret", "")
        self._live[kind].append(thing)
        return thing

    async def _post(self, path: str, body: dict[str, Any]) -> clients.Answer:
        key = self._label()
        answer = await self._client.ask("POST", path, token=self._tenant.token, body=body, key=key)
        self._sent.append(Sent(path, body, key, answer.body["id"]))
        return answer

    def _value(self) -> str:
        return f"sk-soak-{self._rng.randbytes(16).hex()}"

    # --- changing

    async def _rotate(self) -> None:
        thing = self._take(Kind.LLM_KEY)
        if thing is None:
            return await self._make_llm_key()
        thing.under_way, value = Ask.ROTATE, self._value()
        answer = await self._post(f"{_PATHS[Kind.LLM_KEY]}/{thing.id}/rotate", {"api_key": value})
        thing.value, thing.under_way = value, None
        thing.rotations += 1
        self._live[Kind.LLM_KEY].append(thing)
        self._check_hint(thing, answer.body)
        return None

    def _take(self, kind: Kind) -> Thing | None:
        """Take one of one's own out of the live ones; whoever ends well puts it back."""
        own = self._live[kind]
        return own.pop(self._rng.randrange(len(own))) if own else None

    def _check_hint(self, thing: Thing, shown: dict[str, Any]) -> None:
        if shown["key_hint"] != thing.value[-4:]:
            self._surprise(f"{thing.kind.value} {thing.id} shows {shown['key_hint']}, acknowledged was {thing.value[-4:]}")

    # --- ending

    async def _end_llm_key(self) -> None:
        await self._end(Kind.LLM_KEY)

    async def _end_api_key(self) -> None:
        await self._end(Kind.API_KEY)

    async def _withdraw(self) -> None:
        await self._end(Kind.INVITATION)

    async def _end(self, kind: Kind) -> None:
        thing = self._take(kind)
        if thing is None:
            return
        thing.under_way = Ask.END
        answer = await self._client.ask("DELETE", f"{_PATHS[kind]}/{thing.id}", token=self._tenant.token, takes=frozenset({404}))
        thing.is_ended, thing.under_way = True, None
        self._ended.append(thing)
        # A deletion has no idempotency key: that it was done already shows as 404, but only when it was sent before.
        if answer.status == 404 and (answer.sent == 1 or kind is not Kind.LLM_KEY):
            self._surprise(f"{kind.value} {thing.id} was acknowledged and then not found at sending {answer.sent}")

    # --- reading back

    async def _look(self) -> None:
        kind = self._rng.choice(list(Kind))
        if kind is Kind.LLM_KEY:
            return await self._look_at_llm_keys()
        thing = self._rng.choice([*self._live[kind][-_REPEATABLE:], *(ended for ended in self._ended if ended.kind is kind)] or [None])
        if thing is None:
            return None
        shown = (await self._get(f"{_PATHS[kind]}/{thing.id}")).body
        is_ended = shown["revoked_at"] is not None if kind is Kind.API_KEY else shown["state"] != "pending"
        if is_ended is not thing.is_ended:
            self._surprise(f"{kind.value} {thing.id} was {'ended' if thing.is_ended else 'made'} and acknowledged, and is shown as {shown}")
        return None

    async def _look_at_llm_keys(self) -> None:
        """Look at the newest page: what I made or changed is there as acknowledged, what I deleted is not."""
        listed = (await self._get(f"{_PATHS[Kind.LLM_KEY]}?limit={_PAGE}")).body["data"]
        shown = {row["id"]: row for row in listed}
        oldest = listed[-1]["id"] if len(listed) == _PAGE else ""  # ids grow with time
        for thing in self._live[Kind.LLM_KEY]:
            if thing.id in shown:
                self._check_hint(thing, shown[thing.id])
            elif thing.id > oldest:
                self._surprise(f"llm_key {thing.id} was acknowledged and is not in the list")
        for thing in self._ended:
            if thing.id in shown:
                self._surprise(f"llm_key {thing.id} was deleted and is in the list")

    async def _get(self, path: str, *, token: str | None = None) -> clients.Answer:
        return await self._client.ask("GET", path, token=token or self._tenant.token)

    async def _use_api_key(self) -> None:
        own = self._live[Kind.API_KEY]
        if own:
            shown = (await self._get("/v1/organizations/me", token=self._rng.choice(own).value)).body
            if shown["id"] != self._tenant.id:
                self._surprise(f"a key of {self._tenant.id} was taken for one of {shown['id']}")

    async def _repeat(self) -> None:
        """Send an answered POST once more, as a client does that lost the answer."""
        if not self._sent:
            return
        old = self._rng.choice(list(self._sent))
        answer = await self._client.ask("POST", old.path, token=self._tenant.token, body=old.body, key=old.key)
        if not answer.is_replay or answer.body["id"] != old.id:
            self._surprise(f"POST {old.path} with key {old.key} was done again: {old.id}, then {answer.body['id']}")
