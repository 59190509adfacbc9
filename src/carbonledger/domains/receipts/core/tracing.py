"""The calculation trace of an audit pack: each line of a closed month with its rate's amounts, the rates, the totals. Pure.

``recompute.py`` in the pack computes all of it again, so what is written here is a form that it reads: whole numbers in digits, quanta of
10^-18 Wh and 10^-18 g. A test holds both against each other.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.receipts.core import stating, totals
from carbonledger.domains.receipts.types.periods import Period
from carbonledger.domains.receipts.types.totals import Adjustment, ClosedPeriod, Part, Rates, Tokens, Whole
from carbonledger.domains.telemetry import types as telemetry_types
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.closing import Line
from carbonledger.kernel import decimals, instant

_PICO: Final = 12
_COUNTS: Final = ("events", "requests", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning")
_QUANTITIES: Final = ("energy", "co2e_location", "co2e_market")
_AMOUNTS: Final = tuple(f"{name}_quanta_{bound}" for name in _QUANTITIES for bound in ("low", "mid", "high"))
_KEY: Final = ("project", "provider", "model", "event", "price_book", "emission_rate", "facts")
COLUMNS: Final = ("month", *_KEY, *_COUNTS, "quantity", "cost_pico_usd", *_AMOUNTS)


class Named(NamedTuple):
    """What lines refer to by numbers, by what a stranger knows it by: versions of price books, and digests of rates in hex."""

    books: Mapping[int, str]
    rates: Mapping[int, str]


class _Text:
    """What ``csv`` writes to; it gives back what it is given."""

    def write(self, text: str) -> str:
        return text


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return CSV (RFC 4180, but for line ends, which are of one character). None is empty."""
    writer = csv.writer(_Text(), lineterminator="\n")
    written: list[str] = [writer.writerow(columns)]
    written += [writer.writerow(row) for row in rows]
    return "".join(written).encode()


def lines(found: Iterable[tuple[date, Line]], named: Named, rates: Rates) -> bytes:
    """Return lines as CSV, each with the month that it is of: the month's own, then what was adjusted."""
    return table(COLUMNS, (_row(month, line, named, rates) for month, line in found))


def adjustments(found: Iterable[tuple[date, date, Line]], named: Named, rates: Rates) -> bytes:
    """Return adjustments as CSV: the month that each is booked in, the month that it is of, and the line."""
    return table(("booked_in", *COLUMNS), ([f"{into:%Y-%m}", *_row(month, line, named, rates)] for into, month, line in found))


def _row(month: date, line: Line, named: Named, rates: Rates) -> list[object]:
    key, sums = line
    book = None if key.price_book_id is None else named.books[key.price_book_id]
    rate = None if key.emission_rate_id is None else named.rates[key.emission_rate_id]
    names = (key.project_id, key.provider, key.model, key.event, book, rate, " ".join(telemetry_types.words(key.facts)))
    counts = [getattr(sums, name) for name in _COUNTS]
    cost = int(decimals.shifted(sums.cost_amount, _PICO))
    return [f"{month:%Y-%m}", *names, *counts, f"{sums.quantity:f}", cost, *_amounts(line, rates)]


def _amounts(line: Line, rates: Rates) -> list[object]:
    key = line.key
    if key.emission_rate_id is None or key.facts & Fact.EMISSIONS_NOT_COVERED:
        return [None] * len(_AMOUNTS)
    rate = rates[key.emission_rate_id]
    found: list[object] = []
    for per_token in (rate.energy, rate.co2e_location, rate.co2e_market):
        found += [None] * 3 if per_token is None else list(totals.taken(line, per_token))
    return found


def rates(found: Iterable[emission_types.NamedRates]) -> bytes:
    """Return rates as JSON, by their digests, with all that those are over; numbers in digits, as they may be beyond 2^53."""
    rows = sorted((_rate(one) for one in found), key=lambda row: str(row["sha256"]))
    return _json(
        {
            "schema": "carbon-ledger/rates/v1",
            "unit": "10^-18 Wh, g, ml of one token: prefill, cached, decode; low, mid, high",
            "rates": rows,
        }
    )


def _rate(one: emission_types.NamedRates) -> dict[str, object]:
    names = ("version", "tier", "is_fallback", "host", "grid", "market", "is_batch", "context_low", "context_high")
    numbers = ("it", "energy", "embodied", "co2e_location", "co2e_market", "water")
    each = {name: getattr(one.rates, name) for name in numbers}
    digits = {name: None if value is None else [str(number) for number in value] for name, value in each.items()}
    return {"sha256": one.digest.hex(), **{name: getattr(one, name) for name in names}, **digits}


def trace(closed: ClosedPeriod, *, every: Iterable[Period]) -> bytes:
    """Return the totals of a closed month as JSON, with the windows of the months before it, which late events may be of."""
    period = closed.period
    earlier = [_window(one) for one in every if one.starts_at < period.starts_at]
    document = {
        "schema": "carbon-ledger/totals/v1",
        "period": {**_window(period), "zone": period.zone},
        "earlier": earlier,
        "events": {"root": closed.root.hex(), "count": closed.leaves},
        "unread": [dict(one) for one in period.unread],
        "totals": _totals(closed),
    }
    return _json(document)


def _window(period: Period) -> dict[str, str]:
    return {
        "month": f"{period.month:%Y-%m}",
        "start": instant.to_api_instant(period.starts_at),
        "end": instant.to_api_instant(period.ends_at),
    }


def _totals(closed: ClosedPeriod) -> dict[str, object]:
    whole = closed.totals
    exact = {"energy": whole.energy, "co2e_location": whole.co2e_location, "co2e_market": whole.co2e_market}
    return {
        "quanta": {name: _digits(value) for name, value in exact.items()},
        "total": _rounded(closed),
        "tokens": {"covered": _buckets(whole.covered), "not_covered": _buckets(whole.not_covered)},
        "requests": str(whole.requests),
        "cost_pico_usd": str(closed.cost_pico_usd),
        "projects": {str(part.key): {"cost_pico_usd": _pico(part), **_rounded(part)} for part in closed.projects},
        "adjustments": {
            f"{one.month:%Y-%m}": {"events": str(one.events), "cost_pico_usd": _pico(one), **_rounded(one)} for one in closed.adjustments
        },
    }


def _buckets(tokens: Tokens) -> dict[str, str | None]:
    found = stating.buckets(tokens)
    names = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
    return {name: None if getattr(found, name) is None else str(getattr(found, name)) for name in names}


def _rounded(found: ClosedPeriod | Part | Adjustment) -> dict[str, object]:
    wholes: tuple[Whole | None, ...] = (found.energy_uwh, found.co2e_location_mg, found.co2e_market_mg)
    return {name: _digits(whole) for name, whole in zip(_QUANTITIES, wholes, strict=True)}


def _digits(bounds: Sequence[int] | None) -> list[str] | None:
    return None if bounds is None else [str(bound) for bound in bounds]


def _pico(found: Part | Adjustment) -> str:
    return str(int(decimals.shifted(found.totals.cost_usd, _PICO)))


def _json(document: object) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
