"""The stand-ins of the usage APIs as a program: it says where it listens, serves over HTTP, and stops when told."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import carbonledger_sandbox
from tests import until

SOURCE = str(Path(carbonledger_sandbox.__file__).parents[1])
KEY = {"authorization": "Bearer sk-admin-demo-openai"}
COSTS = "/openai/v1/organization/costs?start_time=1795478400&limit=1"
MEMORY_MAX = 150 * 2**20


@pytest.fixture
def program() -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-m", "carbonledger_sandbox", "--port", "0", "--anchor", "2026-11-25", "--now", "2026-11-25T12:00:00Z"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SOURCE})
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def get(ready: dict[str, Any], path: str, *, method: str = "GET", body: str | None = None) -> tuple[int, bytes]:
    """Status and body of one request, on a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection(ready["address"].removeprefix("http://"), timeout=until.DEADLINE_S)) as connection:
        connection.request(method, path, body, KEY)
        with connection.getresponse() as response:
            return response.status, response.read()


def test_it_tells_its_addresses_serves_and_stops_in_order(program: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    process, ready = program
    address = ready["address"]
    assert ready == {
        "address": address,
        "openai": f"{address}/openai",
        "anthropic": f"{address}/anthropic",
        "openrouter": f"{address}/openrouter",
        "stripe": f"{address}/stripe",
        "control": f"{address}/control",
        "anchor_day": "2026-11-25",
    }
    page = json.loads(get(ready, COSTS)[1])
    assert page["data"][0]["results"][0]["amount"]["value"] > 0
    assert psutil.Process(process.pid).memory_info().rss < MEMORY_MAX
    process.send_signal(signal.SIGTERM)
    until.holds_now(lambda: process.poll() is not None)
    assert process.returncode == 0


def test_an_answer_may_break_off(program: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    _, ready = program
    get(ready, "/control/failures", method="POST", body='{"provider": "openai", "kind": "short_body"}')
    with pytest.raises(http.client.IncompleteRead):
        get(ready, COSTS)
    assert get(ready, COSTS)[0] == 200
