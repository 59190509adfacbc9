"""The summary of an organization over so many events, asked over HTTP, beside its limits.

`dev.py bench summary [--rows 1000000,10000000,20000000]` fills an installation of its own step by step, over 60 days and 50 series. At each
size it asks for the summary of all of it by days of four zones, in turns, and prints how long that takes (median, least, 90th percentile of
the whole request) beside the 30 ms that are asked for, and the CPU that API and database took for one, which a busy machine changes less.
At the end it prints the ratio of the largest size to the smallest, by both, beside its limit of 2.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import http.client
import os
import statistics
import time
import urllib.parse
from dataclasses import dataclass
from typing import Final

from benchmarks.grounds import installation, ledger
from benchmarks.grounds.installation import Installation
from carbonledger.entrypoints.worker import registry

LIMIT_MS: Final = 30.0
RATIO_MAX: Final = 2.0
TIMES: Final = 40
WARM_UP: Final = 3
ZONES: Final = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata")
ROWS: Final = (1_000_000,)


@dataclass(slots=True)
class Timing:
    """Milliseconds of each request, and what API and database took of the processors for all of them."""

    whole: list[float]
    api_s: float = 0.0
    database_s: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.whole)

    @property
    def cpu(self) -> float:
        """CPU milliseconds for one."""
        return (self.api_s + self.database_s) / len(self.whole) * 1e3


def ask(place: Installation, connection: http.client.HTTPConnection, zone: str) -> float:
    """Return the milliseconds that a summary takes, from the first byte sent to the last one read."""
    asked = {"from": ledger.START.isoformat(), "to": ledger.END.isoformat(), "time_zone": zone}
    path = f"/v1/telemetry/summary?{urllib.parse.urlencode(asked)}"
    started = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": f"Bearer {place.token}"})
    answer = connection.getresponse()
    body = answer.read()
    took = (time.perf_counter() - started) * 1e3
    if answer.status != 200:
        raise SystemExit(f"answered {answer.status} {body[:300]!r}")
    return took


def measure(place: Installation) -> dict[str, Timing]:
    """Return the timing of each zone; asked in turns, so that what else the machine does meets all alike."""
    found = {zone: Timing([]) for zone in ZONES}
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60)
    for _ in range(WARM_UP):
        for zone in ZONES:
            ask(place, connection, zone)
    turns = 4  # CPU is told in hundredths of a second, so it is read once for several requests
    for _ in range(turns):
        for zone, timing in found.items():
            before = place.cpu_s()
            timing.whole += [ask(place, connection, zone) for _ in range(TIMES // turns)]
            after = place.cpu_s()
            timing.api_s += after[0] - before[0]
            timing.database_s += after[1] - before[1]
    connection.close()
    return found


def say(rows: int, zone: str, timing: Timing) -> None:
    slow = statistics.quantiles(timing.whole, n=10)[-1]
    count = len(timing.whole)
    print(
        f"{rows:>12,} events  {zone:20} median {timing.median:5.1f} ms, least {min(timing.whole):5.1f}, 90th percentile {slow:5.1f}"
        f"   CPU {timing.cpu:5.1f} ms (API {timing.api_s / count * 1e3:4.1f}, database {timing.database_s / count * 1e3:4.1f})"
        f"   limit {LIMIT_MS:.0f} ms: {timing.median / LIMIT_MS:.2f} by median, {timing.cpu / LIMIT_MS:.2f} by CPU",
        flush=True,
    )


def main(sizes: list[int]) -> None:
    """Measure and print."""
    registry.load()
    series = ledger.ACCOUNTS * len(ledger.MODELS)
    with installation.running() as place:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {ledger.DAYS} days, {series} series", flush=True)
        place.run(functools.partial(ledger.prepare, organization_id=place.organization_id))
        found: list[dict[str, Timing]] = []
        for before, rows in zip([0, *sizes], sizes, strict=False):
            started = time.perf_counter()
            asyncio.run(ledger.fill(place.addresses.owner, place.organization_id, before, rows))
            took = time.perf_counter() - started
            print(f"{rows:>12,} events are there after {took:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True)
            found.append(measure(place))
            for zone, timing in found[-1].items():
                say(rows, zone, timing)
        for zone in ZONES if len(sizes) > 1 else ():
            first, last = found[0][zone], found[-1][zone]
            print(
                f"{zone:20} {sizes[-1]:,} to {sizes[0]:,}: {last.median / first.median:.2f} by median,"
                f" {last.cpu / first.cpu:.2f} by CPU   limit {RATIO_MAX}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(map(str, ROWS)), help="sizes, with commas between them")
    main(sorted({int(size) for size in parser.parse_args().rows.split(",")}))
