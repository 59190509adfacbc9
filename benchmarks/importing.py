"""Real files through the real command into a real service, beside their limit; and rows of a table into items, beside theirs.

`dev.py bench importing` first imports the two traces that come with the code, the Azure one by `csv` with a mapping, the Mooncake one by
`jsonl`, into an installation of its own: it prints the seconds of the whole command beside the 10 s that are allowed, and the CPU of the
command, the API and the database, and fails unless every token of the trace is in the ledger's summary.

Then, with nothing sent, it reads the Azure trace several times over on one core, and prints rows a second beside those of reading the table
and encoding as many items alone, and their ratio. These times are of the processor.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import http.client
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks.grounds import installation
from benchmarks.grounds.installation import Installation
from carbonledger_client.formats import mapped
from carbonledger_client.importing import plans, rejects, tally
from carbonledger_client.importing.run import Run
from tests.journeys import mooncake

ROOT = Path(__file__).parents[1]
TRACE = ROOT / "tests" / "fixtures" / "traces" / "azure_llm_2023_conv.csv.gz"
MOONCAKE = ROOT / "src" / "carbonledger_sandbox" / "data" / "mooncake_conversation_first30min.jsonl.xz"
LIMIT_S = 10.0
# What each trace holds, by the counts that its publisher's rows add up to; the Mooncake trace's cached tokens by its own rule.
AZURE_DAY, AZURE_TOKENS = "2023-11-16", {"uncached_input": 22_361_870, "cached_input": None, "output": 4_088_665}
MOONCAKE_DAY = "2026-11-01"
MOONCAKE_TOKENS = {"uncached_input": 73_604_194 - 25_555_226, "cached_input": 25_555_226, "output": 1_977_204}
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


def send(place: Installation, name: str, arguments: Sequence[str], *, day: str, expected: Mapping[str, int | None]) -> None:
    """Import a file by a process of its own, compare what the ledger says of its day, and print what that took."""
    before, own = place.cpu_s(), _children_s()
    environ = os.environ | {"CARBONLEDGER_URL": f"http://127.0.0.1:{place.port}", "CARBONLEDGER_API_KEY": place.token}
    command = [sys.executable, "-m", "carbonledger.entrypoints.cli.main", "import", *arguments, "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    said = json.loads(done.stdout)
    found = _tokens(place, day)
    exact = {name: found[name] for name in expected} == expected and said["accepted"] == said["rows"]
    api, database = (now - then for now, then in zip(place.cpu_s(), before, strict=True))
    print(
        f"import {name:10} {said['rows']:>7,} rows  {seconds:5.2f} s: {seconds / LIMIT_S:.2f} of {LIMIT_S:.0f} s   "
        f"CPU: command {_children_s() - own:.2f} s, API {api:.2f} s, database {database:.2f} s   totals {'exact' if exact else 'differ'}",
        flush=True,
    )
    if not exact:
        raise SystemExit(f"the ledger says {found} after {said}, the trace {dict(expected)}")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tokens(place: Installation, day: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60)
    path = f"/v1/telemetry/summary?from={day}T00:00:00Z&to={day}T23:59:59Z"
    connection.request("GET", path, headers={"Authorization": f"Bearer {place.token}"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"answered {answer.status} {body}")
    found: dict[str, Any] = body["totals"]["tokens"]
    return found


def sent() -> None:
    """Import both traces into an installation of its own."""
    mapping = [part for one in MAPS for part in ("--map", one)] + [part for one in SETS for part in ("--set", one)]
    with installation.running() as place, tempfile.TemporaryDirectory() as folder:
        print(f"{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}", flush=True)
        state = ["--state", str(Path(folder) / "azure.state")]
        send(place, "Azure", ["csv", str(TRACE), *mapping, *state], day=AZURE_DAY, expected=AZURE_TOKENS)
        file = Path(folder) / "mooncake.jsonl"
        file.write_text("".join(json.dumps(event) + "\n" for event in mooncake.events(mooncake.rows(MOONCAKE))), encoding="utf-8")
        state = ["--state", str(Path(folder) / "mooncake.state")]
        send(place, "Mooncake", ["jsonl", str(file), *state], day=MOONCAKE_DAY, expected=MOONCAKE_TOKENS)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args(arguments).rounds
    sent()
    text = table()
    pairs = [(ours(text), limit(text)) for _ in range(rounds)]
    mine, most = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"import csv, nothing sent   {mine:>12,.0f} rows/s   aim {ROWS_S_AIM:,}")
    print(f"read and encode alone      {most:>12,.0f} rows/s")
    print(f"ratio {mine / most:.2f}, {os.cpu_count()} cores, median of {rounds} rounds")


if __name__ == "__main__":
    main()
