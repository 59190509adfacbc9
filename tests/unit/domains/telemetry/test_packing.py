"""Rows of the staging table are what PostgreSQL's manual says that COPY reads (COPY, File Formats, Binary Format)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from uuid import UUID

from carbonledger.domains.telemetry.store import packing

AT = datetime(2000, 1, 1, 0, 0, 1, 5, tzinfo=UTC)  # 1,000,005 us after PostgreSQL's epoch
FIRST, SECOND = UUID(int=2**127 + 5), UUID(int=7)


def staged(event_id: UUID, key: str, *, output: int | None, cost_pico: int | None, properties: str | None) -> packing.Staged:
    counts = (10, 0, None, None, output, None)
    unknown = (None, None, None, None, None, None)
    return packing.Staged(event_id, key, 9, AT, 0, *counts, *unknown, 1, None, cost_pico, None, 3, None, "EUR", 4, 5, 6, properties)


def field(raw: bytes | None) -> bytes:
    """A field as the manual has it: its length in bytes, then these; -1 and nothing for a null."""
    return struct.pack("!i", -1) if raw is None else struct.pack("!i", len(raw)) + raw


def bigint(number: int | None) -> bytes:
    return field(None if number is None else struct.pack("!q", number))


def integer(number: int) -> bytes:
    return field(struct.pack("!i", number))


def written(event_id: UUID, key: str, *, output: int | None, cost_pico: int | None, properties: str | None) -> bytes:
    """The same row by hand, in the order of ``packing.COLUMNS``."""
    numbers = (10, 0, None, None, output, None, 1, cost_pico)
    return b"".join(
        (
            struct.pack("!h", 28),
            field(event_id.bytes),
            field(key.encode()),
            bigint(1_000_005),
            *map(bigint, numbers),
            field(None if properties is None else properties.encode()),
            bigint(9),
            integer(0),
            *(field(None) for _ in range(6)),
            field(None),  # quantity
            field(None),  # cost_large
            integer(3),
            field(None),  # reported_cost
            field(b"EUR"),
            integer(4),
            integer(5),
            integer(6),
        )
    )


def test_a_row_is_the_bytes_that_the_manual_describes() -> None:
    for properties in (None, '{"a": "ü"}'):
        row = staged(FIRST, "schlüssel", output=7, cost_pico=2**62, properties=properties)
        assert packing.row(row) == written(FIRST, "schlüssel", output=7, cost_pico=2**62, properties=properties)


def test_rows_together_are_those_that_each_would_be_whatever_their_keys_and_properties() -> None:
    ids, keys, outputs, costs = (FIRST, SECOND, UUID(int=9)), ("a", "ähnlich", "a" * 200), [7, 0, 2**53 - 1], [1, 2, 3]
    tail = packing.tail(staged(FIRST, "a", output=7, cost_pico=1, properties=None))
    for properties in ([None, None, None], [None, '{"b": 1}', None]):
        numbers = ([1_000_005] * 3, 10, 0, None, None, outputs, None, 1, costs)
        found = packing.rows([event_id.bytes for event_id in ids], keys, numbers, properties, tail)
        assert found == [
            written(event_id, key, output=output, cost_pico=cost, properties=told)
            for event_id, key, output, cost, told in zip(ids, keys, outputs, costs, properties, strict=True)
        ]


def test_rows_sort_by_id() -> None:
    rows = [packing.row(staged(event_id, key, output=1, cost_pico=1, properties=None)) for event_id, key in ((FIRST, "a"), (SECOND, "zz"))]
    assert sorted(rows) == [rows[1], rows[0]]
