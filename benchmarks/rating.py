"""What rating costs: a preview of ten lines over HTTP and without it, and an invoice of ten lines as a bill run works it out.

`dev.py bench rating` starts an installation of its own and prints each figure beside its limit. A preview is to take 20 ms: the median and
the 95th percentile of requests over one connection, by the wall clock. A bill run of 50,000 invoices of ten lines is to take 120 s on two
cores, which is 4.8 ms of a core for each; rating may have an eighth of that. Cost has to be linear in lines, which the ratios show. Times
without HTTP are of the processor, medians of rounds.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson

from benchmarks.grounds import installation
from carbonledger.domains.catalog.types.charges import CostPlus, Flat, Graduated, Model, Package, Percentage, Standard, Tier, Usage, Volume
from carbonledger.domains.catalog.types.plans import PercentDiscount
from carbonledger.domains.invoices.core import rating, totals
from carbonledger.domains.invoices.service import previewing
from carbonledger.domains.invoices.types.rating import Part
from carbonledger.domains.invoices.types.totals import Item, Tax
from carbonledger.entrypoints.rest import invoice_preview_lines, invoice_previews
from carbonledger.kernel import currency

ROUNDS: Final = 7
LINES: Final = 10
ASKED: Final = 300
PREVIEW_LIMIT_MS: Final = 20.0
INVOICE_LIMIT_MS: Final = 0.6
LINEAR_LIMIT: Final = 1.5  # the cost of a line among a thousand over that of one among ten
EUR: Final = currency.by_code("EUR")
VAT: Final = Tax("vat", Decimal(19))
TIERS: Final = tuple(
    Tier(None if place == 4 else Decimal(10**place * 1000), Decimal("0.002") / 2**place, Decimal(place)) for place in range(5)
)
PRICED: Final[tuple[tuple[Model, Usage], ...]] = (
    (Standard(Decimal("0.0012")), Usage(quantity=Decimal(123_456))),
    (Graduated(TIERS), Usage(quantity=Decimal(12_345_678))),
    (Volume(TIERS), Usage(quantity=Decimal(12_345_678))),
    (Package(Decimal(1000), Decimal(5), Decimal(1000)), Usage(quantity=Decimal(65_432))),
    (Percentage(Decimal("2.9"), Decimal("0.30")), Usage(quantity=Decimal("12345.67"), event_count=321)),
    (CostPlus(Decimal(20)), Usage(metered_cost=Decimal("1234.567890123456"))),
    (Flat(Decimal(49)), Usage(quantity=Decimal(7))),
)
_TIERS_IN: Final = [
    {"up_to": None if tier.up_to is None else f"{tier.up_to:f}", "unit_price": f"{tier.unit_price:f}", "flat_price": f"{tier.flat_price:f}"}
    for tier in TIERS
]
SENT: Final[tuple[dict[str, Any], ...]] = (
    {"charge_model": "standard", "quantity": "123456", "unit_price": "0.0012"},
    {"charge_model": "graduated", "quantity": "12345678", "tiers": _TIERS_IN},
    {"charge_model": "volume", "quantity": "12345678", "tiers": _TIERS_IN},
    {"charge_model": "package", "quantity": "65432", "package_size": "1000", "package_price": "5", "free_units": "1000"},
    {"charge_model": "percentage", "quantity": "12345.67", "rate_percent": "2.9", "fixed_fee_per_event": "0.30", "event_count": 321},
    {"charge_model": "cost_plus", "metered_cost": "1234.567890123456", "multiplier": "1.2"},
    {"charge_model": "flat", "amount": "49", "quantity": "7", "part": {"numerator": 17, "denominator": 31}},
)


def millis(run: Callable[[], object], times: int) -> float:
    """Return milliseconds of the processor for one run: the median of rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            run()
        rounds.append(1000 * (time.process_time() - started) / times)
    return statistics.median(rounds)


def told(name: str, figure: float, limit: float, unit: str = " ms") -> None:
    verdict = "kept" if figure <= limit else "missed"
    print(f"{name:<58} {figure:8.3f}{unit}   limit {limit:g}{unit}, ratio {figure / limit:.3f}: {verdict}")


def body(lines: int) -> bytes:
    """A preview of so many lines of all models, with tax and a discount."""
    sent = [{**SENT[place % len(SENT)], "tax_rate_percent": "19"} for place in range(lines)]
    return orjson.dumps({"currency": "EUR", "lines": sent, "discounts": [{"percent": "10"}]})


def preview(sent: bytes) -> bytes:
    read = invoice_preview_lines.PreviewIn.model_validate_json(sent)
    draft = invoice_preview_lines.from_api_preview(read)
    return invoice_previews.to_api_preview(previewing.preview(draft)).model_dump_json().encode()


def invoice(lines: int) -> object:
    """Rate and total so many lines, every one for a part of its period."""
    part = Part(17, 31)
    items = []
    for place in range(lines):
        model, usage = PRICED[place % len(PRICED)]
        items.append(Item(rating.rate(model, usage, part=part).amount, taxes=(VAT,)))
    return totals.total(items, currency=EUR, discounts=(PercentDiscount(Decimal(10)),))


def over_http(sent: bytes) -> tuple[float, float]:
    """Return the median and the 95th percentile of milliseconds that a preview takes over one connection."""
    with installation.running() as at:
        connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=30)
        headers = {"Authorization": f"Bearer {at.token}", "Content-Type": "application/json"}
        took = []
        for _ in range(ASKED + 20):
            started = time.perf_counter()
            connection.request("POST", "/v1/invoices/preview", body=sent, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            took.append(1000 * (time.perf_counter() - started))
            if answer.status != http.client.OK:
                raise SystemExit(content.decode())
        connection.close()
    cuts = statistics.quantiles(took[20:], n=20)  # the first are warm-up
    return cuts[9], cuts[18]


def main(argv: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    print(f"{os.cpu_count()} cores, one used; medians of {ROUNDS} rounds")
    ten, thousand = body(LINES), body(1000)
    of_ten = millis(lambda: preview(ten), 50)
    median, high = over_http(ten)
    told(f"preview of {LINES} lines over HTTP, median", median, PREVIEW_LIMIT_MS)
    told(f"preview of {LINES} lines over HTTP, 95th percentile", high, PREVIEW_LIMIT_MS)
    told(f"preview of {LINES} lines, JSON to JSON", of_ten, PREVIEW_LIMIT_MS)
    told("a line of 1,000 beside one of 10 in a preview", millis(lambda: preview(thousand), 1) / 100 / of_ten, LINEAR_LIMIT, " x")
    billed = millis(lambda: invoice(LINES), 200)
    told(f"invoice of {LINES} lines, rated and totalled", billed, INVOICE_LIMIT_MS)
    told("a line of 1,000 beside one of 10 on an invoice", millis(lambda: invoice(1000), 2) / 100 / billed, LINEAR_LIMIT, " x")
    events = (Decimal("12.34"),) * 100_000
    usage = Usage(event_amounts=events)
    bounded = Percentage(Decimal("2.9"), Decimal("0.30"), Decimal("0.50"), Decimal(5))
    print(f"a percentage of 100,000 events, each between bounds: {millis(lambda: rating.rate(bounded, usage), 1):.0f} ms")


if __name__ == "__main__":
    main()
