"""What is kept of a connection: itself, how far each of its streams was read, and what each time bucket said last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.connections.types.states import State

LABEL_CHARS_MAX: Final = 100
ACCOUNT_CHARS_MAX: Final = 200  # of a provider's id of an account; those that are known have less than forty
WORDS_CHARS_MAX: Final = 1000  # of an error, as it is kept


@dataclass(frozen=True, slots=True)
class LastError:
    """Why the last poll that failed did: the fault's code, its words for people, and when."""

    code: str
    words: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One account at a provider. Times are the organization's, but for ``synced_at``, which a limit counts from.

    ``account``: the provider's own id of it; None: not told. ``secret_id`` None: it was deleted. ``failures``: failed polls in a row.
    ``reads_from``: nothing before it is read. ``covers_direct``: it is the authority for what is also sent directly of this provider.
    """

    id: UUID
    provider: str
    account: str | None
    label: str
    secret_id: UUID | None
    key_hint: str | None
    workload_id: UUID
    state: State
    failures: int
    last_error: LastError | None
    last_polled_at: datetime | None
    next_poll_at: datetime | None
    reads_from: datetime
    covers_direct: bool
    synced_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    def lag_s(self, now: datetime) -> int | None:
        """Return the seconds since everything was last read to its end; None: not yet."""
        return None if self.last_polled_at is None else max(int((now - self.last_polled_at).total_seconds()), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """How far one stream was read: all of ``[read_from, read_to)``, both None before its first window.

    ``is_read``: the key may read it. ``polled_at``: when it was last read to its end, and ``polled_by`` in which job.
    ``refused``: why the provider does not show it, in words. ``open_from``: the start of its earliest bucket that is still provisional.
    """

    stream: str
    is_read: bool = True
    read_from: datetime | None = None
    read_to: datetime | None = None
    polled_at: datetime | None = None
    polled_by: UUID | None = None
    refused: str | None = None
    open_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class ToldRow:
    """A row as it is known again: all but its counts. Of an activity ``event`` is set, of tokens ``model``."""

    digest: str
    model: str | None = None
    event: str | None = None
    batch: bool = False
    service_tier: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBucket:
    """What a time bucket said when it was last read. ``told`` holds every row it ever had, by digest.

    ``payload_digest`` names the page (SHA-256 of the provider's answer) that its present content came with.
    """

    starts_at: datetime
    payload_digest: bytes
    content_digest: bytes
    told: tuple[ToldRow, ...]
    read_at: datetime
    is_final: bool
    revisions: int


class StoredCost(NamedTuple):
    """A cost as the provider reported it last: ``amount`` in major units of ``currency``. Revision 0 is what it said first."""

    starts_at: datetime
    digest: str
    revision: int
    amount: Decimal
    currency: str
    quantity: Decimal | None
    unit: str | None
    read_at: datetime
    width_s: int
    item: str | None
    model: str | None
    dimensions: list[list[str]]


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection with what is shown beside it: its project, and its streams by name."""

    connection: Connection
    project_id: UUID
    streams: tuple[StreamState, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """How an organization's connections are: how many in each state, and some of those that fail or are stopped, oldest error first."""

    counts: Mapping[State, int]
    ailing: tuple[Connection, ...]

    @property
    def read(self) -> int:
        """How many are read as they should be."""
        return self.counts.get(State.ACTIVE, 0)

    @property
    def reading_back(self) -> int:
        """Of how many the past is being read."""
        return self.counts.get(State.READING_BACK, 0)

    @property
    def failing(self) -> int:
        """How many somebody should look at."""
        return self.counts.get(State.ERROR, 0) + self.counts.get(State.STOPPED, 0)


@dataclass(frozen=True, slots=True)
class Polls:
    """How the polls of the whole installation are: connections that are polled, and when one was last read to its end."""

    connections: int
    last_polled_at: datetime | None


class Unread(NamedTuple):
    """A connection that was not read to the end of a time: how far all of its streams were (None: one not at all), and its last error."""

    connection_id: UUID
    provider: str
    read_to: datetime | None
    code: str | None
