"""Finds out who calls, from a key, a JWT or a session's cookie, and remembers keys for a moment.

What is remembered lives two seconds at most, is dropped by NOTIFY when anything of its organization changes, and is neither kept nor
used while this process can't hear such messages. A sandbox organization is never remembered, because its clock must be seen at once.
Sessions and JWTs are looked up each time: signing out counts from the next request on. That a credential was used is written down
here too, after the request and at most once a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import callers as identity_callers
from carbonledger.entrypoints.shared import cookies as session_cookies
from carbonledger.infra import crypto, db, notify

_log = structlog.get_logger(__name__)

KEPT_FOR: Final = timedelta(seconds=2)  # what a listener that is cut off without knowing it may cost
KEPT_MAX: Final = 10_000  # keys in use in two seconds; about 1 kB each
_TOUCH_DELAY_S: Final = 0.5  # uses are gathered this long, so that a burst of new keys is one statement
_JWT_MAX_CHARS: Final = 8192  # more than any issuer's; bounds what is decoded before the signature is known to be good
_BEARER: Final = "bearer "


@dataclass(slots=True)
class _Remembered:
    found: identity_callers.Recognized
    since: datetime


class Callers:
    """Identifies callers. One for each process; made by ``opened``."""

    def __init__(self, database: db.Database, *, is_listening: Callable[[], bool], is_https: bool, trust: types.Trust | None) -> None:
        self._database = database
        self._is_listening = is_listening
        self._is_https = is_https
        self._trust = trust
        self._remembered: dict[bytes, _Remembered] = {}
        self._digests: dict[UUID, set[bytes]] = {}
        self._changes = 0
        self._used: dict[tuple[str, UUID], datetime] = {}
        self._written: dict[UUID, datetime] = {}
        self._was_used = asyncio.Event()

    async def identify(self, *, authorization: str | None, cookies: Mapping[str, str], at: datetime) -> types.Caller:
        """Return the caller. Raises ``CredentialsMissing``, ``OrganizationUnknown``, ``IssuerUnavailable``."""
        if authorization is not None:
            found = await self._by_bearer(authorization, at)
        else:
            token = session_cookies.session_token(cookies, is_https=self._is_https)
            if token is None:
                raise types.CredentialsMissing("Send an API key as Authorization: Bearer, or sign in.")
            async with self._database.transaction(read_only=True) as uow:
                found = await identity_callers.by_session(uow, token=token, at=at)
        if found.is_worth_touching(at):
            self._note_use(found.caller, at)
        return found.caller

    async def _by_bearer(self, authorization: str, at: datetime) -> identity_callers.Recognized:
        scheme, credential = authorization[: len(_BEARER)], authorization[len(_BEARER) :].strip()
        if scheme.lower() != _BEARER:
            raise types.CredentialsMissing("Write the header as Authorization: Bearer <key or token>.")
        if crypto.is_api_key(credential):
            return await self._by_key(credential, at)
        if self._trust is None or credential.count(".") != 2 or len(credential) > _JWT_MAX_CHARS:  # noqa: PLR2004 - a JWS has three parts
            raise types.CredentialsMissing("The bearer is neither an API key nor a token of an issuer that is trusted here.")
        claims = await self._trust.tokens.verify(credential, at=at)
        async with self._database.transaction(read_only=True) as uow:
            return await identity_callers.by_claims(
                uow, claims=claims, issuer=self._trust.issuer, organization_claim=self._trust.organization_claim
            )

    async def _by_key(self, key: str, at: datetime) -> identity_callers.Recognized:
        digest = crypto.digest(key)
        known = self._remembered.get(digest)
        if known is not None:
            if known.since <= at < known.since + KEPT_FOR and known.found.is_valid(at) and self._is_listening():
                return known.found
            self._forget_key(digest)
        before = self._changes
        async with self._database.transaction(read_only=True) as uow:
            found = await identity_callers.by_key(uow, key=key, at=at)
        # A change that was announced while we looked may be newer than what we saw.
        if before == self._changes and not found.caller.is_sandbox and self._is_listening():
            self._remember(digest, _Remembered(found, at))
        return found

    # --- what is remembered

    def _remember(self, digest: bytes, known: _Remembered) -> None:
        if len(self._remembered) >= KEPT_MAX:
            self.forget_all()
        self._remembered[digest] = known
        self._digests.setdefault(known.found.caller.organization_id, set()).add(digest)

    def _forget_key(self, digest: bytes) -> None:
        known = self._remembered.pop(digest, None)
        if known is not None:
            organization_id = known.found.caller.organization_id
            digests = self._digests[organization_id]
            digests.discard(digest)
            if not digests:
                del self._digests[organization_id]

    def forget(self, organization: str) -> None:
        """Forget the keys of an organization, of which something has changed."""
        self._changes += 1
        try:
            digests = self._digests.pop(UUID(organization), set())
        except ValueError:
            _log.warning("callers.announcement_unreadable")
            self.forget_all()
            return
        for digest in digests:
            self._remembered.pop(digest, None)

    def forget_all(self) -> None:
        """Forget every key: announcements may have been missed."""
        self._changes += 1
        self._remembered.clear()
        self._digests.clear()

    # --- that a credential was used

    def _note_use(self, caller: types.Caller, at: datetime) -> None:
        written = self._written.get(caller.credential_id)
        if written is None or not written <= at < written + identity_callers.TOUCH_EVERY:
            self._written[caller.credential_id] = at
            self._used[caller.credential, caller.credential_id] = at
            self._was_used.set()

    async def write_uses(self) -> None:
        """Write down, until cancelled, that credentials were used."""
        while True:
            await self._was_used.wait()
            await asyncio.sleep(_TOUCH_DELAY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write down what is gathered. What can't be written now is left out: the next use a minute later tells the same."""
        self._was_used.clear()
        used, self._used = self._used, {}
        if len(self._written) > KEPT_MAX:
            self._written.clear()
        if not used:
            return
        keys = tuple(credential_id for kind, credential_id in used if kind == "key")
        sessions = tuple(credential_id for kind, credential_id in used if kind == "session")
        try:
            async with self._database.transaction() as uow:
                await identity_callers.touch(uow, key_ids=keys, session_ids=sessions, at=max(used.values()))
        except Exception:
            _log.exception("callers.uses_not_written", credentials=len(used))  # the task must outlive a database that is away


@contextlib.asynccontextmanager
async def opened(
    database: db.Database, *, notifications: notify.Notifications, is_https: bool, trust: types.Trust | None = None
) -> AsyncIterator[Callers]:
    """Identify callers while the block runs."""
    callers = Callers(database, is_listening=lambda: notifications.hears(identity_callers.CHANNEL), is_https=is_https, trust=trust)
    unsubscribe = notifications.subscribe(identity_callers.CHANNEL, callers.forget, on_lost=callers.forget_all)
    writing = asyncio.create_task(callers.write_uses(), name="callers")
    try:
        yield callers
    finally:
        unsubscribe()
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        await callers.flush()
