"""``summary``: what the ledger says about a period, as a table or as the server's own JSON."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import typer

from carbonledger_client import errors, models, rows, times
from carbonledger_client.commands import console

UNKNOWN = "?"
_WH_PER_KWH = 1000
_G_PER_KG = 1000
_HEAD = ("model", "requests", "uncached input", "cached input", "cache creation", "output", "cost", "energy", "CO2e low / mid / high")
_SHARES = {
    "covered": "covered by prices and factors",
    "not_covered": "not covered: of no known model, and in no sum of cost or CO2e",
    "estimated": "estimated",
    "provisional": "provisional, as the provider may still revise them",
}


def run(filters: Mapping[str, str | None], *, url: str | None, api_key_file: Path | None, as_json: bool) -> None:
    """Print the summary that ``filters`` ask for."""
    with console.speaking():
        wanted = {**filters, **{name: _instant(name, filters.get(name)) for name in ("from", "to")}}
        ledger, _, _ = console.connect(url, api_key_file)
        with ledger:
            found = ledger.summary(**wanted)
        if as_json:
            console.json(found.document)
            return
        _print(found)


def _instant(name: str, value: str | None) -> str | None:
    try:
        return None if value is None else times.instant(value)
    except rows.Rejected as problem:
        raise errors.Misused(f"--{name}: {problem.detail}") from problem


def _print(found: models.Summary) -> None:
    lines = [_line(f"{row.provider} {row.model}", row.measures) for row in found.by_model]
    console.table(_HEAD, [*lines, _line("all", found.totals)])
    for name, words in _SHARES.items():
        share = getattr(found.coverage, name)
        if share is not None and (share or name == "covered"):
            typer.echo(f"{percent(share)} of the tokens are {words}.")
    for events, what in ((found.cost_not_covered_events, "cost"), (found.not_covered_events, "estimate of emissions")):
        if events:
            typer.echo(
                f"{events:,} {'event has' if events == 1 else 'events have'} no {what}, and count{'s' * (events == 1)} in no sum of it."
            )


def _line(name: str, measures: models.Measures) -> tuple[str, ...]:
    tokens = measures.tokens
    written = [tokens.get("cache_creation_5m"), tokens.get("cache_creation_1h")]
    creation = None if written == [None, None] else sum(number or 0 for number in written)
    counts = (measures.requests, tokens.get("uncached_input"), tokens.get("cached_input"), creation, tokens.get("output"))
    return (
        name,
        *(UNKNOWN if number is None else f"{number:,}" for number in counts),
        UNKNOWN if measures.cost is None else f"{figure(measures.cost.amount, places=4)} {measures.cost.currency}",
        UNKNOWN if measures.energy_wh is None else scaled(measures.energy_wh.mid, _WH_PER_KWH, ("Wh", "kWh")),
        UNKNOWN if measures.co2e_g is None else _range(measures.co2e_g),
    )


def _range(found: models.Range) -> str:
    unit = ("g", "kg")
    is_large = found.mid >= _G_PER_KG
    low, mid, high = (figure(bound / _G_PER_KG if is_large else bound) for bound in (found.low, found.mid, found.high))
    return f"{low} / {mid} / {high} {unit[is_large]}"


def scaled(value: Decimal, thousand: int, units: tuple[str, str]) -> str:
    """Return a quantity in its unit, or from a thousand on in the larger one."""
    return f"{figure(value / thousand)} {units[1]}" if value >= thousand else f"{figure(value)} {units[0]}"


def figure(value: Decimal, *, places: int = 3) -> str:
    """Return a number for people: grouped, at most ``places`` decimals, never rounded to a zero that it is not."""
    shown = value.quantize(Decimal(1).scaleb(-places))
    if shown == 0 != value:
        return f"{value:.2g}"
    text = f"{shown:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: Decimal) -> str:
    """Return a share as a percentage that says 100 or 0 only if it is: "99.9+ %" is almost all of it."""
    shown = (share * 100).quantize(Decimal("0.1"))
    if shown == 100 and share != 1:  # noqa: PLR2004 - a percentage
        return "more than 99.9 %"
    if shown == 0 != share:
        return "less than 0.1 %"
    return f"{figure(shown, places=1)} %"
