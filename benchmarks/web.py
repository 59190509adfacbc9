"""The overview's first load in a real browser, and what its pages cost the server, beside their limits.

`dev.py bench web` starts an installation of its own, fills it with ninety days of usage, and opens the overview in headless Chromium with a
cold cache: time until the plot is drawn and all bytes that were transferred, beside 1 s and 100 kB. Then it asks for each page many times
over one connection and prints the median and the 90th percentile beside the 200 ms of an interaction. Cores stand beside all of it.
"""

from __future__ import annotations

import http.client
import os
import statistics
import time
import urllib.parse
from typing import Final

from playwright import sync_api

from tests.browser import seeding, signing

LOAD_LIMIT_MS: Final = 1_000.0
BYTES_LIMIT: Final = 100_000
SERVER_LIMIT_MS: Final = 200.0
LOADS: Final = 7
ASKED: Final = 30
PAGES: Final = (
    "/",
    "/?metric=co2e",
    "/?period=12m",
    "/explore?by=project",
    "/explore/events",
    "/projects",
    "/models",
    "/activity",
    "/settings/keys",
    "/search?q=gpt",
)
_DRAWN: Final = "document.querySelector('.canvas canvas') !== null"


def load(chromium: sync_api.Browser, address: str, state: sync_api.StorageState) -> tuple[float, float, int]:
    """Return milliseconds until the plot stands and until the load event, and bytes on the wire, with a cold cache."""
    with chromium.new_context(storage_state=state) as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        transferred: list[int] = []
        session.on("Network.loadingFinished", lambda event: transferred.append(int(event["encodedDataLength"])))
        started = time.perf_counter()
        page.goto(address, wait_until="load")
        loaded = time.perf_counter() - started
        page.wait_for_function(_DRAWN)
        drawn = time.perf_counter() - started
        page.wait_for_load_state("networkidle")
        return drawn * 1000, loaded * 1000, sum(transferred)


def ask(address: str, cookie: str, path: str) -> list[float]:
    """Return the milliseconds of so many requests of one page."""
    place = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    times = []
    for _ in range(ASKED):
        started = time.perf_counter()
        connection.request("GET", path, headers={"cookie": cookie, "accept-encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status == 200, (path, answer.status)
    connection.close()
    return times


def main() -> None:
    """Measure and print."""
    print(f"{os.cpu_count()} cores")
    with seeding.seeded() as running:
        state = signing.first_owner(running)
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in state.get("cookies", []))
        with sync_api.sync_playwright() as playwright:
            chromium = signing.launch(playwright)
            loads = [load(chromium, running.address, state) for _ in range(LOADS)]
            chromium.close()
        drawn, loaded = (statistics.median(one[place] for one in loads) for place in (0, 1))
        size = max(one[2] for one in loads)
        share = drawn / LOAD_LIMIT_MS
        print(f"overview, cold cache   plot drawn {drawn:6.0f} ms, loaded {loaded:6.0f} ms   limit {LOAD_LIMIT_MS:.0f} ms   {share:.2f}")
        print(f"                       transferred {size / 1000:.1f} kB   limit {BYTES_LIMIT / 1000:.0f} kB   {size / BYTES_LIMIT:.2f}")
        for path in PAGES:
            times = sorted(ask(running.address, cookie, path))
            median, high = statistics.median(times), times[int(len(times) * 0.9)]
            print(
                f"{path:<22} median {median:6.1f} ms   p90 {high:6.1f} ms   limit {SERVER_LIMIT_MS:.0f} ms   {high / SERVER_LIMIT_MS:.2f}"
            )


if __name__ == "__main__":
    main()
