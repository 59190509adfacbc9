"""Rows of the staging table in the form that COPY reads fastest: PostgreSQL's binary one (its manual, "COPY", File Formats).

Owns the staging table's columns and their bytes. What is the same for many rows stands at a row's end, so that it is packed once for
all of them; numerics, of which few rows have one, travel as text.
"""

from __future__ import annotations

import functools
import itertools
import operator
import struct
from collections.abc import Callable, Iterable, Sequence
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
_US: Final = timedelta(microseconds=1)
_NULL: Final = b"\xff\xff\xff\xff"
_int4 = struct.Struct("!ii").pack
_int8 = struct.Struct("!iq").pack
_length = struct.Struct("!i").pack
_HEAD: Final = struct.pack("!hi", _FIELDS, 16)
_EIGHT: Final = _length(8)
Numbers = list[int] | int | None
"""A number in each of many rows, or the one that all have in common; None: unknown."""


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


def instant(at_us: int) -> datetime:
    """Return the instant, in UTC, of ``microseconds``."""
    return EPOCH + timedelta(microseconds=at_us)


def all_microseconds(instants: Iterable[datetime]) -> list[int]:
    """Return ``microseconds`` of each."""
    epoch, unit = EPOCH, _US
    return [(at - epoch) // unit for at in instants]


def row(staged: Staged) -> bytes:
    """Return the bytes of a row."""
    numbers = (microseconds(staged.occurred_at), *staged[5:11], staged.requests, staged.cost_pico)
    [packed] = rows([staged.id.bytes], [staged.idempotency_key], numbers, [staged.properties], tail(staged))
    return packed


def rows(
    ids: Sequence[bytes], keys: Sequence[str], numbers: Sequence[Numbers], properties: Sequence[str | None], end: bytes
) -> list[bytes]:
    """Return the bytes of each of the rows that have ``end``, a ``tail``, in common. Bytes of rows sort as their ids do.

    ``numbers``: the time as ``microseconds``, six counts, requests and pico-USD, each a list for all rows or what they have in common.
    """
    names = list(map(str.encode, keys))
    lengths = list(map(len, names))
    is_told = set(properties) != {None}
    form, columns = _formed(numbers, b"" if is_told else _NULL + end)
    # One call of C makes a row but for its properties: the key alone varies in length, and each length has a packer.
    packers = {length: _packer(f"!{len(_HEAD)}s16si{length}s{form}") for length in set(lengths)}
    packed = map(operator.call, map(packers.__getitem__, lengths), itertools.repeat(_HEAD), ids, lengths, names, *columns)
    if not is_told:
        return list(packed)
    return [start + (_NULL if text is None else _text(text)) + end for start, text in zip(packed, properties, strict=True)]


def _formed(numbers: Sequence[Numbers], end: bytes) -> tuple[str, list[Iterable[int | bytes]]]:
    """Return the form of numbers and an end, and what fills it: lengths, and what rows have in common, are bytes between what varies."""
    form, between = "", b""
    columns: list[Iterable[int | bytes]] = []
    for number in numbers:
        if isinstance(number, list):
            between += _EIGHT
            form += f"{len(between)}sq"
            columns += [itertools.repeat(between), number]
            between = b""
        else:
            between += _bigint(number)
    between += end
    return f"{form}{len(between)}s", [*columns, itertools.repeat(between)]


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


@functools.lru_cache(maxsize=4096)
def _packer(form: str) -> Callable[..., bytes]:
    return struct.Struct(form).pack


def _bigint(number: int | None) -> bytes:
    return _NULL if number is None else _int8(8, number)


def _integer(number: int | None) -> bytes:
    return _NULL if number is None else _int4(4, number)


def _decimal(number: Decimal | None) -> bytes:
    return _NULL if number is None else _text(str(number))


def _text(text: str) -> bytes:
    raw = text.encode()
    return _length(len(raw)) + raw
