"""Rows of a table into checked, encoded items on one core, beside their limit: reading the table and encoding as many items, nothing else.

`dev.py bench importing` prints rows a second of both, their ratio and the cores. The rows are the Azure trace that the tests carry, several
times over. Sending is left out: there the server is the limit. Times are of the processor.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from carbonledger_client.formats import mapped
from carbonledger_client.importing import plans, rejects, tally
from carbonledger_client.importing.run import Run

TRACE = Path(__file__).parents[1] / "tests" / "fixtures" / "traces" / "azure_llm_2023_conv.csv.gz"
MAPS = ("occurred_at=TIMESTAMP", "uncached_input=ContextTokens", "output=GeneratedTokens")
SETS = ("provider=openai", "model=gpt-4o")
ROUNDS = 5
TIMES = 5
ROWS_S_AIM = 100_000


def table() -> bytes:
    """The trace's head, and its rows several times over."""
    head, rows = gzip.decompress(TRACE.read_bytes()).split(b"\n", 1)
    return head + b"\n" + (rows.rstrip(b"\n") + b"\n") * TIMES


def ours(text: bytes) -> float:
    """Import everything without a server and return rows a second."""
    recipe = plans.Recipe("csv", mapped.stated(MAPS, SETS))
    plan = plans.made(recipe, io.BufferedReader(io.BytesIO(text)))
    run = Run(plan, "0" * 64, tally.Tally(0), rejects.Rejects(None, None))
    started = time.process_time()
    run.all()
    rate = run.counts.read / (time.process_time() - started)
    assert run.counts.valid == run.counts.read
    assert run.counts.tokens["uncached_input"] == TIMES * 22_361_870
    return rate


def limit(text: bytes) -> float:
    """Read the table and encode as many items as it has rows, and return rows a second."""
    item = {
        "occurred_at": "2023-11-16T18:15:46.680590Z",
        "provider": "openai",
        "model": "gpt-4o",
        "tokens": {"uncached_input": 374, "output": 44},
        "idempotency_key": "file:" + "0" * 64 + ":1",
    }
    started = time.process_time()
    rows = 0
    for _ in csv.reader(io.StringIO(text.decode())):
        orjson.dumps(item)
        rows += 1
    return rows / (time.process_time() - started)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args(arguments).rounds
    text = table()
    pairs = [(ours(text), limit(text)) for _ in range(rounds)]
    mine, most = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"import csv, nothing sent   {mine:>12,.0f} rows/s   aim {ROWS_S_AIM:,}")
    print(f"read and encode alone      {most:>12,.0f} rows/s")
    print(f"ratio {mine / most:.2f}, {os.cpu_count()} cores, median of {rounds} rounds")


if __name__ == "__main__":
    main()
