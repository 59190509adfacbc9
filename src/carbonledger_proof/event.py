"""The leaf of one event inside a receipt, and why it can be shown without showing the others.

A leaf's content is the event's record in canonical JSON, with a salt of 128 bits that is made from a secret of the organization and stands
nowhere else. A proof names hashes of other leaves; without their salts nobody can try which events they are of. The leaves of a
receipt stand in the order of their ids, each id once, so two people with the same events make the same root.

The members are a published format (``docs/decisions/0015``): none is ever renamed or added, a change is another schema.
"""

from __future__ import annotations

import enum
import hmac
import itertools
import json
import operator
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from carbonledger_proof import canonical, errors, measures, merkle, shape, statement

SCHEMA = "carbon-ledger/event/v1"
SALT_BYTES = 16
SECRET_BYTES_MIN = 32
BUCKETS = (
    "uncached_input",
    "cached_input",
    "cache_creation_5m",
    "cache_creation_1h",
    "output",
    "reasoning",
    "audio_input",
    "image_input",
    "cached_audio_input",
    "cached_image_input",
    "audio_output",
    "image_output",
)
_SALT_DOMAIN = b"carbon-ledger/event-salt/v1\n"
_QUANTITY = re.compile(r"-?(0|[1-9][0-9]{0,37})(\.[0-9]{0,17}[1-9])?")
_BY_NAME = tuple(sorted(range(len(BUCKETS)), key=lambda place: BUCKETS[place]))
_in_order = operator.itemgetter(*_BY_NAME)


class Standing(enum.Enum):
    """Whether the event is in the totals."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"  # told by two sources, and counted by the other one


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What many events share. ``provider`` and ``model``, or for a metered event its name in ``event``."""

    project: UUID
    provider: str | None
    model: str | None
    event: str | None
    cost_currency: str
    cost_scale: int
    price_book: str | None  # version
    emission_rate: str | None  # SHA-256 of the published rates, in hex; None: emissions are not covered
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event at one revision. ``tokens`` are in the order of ``BUCKETS``; None is unknown. ``quantity`` is in plain digits."""

    id: UUID
    revision: int
    occurred_at: datetime
    duration_s: int
    series: Series
    requests: int | None
    tokens: tuple[int | None, ...]
    quantity: str | None
    cost_amount: int | None  # of 10^-scale of the currency; None: not covered

    def content(self, salt: bytes) -> bytes:
        """Return the content of its leaf. Raises ``StatementInvalid`` for what can't be one."""
        values = Values(
            self.id.bytes,
            self.revision,
            self.occurred_at,
            self.duration_s,
            self.requests,
            self.tokens,
            self.quantity,
            self.cost_amount,
            salt,
        )
        content = writer(self.series)(values)
        read(canonical.read_canonical(content))
        return content


class Values(NamedTuple):
    """What differs between the events of a series, as ``Event`` has it, and the salt. A tuple because one is made for every event."""

    event_id: bytes  # 16 of them
    revision: int
    occurred_at: datetime  # in UTC
    duration_s: int
    requests: int | None
    tokens: Sequence[int | None]
    quantity: str | None
    cost_amount: int | None
    salt: bytes


Writer = Callable[[Values], bytes]


def salt_of(secret: bytes, event_id: bytes, revision: int) -> bytes:
    """Return the salt of an event at a revision. ``secret`` is the organization's, never shown; ``event_id`` are the 16 bytes of the id."""
    if len(secret) < SECRET_BYTES_MIN:
        raise errors.StatementInvalid(f"The secret of salts is shorter than {SECRET_BYTES_MIN} bytes.")
    return hmac.digest(secret, _SALT_DOMAIN + event_id + struct.pack(">I", revision), "sha256")[:SALT_BYTES]


def writer(series: Series) -> Writer:
    """Return what writes the leaf contents of the events of a series, at a fraction of the time of writing each from its parts.

    It checks nothing: what is written has to be what ``Event.content`` would write.
    """
    names = ("emission_rate", "event", "model", "price_book", "provider")
    shared = {name: json.dumps(getattr(series, name), ensure_ascii=False).replace("%", "%%") for name in names}
    template = (
        f'{{"cost":%s,"duration_s":%d,"emission_rate":{shared["emission_rate"]},"event":{shared["event"]},"id":"%s-%s-%s-%s-%s",'
        f'"model":{shared["model"]},"occurred_at":"%sZ","price_book":{shared["price_book"]},"project":"{series.project}",'
        f'"provider":{shared["provider"]},"quantity":%s,"requests":%s,"revision":%d,"salt":"%s","schema":"{SCHEMA}",'
        f'"standing":"{series.standing.value}","tokens":{{{",".join(f"{chr(34)}{BUCKETS[place]}{chr(34)}:%s" for place in _BY_NAME)}}}}}'
    )
    cost = f'{{"amount":"%d","currency":"{series.cost_currency}","scale":{series.cost_scale}}}'

    def write(values: Values) -> bytes:
        event_id, revision, occurred_at, duration_s, requests, tokens, quantity, amount, salt = values
        digits = event_id.hex()
        return (
            template
            % (
                "null" if amount is None else cost % amount,
                duration_s,
                digits[:8],
                digits[8:12],
                digits[12:16],
                digits[16:20],
                digits[20:],
                occurred_at.isoformat(timespec="microseconds")[:26],
                "null" if quantity is None else f'"{quantity}"',
                "null" if requests is None else requests,
                revision,
                salt.hex(),
                *("null" if count is None else count for count in _in_order(tokens)),
            )
        ).encode()

    return write


def root(leaves: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the root over events, in hex, from their ids and leaf hashes in any order. Raises ``StatementInvalid`` for an id twice."""
    ordered = sorted(leaves)
    for (left, _), (right, _) in itertools.pairwise(ordered):
        if left == right:
            raise errors.StatementInvalid(f"Event {UUID(bytes=left)} is there twice.")
    return merkle.tree_root(hash_ for _, hash_ in ordered).hex()


_COUNT = shape.nullable(measures.COUNT)
_EVENT = shape.members(
    {
        "schema": shape.constant(SCHEMA),
        "salt": shape.text(2 * SALT_BYTES, re.compile(r"[0-9a-f]{32}")),
        "id": statement.ID,
        "revision": measures.COUNT,
        "occurred_at": shape.instant(micros=True),
        "duration_s": measures.COUNT,
        "project": statement.ID,
        "provider": shape.nullable(shape.text(64)),
        "model": shape.nullable(shape.text(256)),
        "event": shape.nullable(shape.text(64)),
        "requests": _COUNT,
        "tokens": shape.members(dict.fromkeys(BUCKETS, _COUNT)),
        "quantity": shape.nullable(shape.text(60, _QUANTITY)),
        "cost": shape.nullable(measures.COST),
        "price_book": shape.nullable(shape.text(64)),
        "emission_rate": shape.nullable(shape.hash_hex()),
        "standing": shape.choice(Standing),
    }
)


def read(value: canonical.Json) -> dict[str, Any]:
    """Return the members of a leaf, typed. Raises ``StatementInvalid``."""
    found = _EVENT.read(value)
    if (found["event"] is None) != (found["provider"] is not None and found["model"] is not None):
        shape.refuse("An event is of a provider's model, or has a name.", "/event")
    return found
