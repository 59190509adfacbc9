"""The file of ``--rejects``: each row that was not taken, with its reason and as it was, so that it can be mended and imported."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from carbonledger_client import errors
from carbonledger_client.importing.tally import Refusal

_REASON = ("rejected_row", "rejected_code", "rejected_detail")


class Rejects:
    """A CSV of rejected rows: the reason first, then a table's own cells or, of JSON, the whole object."""

    def __init__(self, file: TextIO | None, header: list[str] | None) -> None:
        """With no file, everything is dropped."""
        self._writer = None if file is None else csv.writer(file)
        self._is_table = header is not None
        if self._writer is not None:
            self._writer.writerow((*_REASON, *(header or ("content",))))

    @property
    def wanted(self) -> bool:
        """Whether rows have to be kept until the server answered."""
        return self._writer is not None

    def write(self, refusal: Refusal, record: Any) -> None:  # noqa: ANN401 - cells, an object, a text that is none, or nothing
        """Write one row."""
        if self._writer is None:
            return
        # The cells are left as they were, also those that a spreadsheet would run: the file is made to be mended and read again.
        cells = [] if record is None else record if self._is_table else [_as_json(record)]
        self._writer.writerow((refusal.row, refusal.code, refusal.detail, *cells))


def _as_json(record: Any) -> str:  # noqa: ANN401 - as in write
    """Return an object as JSON, or the text of what is no JSON as it was.

    Python's own encoder, since a row may be here for just what a strict one refuses: half a surrogate pair, a number past 64 bits, a deep
    nesting. Each is written so that Python's decoder, which reads documents here, gives it back; the text is ASCII whatever it says.
    """
    if isinstance(record, str):
        return record
    try:
        return json.dumps(record)
    except RecursionError:
        return ""  # nested as deep as could just be read, which is too deep to be written: the number of the row has to do


@contextmanager
def opened(place: Path | None) -> Iterator[TextIO | None]:
    """Make the file anew, readable for its owner alone: its rows may hold what people wrote. Raises ``Misused``."""
    if place is None:
        yield None
        return
    try:
        number = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise errors.Misused(f"{place} can't be written: {error.strerror}.") from error
    with os.fdopen(number, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield file
