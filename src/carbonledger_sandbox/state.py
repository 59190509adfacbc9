"""What the stand-ins of the usage APIs remember: their clock, their keys, what may be seen already, and what is to go wrong.

Owns the rules of time: a call is seen once the clock has passed it by the lag; a revision hides the last calls of an hour until that
hour has been read; what vanished is seen no more. Everything can be set through ``control``.
"""

from __future__ import annotations

import bisect
import json
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from carbonledger_sandbox import calls, traces

LAG_S = 600
REQUESTS_KEPT = 1000
_ACCOUNTS = uuid.UUID("b1d0c5a4-6e2f-4d38-8a97-3c5f0e9b7a12")  # of the ids that providers give accounts


class Clock:
    """The stand-ins' time in Unix seconds: it runs with the machine's, or stands still."""

    def __init__(self, now_s: int, *, frozen: bool) -> None:
        self.set(now_s, frozen=frozen)

    def set(self, now_s: int, *, frozen: bool) -> None:
        """Go to an instant."""
        self._from_s = now_s
        self._since = time.monotonic()
        self.frozen = frozen

    def now_s(self) -> int:
        """Return the present second."""
        return self._from_s if self.frozen else self._from_s + int(time.monotonic() - self._since)


@dataclass(slots=True)
class Key:
    """A key of an account: kind ``admin`` reads usage, ``project`` only calls models."""

    key: str
    provider: str
    account: str
    kind: str
    revoked: bool


@dataclass(slots=True)
class Revision:
    """The last ``rows`` calls of an application's hour stay hidden until ``after_s`` have passed since somebody read the hour."""

    application: str
    day: int
    hour: int
    rows: int = 1
    after_s: int = 0
    read_at_s: int | None = None


@dataclass(slots=True)
class Vanished:
    """An application's hour that is reported no more."""

    application: str
    day: int
    hour: int


@dataclass(slots=True)
class Failure:
    """What goes wrong with the next ``times`` answers of a provider whose path contains a text, after ``skip`` good ones."""

    provider: str
    kind: str
    times: int = 1
    skip: int = 0
    containing: str = ""
    retry_after_s: int | None = None
    delay_s: float = 0
    path: tuple[str | int, ...] = ()
    value: Any = None


@dataclass
class State:
    """Everything that the stand-ins share. ``midnight_s`` is the start of the anchor day (UTC), whose calls are the last."""

    clock: Clock
    midnight_s: int
    lag_s: int = LAG_S
    keys: dict[str, Key] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    vanished: list[Vanished] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    last_bodies: dict[str, bytes] = field(default_factory=dict)  # by provider and path, for a page that repeats
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)  # of climate products, by id, as they were made
    order_keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # idempotency key: the body, and the order that it made
    accounts: dict[str, Any] = field(default_factory=dict)
    by_account: dict[str, list[calls.Call]] = field(default_factory=dict)
    times: dict[str, list[int]] = field(default_factory=dict)

    def reset(self) -> None:
        """Go back to how the demo starts; clock and anchor stay."""
        self.accounts = json.loads(traces.shipped("accounts.json"))
        self.keys = {entry["key"]: Key(**entry) for entry in self.accounts["keys"]}
        self.revisions = [Revision(**entry) for entry in self.accounts["revisions"]]
        self.lag_s = LAG_S
        for forgotten in (self.vanished, self.failures, self.requests, self.last_bodies, self.orders, self.order_keys):
            forgotten.clear()

    def seen(self, account: str, start_s: int, end_s: int) -> Iterator[calls.Call]:
        """Yield the calls in ``[start_s, end_s)`` (Unix) that the provider tells of by now, by time."""
        known, times = self.by_account.get(account, []), self.times.get(account, [])
        until_s = min(end_s, self.clock.now_s() - self.lag_s) - self.midnight_s
        hidden = {(gone.application, gone.day, gone.hour): calls.DAY_S for gone in self.vanished}
        for revision in self.revisions:
            if revision.read_at_s is None or self.clock.now_s() < revision.read_at_s + revision.after_s:
                place = (revision.application, revision.day, revision.hour)
                hidden[place] = max(revision.rows, hidden.get(place, 0))
        for call in known[bisect.bisect_left(times, start_s - self.midnight_s) : bisect.bisect_left(times, until_s)]:
            if call.rank_from_end > hidden.get((call.application.name, call.day, call.hour), 0):
                yield call

    def mark_read(self, account: str, start_s: int, end_s: int) -> None:
        """Note that somebody has been told of ``[start_s, end_s)``: revisions in it may come true."""
        known = {call.application.name for call in self.by_account.get(account, [])}
        for revision in self.revisions:
            at_s = self.midnight_s + revision.day * calls.DAY_S + revision.hour * calls.HOUR_S
            if revision.read_at_s is None and revision.application in known and start_s <= at_s < end_s:
                revision.read_at_s = self.clock.now_s()

    def failure(self, provider: str, path: str) -> Failure | None:
        """Use up and return the failure that holds for this request."""
        for failure in self.failures:
            if failure.provider == provider and failure.times > 0 and failure.containing in path:
                if failure.skip > 0:
                    failure.skip -= 1
                    continue
                failure.times -= 1
                return failure
        return None


def account_id(account: str) -> uuid.UUID:
    """Return the id of an account, the same whichever of its keys asks."""
    return uuid.uuid5(_ACCOUNTS, account)


def midnight_s(instant: datetime) -> int:
    """Return the start of an instant's day (UTC) in Unix seconds."""
    return int(instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def load(*, anchor: datetime, now: datetime, frozen: bool) -> State:
    """Read the traces and start the clock."""
    state = State(Clock(int(now.timestamp()), frozen=frozen), midnight_s(anchor))
    for call in calls.all_calls():
        state.by_account.setdefault(call.application.account, []).append(call)
    state.times = {account: [call.at_s for call in known] for account, known in state.by_account.items()}
    state.reset()
    return state
