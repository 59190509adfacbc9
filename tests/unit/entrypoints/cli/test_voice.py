"""What ``up`` says: in order to whoever reads, and never in the way of the process when nobody does."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Iterator

import pytest

from carbonledger.entrypoints.cli import voice
from tests import until

PIPE_BYTES = 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):  # a test has closed it
            os.close(descriptor)


def fill(writing: int) -> None:
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * PIPE_BYTES)
    os.set_blocking(writing, True)


def read_until(reading: int, last: bytes) -> bytes:
    read = b""
    while last not in read:
        read += os.read(reading, 1 << 16)
    return read


def test_lines_come_in_their_order_and_without_colours_where_no_terminal_is(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with voice.Voice(out=writing, err=writing) as spoken:
        spoken.say("\x1b[1mready\x1b[0m é")
        spoken.forward("api", b"a line \xff")
        spoken.say("stopped", err=True)

    assert os.read(reading, 1 << 16) == "ready é\n".encode() + b"a line \xff\nstopped\n"


def test_a_reader_that_left_costs_what_is_said_and_nothing_else(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(reading)
    with voice.Voice(out=writing, err=writing) as spoken:
        spoken.say("ready")
        spoken.forward("api", b"a line")

    assert not spoken._thread.is_alive()  # it has tried, and ended in order


def test_a_full_disk_costs_the_lines_that_it_did_not_take_only(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = pipe
    write = os.write

    def refused(descriptor: int, line: bytes) -> int:
        if bytes(line) == b"lost\n":
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, line)

    monkeypatch.setattr(os, "write", refused)
    with voice.Voice(out=writing, err=writing) as spoken:
        spoken.say("lost")
        spoken.say("kept")

    assert os.read(reading, 1 << 16) == b"kept\n"


def test_a_reader_that_stalls_costs_lines_whose_number_is_told_once_it_reads_on(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    fill(writing)
    spoken = voice.Voice(out=writing, err=writing, room_bytes=100)
    for _ in range(30):
        spoken.forward("api", b"123456789")
    spoken.say("Stopping")  # our own line still finds room

    read = read_until(reading, b"missing here")
    spoken.close()

    kept = read.count(b"123456789\n")
    found = re.search(rb"(\d+) lines of output are missing here", read)
    assert found is not None
    assert 10 <= kept <= 11  # as many as there is room for, and perhaps one that was being written
    assert kept + int(found[1]) == 30
    assert read.index(b"Stopping") < read.index(b"missing")


def test_the_end_does_not_wait_for_a_reader_that_stalls(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    fill(writing)
    spoken = voice.Voice(out=writing, err=writing, last_words_s=0.01)
    spoken.say("Stopped.")

    spoken.close()

    assert any(thread.name == "voice" and thread.is_alive() for thread in threading.enumerate())  # it hangs; we do not


def test_a_descriptor_that_others_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    fill(writing)
    os.set_blocking(writing, False)
    spoken = voice.Voice(out=writing, err=writing)
    spoken.say("late")

    assert read_until(reading, b"late\n").endswith(b"late\n")
    spoken.close()
    until.holds_now(lambda: not spoken._thread.is_alive())
