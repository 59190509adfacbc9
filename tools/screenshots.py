"""`python -m tools.screenshots [--out FOLDER]`: pictures of the dashboard's pages, over an organization with ninety days of usage,
three connections, receipts, and customers that are billed.

Starts an installation of its own beside the stand-ins of the providers, fills it through the API, and takes each page in light, some in
dark and on a phone's width, as PNGs of less than 200 kB in ``docs/images``. ``--only`` takes the named ones, ``--all`` each of them in all
three: to judge them by, more than a repository should carry.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from playwright import sync_api

from tests import standins
from tests.browser import seeding, signing

OUT: Final = Path(__file__).parents[1] / "docs/images"
BYTES_MAX: Final = 200_000
WIDTH: Final = 1280
PHONE: Final = 390
PAGES: Final = {
    "overview": "/",
    "overview-co2e": "/?metric=co2e",
    "explore": "/explore?by=project",
    "events": "/explore/events",
    "event": "/explore/events/{event}",
    "connections": "/connections",
    "connection": "/connections/{connection}",
    "projects": "/projects",
    "project": "/projects/{project}",
    "models": "/models",
    "model": "/models/one?provider=anthropic&model=claude-sonnet-4-5",
    "what-if": "/models/estimate?provider=openai&model=gpt-4o&uncached_input=1000&output=500",
    "accounts": "/accounts",
    "account": "/accounts/{account_id}",
    "meters": "/meters",
    "meter": "/meters/{meter_id}",
    "plans": "/plans",
    "plan": "/plans/{plan_id}",
    "plan-editor": "/plans/{plan_id}/edit",
    "subscriptions": "/subscriptions",
    "subscription": "/subscriptions/{subscription_id}",
    "subscription-change": "/subscriptions/{subscription_id}/change?quantity=12",
    "invoices": "/invoices",
    "invoice": "/invoices/{invoice_id}",
    "invoice-line": "/invoices/{invoice_id}/lines/{line_id}",
    "invoice-new": "/invoices/new?account={account_id}",
    "late-usage": "/invoices/late",
    "tax-rates": "/invoices/tax-rates",
    "numbers": "/invoices/numbers",
    "invoice-seller": "/invoices/seller",
    "receipts": "/receipts",
    "receipt": "/receipts/{receipt}",
    "month": "/receipts/periods/{period}",
    "credits": "/receipts/credits",
    "packs": "/receipts/packs",
    "verify": "/receipts/verify/{serial}",
    "activity": "/activity",
    "settings": "/settings",
    "people": "/settings/people",
    "keys": "/settings/keys",
    "you": "/settings/you",
    "search": "/search?q=gro",
    "methodology": "/methodology",
    "sign-in": "/sign-in",
}
DARK: Final = ("overview", "explore", "model", "subscription", "invoice", "receipt")
TALL: Final = {"overview": 900}  # down to the names of its series
ON_A_PHONE: Final = ("overview", "invoice", "receipt", "events")


def main(arguments: list[str]) -> int:
    """Take the pictures; 1 if one is too large to be kept."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", choices=list(PAGES))
    parser.add_argument("--all", action="store_true", help="each page in light, in dark and on a phone")
    given = parser.parse_args(arguments)
    out, only = Path(given.out), frozenset(given.only or PAGES)
    out.mkdir(parents=True, exist_ok=True)
    world = standins.running(datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    with world as providers, seeding.seeded(**seeding.reading(providers)) as running:
        seeding.connect(running, "openrouter", "Experiments")
        seeding.connect(running, "anthropic", "Research")
        connection = seeding.connect(running, "openai", "Production")
        receipt = seeding.receipts(running)[0]
        [event] = running.request("GET", "/v1/telemetry/events?limit=1", headers=seeding.HEADERS)[1]["data"]
        known = {"connection": connection, "receipt": receipt["id"], "serial": receipt["serial"], **seeding.sold(running)}
        known |= {"event": event["id"], "project": event["project_id"], "period": receipt["period_id"]}
        addresses = {name: running.address + path.format(**known) for name, path in PAGES.items() if name in only}
        state = signing.first_owner(running)
        with sync_api.sync_playwright() as playwright:
            chromium = signing.launch(playwright)
            try:
                taken = _every(chromium, addresses, state, out, is_all=given.all)
            finally:
                chromium.close()
    heavy = [path for path in taken if path.stat().st_size > BYTES_MAX]
    for path in taken:
        print(f"{path.stat().st_size / 1000:6.0f} kB  {path}")
    for path in heavy:
        print(f"{path} is larger than {BYTES_MAX / 1000:.0f} kB", file=sys.stderr)
    return 1 if heavy else 0


def _every(
    chromium: sync_api.Browser, addresses: Mapping[str, str], state: sync_api.StorageState, out: Path, *, is_all: bool
) -> list[Path]:
    wanted: list[tuple[str, Literal["light", "dark"], int]] = [(name, "light", WIDTH) for name in PAGES]
    wanted += [(name, "dark", WIDTH) for name in (PAGES if is_all else DARK)]
    wanted += [(name, "light", PHONE) for name in (PAGES if is_all else ON_A_PHONE)]
    taken = []
    for name, scheme, width in (one for one in wanted if one[0] in addresses):
        suffix = "-dark" if scheme == "dark" else "-phone" if width == PHONE else ""
        path = out / f"{name}{suffix}.png"
        viewport: sync_api.ViewportSize = {"width": width, "height": 844 if width == PHONE else TALL.get(name, 720)}
        with chromium.new_context(viewport=viewport, color_scheme=scheme, storage_state=state, reduced_motion="reduce") as context:
            page = context.new_page()
            page.goto(addresses[name], wait_until="networkidle")
            page.screenshot(path=path)
        taken.append(path)
    return taken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
