"""The demo, as a stranger starts it: three providers read for 60 days, and the ledger's tokens are those of the raw traces.

What it must come to is computed by ``trace_totals.py``, a program that reads the raw files and the assignment table, and knows none of our
code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psutil
import pytest

from tests import installation, until

BUCKETS = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
READ = {"active"}
READ_DEADLINE_S = 600.0  # 60 days of three providers take 20 s on an idle machine


@pytest.fixture
def demo() -> Iterator[installation.Installation]:
    with installation.new_home() as home, installation.up(home, demo=True) as running:
        yield running


class Demo:
    """The demo's API and the control of its stand-ins."""

    def __init__(self, running: installation.Installation) -> None:
        self.running = running
        self.note = json.loads((running.home / "demo.json").read_text())
        environments = [process.environ() for process in psutil.Process(running.process.pid).children(recursive=True)]
        self.control = next(found["CARBONLEDGER_DEMO_URL"] for found in environments if "CARBONLEDGER_DEMO_URL" in found) + "/control"

    def get(self, path: str) -> dict[str, Any]:
        return self._answered("GET", path, 200)

    def post(self, path: str, status: int) -> dict[str, Any]:
        return self._answered("POST", path, status)

    def _answered(self, method: str, path: str, expected: int) -> dict[str, Any]:
        status, body = self.running.request(method, path, headers={"Authorization": f"Bearer {self.note['api_key']}"})
        assert status == expected, body
        answer: dict[str, Any] = body
        return answer

    def set_clock(self, now: datetime) -> None:
        body = json.dumps({"now": now.isoformat(), "frozen": True}).encode()
        request = urllib.request.Request(f"{self.control}/clock", data=body, headers={"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=until.DEADLINE_S) as answer:  # noqa: S310 - the stand-ins' own address
            assert answer.status == 200

    def connections(self) -> dict[str, dict[str, Any]]:
        return {one["label"]: one for one in self.get("/v1/connections")["data"]}

    def all_read(self) -> bool:
        found = self.connections()
        return all(one["state"] in READ for label, one in found.items() if "old" not in label)

    def job_ended(self, job: dict[str, Any]) -> bool:
        return bool(self.get(job["status_url"])["state"] == "succeeded")


def expected(anchor: date) -> dict[tuple[str, str], dict[str, int]]:
    """Tokens by provider and model before the anchor day, by the independent script."""
    script = installation.ROOT / "tests/journeys/trace_totals.py"
    command = [sys.executable, "-P", str(script), "--anchor", str(anchor), "--until", f"{anchor}T00:00:00Z"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {
        (provider, model): {name: counts[name] for name in BUCKETS} for provider, models in told.items() for model, counts in models.items()
    }


def test_the_ledger_has_exactly_the_tokens_of_the_traces(demo: installation.Installation) -> None:
    shown = Demo(demo)
    anchor = date.fromisoformat(shown.note["anchor"])
    until.holds_now(shown.all_read, deadline_s=READ_DEADLINE_S)
    # One hour of the day before tells a call more when it is read again; by then the day is told whole, too.
    shown.set_clock(datetime.combine(anchor + timedelta(days=1), datetime.min.time(), UTC))
    job = shown.post(f"/v1/connections/{shown.connections()['OpenAI']['id']}/sync", 202)
    until.holds_now(lambda: shown.job_ended(job), deadline_s=READ_DEADLINE_S)

    period = f"from={anchor - timedelta(days=60)}T00:00:00Z&to={anchor}T00:00:00Z"
    summary = shown.get(f"/v1/telemetry/summary?{period}")
    told = {(row["provider"], row["model"]): {name: row["tokens"][name] for name in BUCKETS} for row in summary["by_model"] if row["model"]}
    wanted = expected(anchor)
    assert told.keys() == wanted.keys()
    assert {key: {name: count or 0 for name, count in counts.items()} for key, counts in told.items()} == wanted

    # The stand-in charges by its own rate card, ours is the price book: what is reported is beside it, for each of the days.
    costs = shown.get(f"/v1/connections/{shown.connections()['OpenAI']['id']}/costs?{period}")["days"]
    assert [day["date"] for day in costs] == [str(anchor - timedelta(days=back)) for back in range(len(costs), 0, -1)]
    assert len(costs) >= 59
    assert all(Decimal(day["reported"]["amount"]) > 0 and day["difference"] is not None for day in costs)

    until.holds_now(lambda: shown.connections()["OpenAI, old account"]["state"] == "error", deadline_s=READ_DEADLINE_S)
    revoked = shown.connections()["OpenAI, old account"]
    assert revoked["last_error"]["words"], "said in words"


def test_killing_it_leaves_no_stand_in_behind(demo: installation.Installation) -> None:
    family = demo.family()
    assert any("carbonledger_sandbox" in " ".join(process.cmdline()) for process in family)
    demo.process.kill()
    until.holds_now(lambda: installation.alive(family) == [], deadline_s=installation.STOP_DEADLINE_S)
