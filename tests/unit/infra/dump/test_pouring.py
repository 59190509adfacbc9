"""What is poured into a program: whatever becomes of the source, the program is told that no more will come."""

from __future__ import annotations

import errno
import io
import os
from typing import IO, cast

from carbonledger.infra.dump import restoring


class Failing(io.RawIOBase):
    """A file on a disk that fails after its first block."""

    def __init__(self) -> None:
        self._blocks = [b"the first block"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the one kind of buffer that is asked for here
        if not self._blocks:
            raise OSError(errno.EIO, "Input/output error")
        block = self._blocks.pop()
        buffer[: len(block)] = block
        return len(block)


def test_a_source_that_fails_ends_the_target_and_is_told() -> None:
    read, write = os.pipe()
    failed: list[OSError] = []
    with os.fdopen(write, "wb") as target:
        restoring._pour(cast("IO[bytes]", Failing()), target, failed)
        assert target.closed
    with os.fdopen(read, "rb") as reader:
        assert reader.read() == b"the first block"  # and its end
    assert [error.errno for error in failed] == [errno.EIO]


def test_a_reader_that_left_says_why_itself() -> None:
    read, write = os.pipe()
    os.close(read)
    failed: list[OSError] = []
    with os.fdopen(write, "wb") as target:
        restoring._pour(io.BytesIO(b"x" * (1 << 20)), target, failed)
        assert target.closed
    assert failed == []
