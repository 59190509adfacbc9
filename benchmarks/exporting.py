"""An export of many events over HTTP, and the memory of the API's process while it streams, beside its limit.

`dev.py bench exporting [--rows 10000000] [--format csv --format jsonl --format parquet]` fills an installation of its own and exports all
of it in each format. It prints the memory of the API's process before, and when 1 M, 5 M and 10 M events (a tenth, a half and all of
others) have gone out, the ratio of the last to the first of these beside its limit, and events and MB a second with the CPU of one event.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import http.client
import os
import time
import urllib.parse
from typing import Final

import psutil

from benchmarks.grounds import installation, ledger
from benchmarks.grounds.installation import Installation
from carbonledger.entrypoints.worker import registry

FORMATS: Final = ("csv", "jsonl", "parquet")
GROWN_MAX: Final = 1.1
PIECE: Final = 2**20
SHARES: Final = (0.1, 0.5, 1.0)


def export(place: Installation, format_: str) -> list[tuple[int, int]]:
    """Read an export to its end, and return the bytes read so far and the API's resident bytes beside them, a pair for each piece."""
    asked = {"format": format_, "from": ledger.START.isoformat(), "to": ledger.END.isoformat()}
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=600)
    path = f"/v1/exports/telemetry?{urllib.parse.urlencode(asked)}"
    connection.request("GET", path, headers={"Authorization": f"Bearer {place.token}"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"answered {answer.status} {answer.read()[:300]!r}")
    found, size = [(0, place.api.memory_info().rss)], 0
    while piece := answer.read(PIECE):
        size += len(piece)
        found.append((size, place.api.memory_info().rss))
    connection.close()
    return found


def say(place: Installation, format_: str, rows: int) -> None:
    """Export in a format and print what that took."""
    before, cpu, started = place.api.memory_info().rss, place.cpu_s(), time.perf_counter()
    found = export(place, format_)
    seconds, spent = time.perf_counter() - started, [now - then for now, then in zip(place.cpu_s(), cpu, strict=True)]
    size = found[-1][0]
    at = [max(rss for so_far, rss in found if so_far <= share * size) for share in SHARES]  # the most until then
    told = ", ".join(f"{rss / 2**20:.0f} at {rows * share:,.0f}" for share, rss in zip(SHARES, at, strict=True))
    print(
        f"{format_:8} {size / 2**20:6.0f} MB  {rows / seconds:8,.0f} events/s  {size / 2**20 / seconds:5.1f} MB/s"
        f"  CPU for one: API {spent[0] / rows * 1e6:.0f} us, database {spent[1] / rows * 1e6:.0f} us"
        f"   memory of the API, MB: {before / 2**20:.0f} before, most {told}"
        f"   grew {at[-1] / at[0]:.2f}-fold (limit {GROWN_MAX})",
        flush=True,
    )


def main(rows: int, formats: list[str]) -> None:
    """Fill, export, print."""
    registry.load()
    with installation.running() as place:
        place.run(functools.partial(ledger.prepare, organization_id=place.organization_id))
        asyncio.run(ledger.fill(place.addresses.owner, place.organization_id, 0, rows))
        print(f"{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}, {rows:,} events are there", flush=True)
        for format_ in formats:
            say(place, format_, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", action="append", choices=[*FORMATS, "json", "focus"])
    given = parser.parse_args()
    main(given.rows, given.format or list(FORMATS))
