"""An organization that has used AI for ninety days: what pictures, measurements and browser tests look at. Sent by the API."""

from __future__ import annotations

import contextlib
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests import installation, standins, until
from tests.browser import granting, selling
from tests.unit.domains.receipts import credit_files

KEY = "cl_live_" + "b" * 40
EMAIL = "ada@example.org"
PASSWORD = "correct horse battery staple"
HEADERS = {"Authorization": f"Bearer {KEY}"}
DAYS = 90
PROJECTS = ("Search", "Support assistant", "Code review", "Nightly reports", "مساعد العملاء")
# Provider, model, tokens of a usual day in thousands, share of input that a cache served, projects that use it.
MODELS = (
    ("openai", "gpt-5", 5_200, 0.45, (0, 2)),
    ("openai", "gpt-4o-mini", 14_000, 0.2, (0, 1, 3)),
    ("openai", "o3", 700, 0.1, (2,)),
    ("anthropic", "claude-sonnet-4-5", 6_400, 0.7, (1, 2)),
    ("anthropic", "claude-haiku-4-5", 3_900, 0.55, (1, 4)),
    ("google", "gemini-2.5-pro", 2_100, 0.3, (0, 3)),
    ("google", "gemini-2.5-flash", 7_000, 0.15, (3, 4)),
    ("mistral", "mistral-large-latest", 900, 0.0, (4,)),
    ("openai", "house-tuned-7", 300, 0.0, (3,)),
)
BATCH = 1_000
MONTHS = 2  # that are over at least, of ninety days
INVOICE_LINES = 5  # of one that has usage and the next period on it
LOTS = ((1, 1), (2, 40), (41, 90))  # in tonnes


@contextlib.contextmanager
def seeded(**settings: str) -> Iterator[installation.Installation]:
    """Run an installation with this usage while the block runs."""
    with started(**settings) as running:
        seed(running)
        issue(running)
        sell(running)
        yield running


@contextlib.contextmanager
def started(**settings: str) -> Iterator[installation.Installation]:
    """Run an installation whose first owner and key are known while the block runs."""
    known: dict[str, Any] = {"CARBONLEDGER_BOOTSTRAP_EMAIL": EMAIL, "CARBONLEDGER_BOOTSTRAP_API_KEY": KEY, **settings}
    with installation.new_home() as home, installation.up(home, **known) as running:
        yield running


def reading(world: standins.StandIns) -> dict[str, str]:
    """Return the settings with which an installation reads the stand-ins."""
    return {f"CARBONLEDGER_{name.upper()}": value for name, value in world.settings.items()}


def connect(running: installation.Installation, provider: str, label: str, **more: str) -> str:
    """Connect the stand-in's account by the API and return its id as soon as it has been read."""
    body = {"provider": provider, "label": label, "api_key": standins.KEYS[provider], **more}
    status, made = running.request("POST", "/v1/connections", headers=HEADERS, body=body)
    assert status == 201, made
    await_state(running, made["id"], "active")
    return str(made["id"])


def await_state(running: installation.Installation, connection_id: str, state: str) -> None:
    """Return as soon as the connection is in this state."""
    until.holds_now(
        lambda: running.request("GET", f"/v1/connections/{connection_id}", headers=HEADERS)[1]["state"] == state, deadline_s=600
    )


def seed(running: installation.Installation) -> None:
    """Make the projects and send the usage, up to this moment."""
    projects = []
    for name in PROJECTS:
        status, made = running.request("POST", "/v1/projects", headers=HEADERS, body={"name": name})
        assert status == 201, made
        projects.append(made["id"])
    events = list(usage(datetime.now(UTC), projects))
    for start in range(0, len(events), BATCH):
        status, answer = running.request("POST", "/v1/telemetry/events", headers=HEADERS, body={"events": events[start : start + BATCH]})
        assert status == 202, answer
        assert answer["rejected"] == 0, answer["results"][:3]


def issue(running: installation.Installation) -> None:
    """Import retired credits, have the months closed that are over, and return when their receipts are proven."""
    lots = {
        "csv": credit_files.written(
            *(credit_files.block(*units, retired_at=f"{datetime.now(UTC) - timedelta(days=9):%Y-%m-%d}") for units in LOTS)
        ).decode()
    }
    status, answer = running.request("POST", "/v1/credit-lots", headers=HEADERS, body=lots)
    assert status == 201, answer
    _run(running, granting.__file__)
    until.holds_now(lambda: _are_proven(receipts(running)), deadline_s=600)


def sell(running: installation.Installation) -> None:
    """Have the house sell to customers for some months."""
    _run(running, selling.__file__)


def _run(running: installation.Installation, program: str) -> None:
    environment = installation.environment(running.home, {"PYTHONPATH": str(installation.ROOT)})
    done = subprocess.run([sys.executable, "-P", program], env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _are_proven(found: list[dict[str, Any]]) -> bool:
    return len(found) >= MONTHS and all(one["is_proven"] for one in found)


def receipts(running: installation.Installation) -> list[dict[str, Any]]:
    """Return the receipts, the newest first."""
    return list(running.request("GET", "/v1/receipts", headers=HEADERS)[1]["data"])


def sold(running: installation.Installation) -> dict[str, str]:
    """Return the ids of what the house sells: an invoice of five lines with the one of its usage, and whose and what it is."""

    def every(path: str) -> list[dict[str, Any]]:
        return list(running.request("GET", path, headers=HEADERS)[1]["data"])

    invoice = next(one for one in every("/v1/invoices?limit=100") if one["lines"] == INVOICE_LINES and one["state"] == "issued")
    line = next(one for one in every(f"/v1/invoices/{invoice['id']}/lines") if one["charge"] == "pages")
    subscription = running.request("GET", f"/v1/subscriptions/{line['subscription_id']}", headers=HEADERS)[1]
    return {
        "invoice_id": invoice["id"],
        "line_id": line["id"],
        "account_id": invoice["account_id"],
        "subscription_id": subscription["id"],
        "plan_id": subscription["plan_id"],
        "meter_id": every("/v1/meters")[0]["id"],
    }


def usage(now: datetime, projects: list[str]) -> Iterator[dict[str, Any]]:
    """Yield usage that grows slowly, rests at weekends and differs from day to day."""
    chance = random.Random(7)
    for back in range(DAYS, -1, -1):
        day = now - timedelta(days=back)
        trend = (1.6 - back / DAYS) * (0.45 if day.weekday() >= 5 else 1) * (1 + 0.15 * math.sin(back / 5))
        for provider, model, thousands, cached, places in MODELS:
            for place in places:
                size = thousands * 1000 * trend * chance.uniform(0.7, 1.3) / len(places)
                yield _event(f"{back} {model} {place}", day, provider, model, int(size), cached, projects[place])


def _event(key: str, day: datetime, provider: str, model: str, tokens: int, cached: float, project: str) -> dict[str, Any]:
    output = tokens // 6
    served = int((tokens - output) * cached)
    return {
        "idempotency_key": key,
        "occurred_at": (day - timedelta(minutes=5)).isoformat(),
        "provider": provider,
        "model": model,
        "operation": "chat",
        "requests": max(1, tokens // 4_000),
        "project_id": project,
        "tokens": {
            "uncached_input": tokens - output - served,
            "cached_input": served,
            "cache_creation_5m": served // 9,
            "cache_creation_1h": 0,
            "output": output,
        },
    }
