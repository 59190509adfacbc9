"""Rows of the staging table in the form that COPY reads fastest: PostgreSQL's binary one (its manual, "COPY", File Formats).

Owns the staging table's columns and their bytes. What is the same for many rows stands at a row's end, so that it is packed once for
all of them; numerics, of which few rows have one, travel as text.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

COLUMNS: Final = """
    id uuid, idempotency_key text, occurred_at timestamptz,
    uncached_input bigint, cached_input bigint, cache_creation_5m bigint, cache_creation_1h bigint, output bigint, reasoning bigint,
    requests bigint, cost_pico bigint, properties text, series_id bigint, duration_s integer,
    audio_input bigint, image_input bigint, cached_audio_input bigint, cached_image_input bigint, audio_output bigint, image_output bigint,
    quantity text, cost_large text, cost_flags integer, reported_cost text, reported_currency text,
    emission_rate_id integer, emission_flags integer, facts integer
"""
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
_FIELDS: Final = COLUMNS.count(",") + 1
_NUMBERS: Final = 9  # from occurred_at to cost_pico
_US: Final = timedelta(microseconds=1)
_NULL: Final = b"\xff\xff\xff\xff"
_int4 = struct.Struct("!ii").pack
_int8 = struct.Struct("!iq").pack
_length = struct.Struct("!i").pack
_known = struct.Struct("!" + "iq" * _NUMBERS).pack
_head = struct.Struct("!hi16si").pack


class Staged(NamedTuple):
    """A row to be written, in the order in which its parts are compared with what stands."""

    id: UUID
    idempotency_key: str
    series_id: int
    occurred_at: datetime
    duration_s: int
    uncached_input: int | None
    cached_input: int | None
    cache_creation_5m: int | None
    cache_creation_1h: int | None
    output: int | None
    reasoning: int | None
    audio_input: int | None
    image_input: int | None
    cached_audio_input: int | None
    cached_image_input: int | None
    audio_output: int | None
    image_output: int | None
    requests: int | None
    quantity: Decimal | None
    cost_pico: int | None
    cost_large: Decimal | None
    cost_flags: int
    reported_cost: Decimal | None
    reported_currency: str | None
    emission_rate_id: int | None
    emission_flags: int
    facts: int
    properties: str | None  # JSON


def microseconds(at: datetime) -> int:
    """Return an instant as PostgreSQL counts it."""
    return (at - EPOCH) // _US


def row(staged: Staged) -> bytes:
    """Return the bytes of a row."""
    counts = (*staged[5:11], staged.requests, staged.cost_pico)
    parts = like(staged.id.bytes, staged.idempotency_key, microseconds(staged.occurred_at), counts, staged.properties)
    return b"".join((*parts, tail(staged)))


def like(event_id: bytes, key: str, at_us: int, numbers: Sequence[int | None], properties: str | None) -> tuple[bytes, ...]:
    """Return what of a row differs between events that are alike; ``tail`` follows. ``numbers``: six counts, requests, pico-USD."""
    name = key.encode()
    start = _head(_FIELDS, 16, event_id, len(name))
    told = _NULL if properties is None else _text(properties)
    if None in numbers:
        return (start, name, _int8(8, at_us), *(_bigint(number) for number in numbers), told)
    first, second, third, fourth, fifth, sixth, requests, pico = numbers
    return start, name, _known(8, at_us, 8, first, 8, second, 8, third, 8, fourth, 8, fifth, 8, sixth, 8, requests, 8, pico), told


def tail(staged: Staged) -> bytes:
    """Return what events that are alike have in common."""
    return b"".join(
        (
            _bigint(staged.series_id),
            _integer(staged.duration_s),
            *(_bigint(count) for count in staged[11:17]),
            _decimal(staged.quantity),
            _decimal(staged.cost_large),
            _integer(staged.cost_flags),
            _decimal(staged.reported_cost),
            _NULL if staged.reported_currency is None else _text(staged.reported_currency),
            _integer(staged.emission_rate_id),
            _integer(staged.emission_flags),
            _integer(staged.facts),
        )
    )


def _bigint(number: int | None) -> bytes:
    return _NULL if number is None else _int8(8, number)


def _integer(number: int | None) -> bytes:
    return _NULL if number is None else _int4(4, number)


def _decimal(number: Decimal | None) -> bytes:
    return _NULL if number is None else _text(str(number))


def _text(text: str) -> bytes:
    raw = text.encode()
    return _length(len(raw)) + raw
