"""Tables as Apache Parquet, by pyarrow, a row group at a time.

Decimals are ``decimal128(38, 12)`` for money and ``decimal128(38, 18)`` for energy, CO2e and water, so nothing is rounded; times are
microseconds in UTC. pyarrow takes 50 MB and a second to load, so that waits for the first table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from carbonledger.domains.telemetry.types.exports import Columns, Kind, Row

GROUP_ROWS: Final = 20_000  # some 20 MB while it is written


class Parquet:
    """Makes Parquet tables."""

    def writer(self, columns: Columns) -> _Writer:
        """Return the writer of one table."""
        return _Writer(columns)


class _Sink:
    """A file that is only ever written to: what was written is taken away."""

    def __init__(self) -> None:
        self.closed = False
        self._parts: list[bytes] = []
        self._position = 0

    def write(self, data: Any) -> int:  # noqa: ANN401 - bytes or a buffer of pyarrow's
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole


class _Writer:
    """Writes one table."""

    def __init__(self, columns: Columns) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types; see the module's docstring
        from pyarrow import parquet  # noqa: PLC0415 - as above

        self._pa = pa
        kinds = {
            Kind.TEXT: pa.string(),
            Kind.WORD: pa.string(),
            Kind.INTEGER: pa.int64(),
            Kind.FLAG: pa.bool_(),
            Kind.INSTANT: pa.timestamp("us", tz="UTC"),
            Kind.MONEY: pa.decimal128(38, 12),
            Kind.AMOUNT: pa.decimal128(38, 18),
        }
        self._schema = pa.schema([pa.field(column.name, kinds[column.kind]) for column in columns])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Any] = []  # batches of a row group: as columns they take half of what they take as rows of objects
        self._rows = 0

    def begin(self) -> bytes:
        """Return the format's mark."""
        return self._sink.taken()

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Take rows, and return the row group that they complete, if any."""
        if rows:
            columns = zip(*rows, strict=True)
            arrays = [self._array(list(values), field.type) for values, field in zip(columns, self._schema, strict=True)]
            self._waiting.append(self._pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows += len(rows)
        if self._rows >= GROUP_ROWS:
            self._write()
        return self._sink.taken()

    def end(self) -> bytes:
        """Return the last row group and the footer."""
        if self._waiting:
            self._write()
        self._writer.close()
        return self._sink.taken()

    def _write(self) -> None:
        self._writer.write_table(self._pa.Table.from_batches(self._waiting, schema=self._schema))
        self._waiting, self._rows = [], 0

    def _array(self, values: list[Any], kind: Any) -> Any:  # noqa: ANN401 - pyarrow's own
        if self._pa.types.is_decimal(kind):  # from their texts, exactly: a cast that would round raises
            return self._pa.array(values, type=self._pa.string()).cast(kind)
        return self._pa.array(values, type=kind)
