"""Whoever reads what ``up`` says can neither stop it nor keep it from stopping."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from tests import installation, until


def leave(reading: int, _: int) -> None:
    """Be ``up 2>&1 | head``."""
    os.close(reading)


def stall(_: int, writing: int) -> None:
    """Be ``up 2>&1 | less`` on its first page."""
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x")
    os.set_blocking(writing, True)


def has_api(parent: int, *, other_than: int) -> bool:
    for child in psutil.Process(parent).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if "api" in child.cmdline() and child.pid != other_than:
                return True
    return False


@pytest.mark.parametrize("become", [leave, stall])
def test_up_goes_on_and_stops_in_order_without_a_reader(become: Callable[[int, int], None]) -> None:
    reading, writing = os.pipe()
    with installation.new_home() as home:
        environment = installation.environment(home, {})
        command = [sys.executable, *installation.COMMAND, "up"]
        process = subprocess.Popen(command, env=environment, stdout=writing, stderr=writing, cwd="/")
        try:
            said = b""
            while installation.READY.encode() not in said:
                said += os.read(reading, 1 << 16)
            become(reading, writing)

            [api] = [child for child in psutil.Process(process.pid).children() if "api" in child.cmdline()]
            family = psutil.Process(process.pid).children(recursive=True)
            api.kill()  # of which up has something to say

            until.holds_now(lambda: has_api(process.pid, other_than=api.pid))
            process.send_signal(signal.SIGTERM)

            assert process.wait(installation.STOP_DEADLINE_S) == 0
            assert installation.alive(family) == []
        finally:
            process.kill()
            process.wait()
            for descriptor in (reading, writing):
                with contextlib.suppress(OSError):  # it has left
                    os.close(descriptor)
