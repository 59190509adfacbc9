"""What three customers must be billed, from the shipped traces and the ledger's export alone. Imports nothing of ours, on purpose.

Three second opinions for ``test_trace.py``: which calls of the traces a customer made (``calls``), what its provider charged for them by
the prices it publishes (``charged``), and what the ledger itself says, read from its export row by row (``exported``). A month is one of
the customer's zone. Run on an export, it prints what it found: ``python tests/journeys/billing/trace_bills.py usage.jsonl``.
"""

from __future__ import annotations

import collections
import csv
import gzip
import json
import lzma
import pathlib
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

ROOT = pathlib.Path(__file__).parents[3]
AZURE = ROOT / "tests/fixtures/traces/azure_llm_2023_conv.csv.gz"
MOONCAKE = ROOT / "src/carbonledger_sandbox/data/mooncake_conversation_first30min.jsonl.xz"
FIRST_DAY, DAYS = date(2026, 1, 1), 59  # January and February
MOONCAKE_AT = timedelta(hours=2, minutes=40)  # UTC: its half hour goes over the midnight of Sao Paulo
BLOCK = 512
ZONES = {"acme": "Europe/Berlin", "globex": "Australia/Sydney", "initech": "America/Sao_Paulo"}
MODELS = {"acme": ("openai", "gpt-4o"), "globex": ("anthropic", "claude-sonnet-4-5"), "initech": ("openai", "gpt-4o")}
# USD for a million tokens as the providers' pricing pages had them in January 2026 (openai.com/api/pricing, claude.com/pricing).
PRICES = {
    "gpt-4o": {"uncached_input": Decimal("2.50"), "cached_input": Decimal("1.25"), "output": Decimal("10.00")},
    "claude-sonnet-4-5": {"uncached_input": Decimal(3), "output": Decimal(15)},
}
Month = tuple[str, str]  # customer, month such as 2026-01


def calls() -> Iterator[tuple[str, datetime, dict[str, int]]]:
    """Yield every call: whose, when, its tokens. One call of the Azure hour after the other falls on one day after the other."""
    with gzip.open(AZURE, "rt", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            time = datetime.fromisoformat(row["TIMESTAMP"][:26]).time()  # it counts in 100 ns
            day = FIRST_DAY + timedelta(days=number // 2 % DAYS)
            tokens = {"uncached_input": int(row["ContextTokens"]), "output": int(row["GeneratedTokens"])}
            yield ("acme", "globex")[number % 2], datetime.combine(day, time, UTC), tokens
    known: set[int] = set()
    with lzma.open(MOONCAKE, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            leading = 0
            while leading < len(row["hash_ids"]) and row["hash_ids"][leading] in known:
                leading += 1
            known.update(row["hash_ids"])
            cached = min(leading * BLOCK, row["input_length"])
            day = FIRST_DAY + timedelta(days=number % DAYS)
            at = datetime.combine(day, datetime.min.time(), UTC) + MOONCAKE_AT + timedelta(milliseconds=row["timestamp"])
            yield "initech", at, {"uncached_input": row["input_length"] - cached, "cached_input": cached, "output": row["output_length"]}


def month(customer: str, at: datetime) -> Month:
    """The month in which something happened to a customer."""
    return customer, f"{at.astimezone(ZoneInfo(ZONES[customer])):%Y-%m}"


def charged(made: Iterable[tuple[str, datetime, dict[str, int]]]) -> dict[Month, dict[str, Decimal]]:
    """What the providers charged in USD, by kind of token, exactly."""
    found: dict[Month, dict[str, Decimal]] = {}
    for customer, at, tokens in made:
        costs = found.setdefault(month(customer, at), collections.defaultdict(Decimal))
        for kind, count in tokens.items():
            costs[kind] += PRICES[MODELS[customer][1]][kind] * count / 1_000_000
    return found


def exported(rows: Iterable[str]) -> dict[Month, dict[str, Decimal]]:
    """What the ledger's export says (JSON lines): events, USD of cost, grams of CO2e at their highest."""
    found: dict[Month, dict[str, Decimal]] = {}
    for text in rows:
        row: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        at = datetime.fromisoformat(str(row["occurred_at"]))
        sums = found.setdefault(month(row["account"], at), dict.fromkeys(("events", "cost", "co2e_g"), Decimal(0)))
        sums["events"] += 1
        sums["cost"] += Decimal(row["cost_amount"])
        sums["co2e_g"] += Decimal(row["co2e_g_high"])
    return found


def main() -> None:
    """Print both."""
    told = {"by the traces and published prices": charged(calls())}
    if len(sys.argv) > 1:
        told["by the export"] = exported(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())
    for title, found in told.items():
        print(title)
        for (customer, when), sums in sorted(found.items()):
            print(f"  {customer} {when}", {name: str(value) for name, value in sums.items()})


if __name__ == "__main__":
    main()
