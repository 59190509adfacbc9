"""`python -m tools.price_book`: make `domains/pricing/data/prices.jsonl` anew from a release of genai-prices.

Owns the conversion and nothing else: our own corrections are `overrides.json` beside it and are not touched, and the product never
imports genai-prices. The release's `data.py` is parsed, not run: nothing foreign is executed. The same release gives the same bytes.

What is converted is what usage can be priced by: tokens by kind, and requests. Other rates of a model (hours of sound, characters,
pages, searches) are named in `other` where they are a part of every call, so that a cost that leaves them out says so. Prices of a
named route of OpenRouter and of a kind of web search are left out: usage does not tell them.
"""

from __future__ import annotations

import argparse
import ast
import email.parser
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any, NamedTuple

TARGET = Path(__file__).parents[1] / "src/carbonledger/domains/pricing/data/prices.jsonl"
RELEASE = "0.2.3"
HOME = "https://github.com/pydantic/genai-prices"
LICENCE = "MIT, Copyright (c) Pydantic Services Inc. 2025 to present; text in LICENSE-genai-prices"
PLACES = Decimal("0.000001")  # of USD per million tokens: 12 decimals per token, which is what a unit price may have
LINKS_MAX = 3

KINDS = {
    "input_mtok": "uncached_input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_creation_5m",
    "cache_write_1h_mtok": "cache_creation_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "input_image_mtok": "image_input",
    "cache_audio_read_mtok": "cached_audio_input",
    "cache_image_read_mtok": "cached_image_input",
    "output_audio_mtok": "audio_output",
    "output_image_mtok": "image_output",
    "requests_kcount": "request",  # per thousand here, per request in the book
}
# A part of every call of such a model, yet in no usage: the cost is short of it, and is flagged.
OTHER = {
    "audio_hours": "sound by the hour",
    "input_audio_hours": "sound by the hour",
    "input_mchars": "characters",
    "input_document_kpages": "pages",
    "input_annotated_document_kpages": "pages",
    "input_text_messages_kcount": "messages",
}
# Optional tools and modalities that usage does not count; without a price of their own such tokens cost what their bucket costs.
IGNORED = {"web_searches_kcount", "storage_searches_kcount", "input_video_mtok", "output_video_mtok", "output_citation_mtok"}
SERVICES = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
}
UNTOLD = {("service_tier", "default"), ("route", "mistral/eu"), ("search_type", "fast"), ("search_type", "web")}

Node = dict[str, Any]  # a parsed call: {"type": its name, **its keywords}; only inside the conversion
Row = dict[str, Any]  # a line of the book


class Release(NamedTuple):
    """A release as it was found: its version, the digest of its data, and the data."""

    version: str
    sha256: str
    providers: list[Node]


class Foreign(SyntaxError):
    """The release's data hold something that this conversion does not know. Learn it before converting."""


# --- reading


def read(site_packages: Path) -> Release:
    text = (site_packages / "genai_prices/data.py").read_bytes()
    metadata = next(site_packages.glob("genai_prices-*.dist-info/METADATA")).read_text(encoding="utf-8")
    version = email.parser.HeaderParser().parsestr(metadata)["Version"]
    return Release(version, hashlib.sha256(text).hexdigest(), parse(text.decode()))


def parse(text: str) -> list[Node]:
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.target.id == "providers":
            found: list[Node] = plain(statement.value)
            return found
    raise Foreign("no assignment to `providers`")


def plain(node: ast.expr | None) -> Any:  # noqa: ANN401, PLR0911 - the shape is the release's; one return a form
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [plain(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {plain(key): plain(value) for key, value in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id="Decimal"), args=[ast.Constant(value=str(digits))]):
            return Decimal(digits)
        case ast.Call(func=ast.Attribute(attr="date"), args=parts, keywords=[]):
            return "-".join(f"{plain(part):02}" for part in parts)
        case ast.Call(func=ast.Attribute(attr="time"), args=parts, keywords=[ast.keyword(arg="tzinfo", value=ast.Attribute(attr="UTC"))]):
            return ":".join(f"{plain(part):02}" for part in parts)
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
            return {"type": name} | {keyword.arg: plain(keyword.value) for keyword in keywords if keyword.arg}
        case _:
            raise Foreign(f"line {getattr(node, 'lineno', '?')}: not a form this conversion knows")


# --- converting


def convert(release: Release, *, as_of: date) -> Iterator[Row]:
    """Yield the lines of the book: the head, then each provider followed by its models, in the order that decides a match."""
    source = {"name": "genai-prices", "version": release.version, "url": HOME, "sha256": release.sha256, "licence": LICENCE}
    yield {"format": 1, "as_of": as_of.isoformat(), "source": source}
    for provider in release.providers:
        yield compact(
            provider=provider["id"],
            name=provider["name"],
            makers=provider.get("fallback_model_providers"),
            links=(provider.get("pricing_urls") or [])[:LINKS_MAX],
        )
        for model in provider["models"]:
            yield model_row(model)


def model_row(model: Node) -> Row:
    prices = model["prices"]
    dated = prices if isinstance(prices, list) else [{"prices": prices}]
    entries = [price_entry(entry, free=model["id"].endswith(":free")) for entry in dated]
    other = {OTHER[key] for entry in dated for key, value in rates_of(entry["prices"]) if value and key in OTHER}
    match = match_row(model["match"])
    return compact(
        id=model["id"],
        match=None if match == ["=" + model["id"].lower()] else match,
        prices=entries,
        services=services(model.get("price_variants") or []),
        other=sorted(other),
        links=links(model.get("price_comments")),
    )


def price_entry(entry: Node, *, free: bool) -> Row:
    """Return one dated price. `free`: a model named so, of which the release says no more, costs nothing by its name."""
    rates = rates_row(entry["prices"])
    if not rates and free:
        rates = {"uncached_input": "0", "output": "0"}
    return compact(**condition(entry.get("constraint"))) | {"rates": rates}


def condition(constraint: Node | None) -> Row:
    match constraint:
        case None:
            return {}
        case {"type": "StartDateConstraint", "start_date": day}:
            return {"from": day}
        case {"type": "TimeOfDateConstraint", "start_time": start, "end_time": end}:
            return {"hours": [[start, end]]}
        case _:
            raise Foreign(f"constraint {constraint}")


def rates_of(prices: Node) -> Iterator[tuple[str, Any]]:
    for key, value in prices.items():
        if key == "type":
            continue
        if key not in KINDS and key not in OTHER and key not in IGNORED:
            raise Foreign(f"price key {key}")
        yield key, value


def rates_row(prices: Node) -> Row:
    found = {KINDS[key]: rate(value, thousand=key == "requests_kcount") for key, value in rates_of(prices) if key in KINDS}
    return {kind: found[kind] for kind in KINDS.values() if kind in found}


def rate(value: Decimal | Node, *, thousand: bool) -> Any:  # noqa: ANN401 - a text, or a list of a text and steps
    """Return USD per million tokens (or per request) as text; with price tiers, a list: the base, then [above tokens, price] each."""
    if isinstance(value, Decimal):
        return digits(value / 1000 if thousand else value)
    return [digits(value["base"]), *([tier["start"], digits(tier["price"])] for tier in value["tiers"])]


def digits(value: Decimal) -> str:
    """Return the price with at most six places: what is beyond them is noise of somebody's binary floats (0.0833333333333333)."""
    text = format(value.quantize(PLACES, rounding=ROUND_HALF_UP, context=Context(prec=28)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def services(variants: Sequence[Node]) -> Row:
    """Return, by service, the dated partial rates, earliest first; a later one that is in force replaces the earlier.

    In the release the first variant in force wins for each price; it lists the newest first. Refused: an order that would differ.
    """
    found: dict[str, list[Row]] = {}
    for variant in reversed(variants):
        ((key, value),) = variant["when"].items()
        if (key, value) in UNTOLD:
            continue
        if (key, value) not in SERVICES:
            raise Foreign(f"variant {key}={value}")
        entries = found.setdefault(SERVICES[key, value], [])
        entries.append(compact(**condition(variant.get("constraint"))) | {"rates": rates_row(variant["prices"])})
        starts = [entry.get("from", "") for entry in entries]
        if starts != sorted(starts) or any(set(entry["rates"]) != set(entries[0]["rates"]) for entry in entries):
            raise Foreign(f"variants of {value} that overlap otherwise than newest first")
    return dict(sorted(found.items()))


MARKS = {"equals": "=", "starts_with": "^", "ends_with": "$", "contains": "*"}


def match_row(clause: Node) -> list[Any]:
    """Return alternatives: texts (=equal, ^start, $end, *inside, ~regular expression), or {"all": […]} of several that must all match."""
    match clause:
        case {"type": "ClauseOr", "or_": parts}:
            return [one for part in parts for one in match_row(part)]
        case {"type": "ClauseAnd", "and_": parts}:
            return [{"all": [match_row(part) for part in parts]}]
        case {"type": "ClauseRegex", "regex": text}:
            return ["~" + text]
        case {"type": "ClauseEquals" | "ClauseStartsWith" | "ClauseEndsWith" | "ClauseContains", **how}:
            ((name, text),) = how.items()
            return [MARKS[name] + text.lower()]
        case _:
            raise Foreign(f"match {clause}")


def links(comments: str | None) -> list[str]:
    found = re.findall(r"https://[^\s,;)]+", comments or "")
    return list(dict.fromkeys(link.rstrip(".") for link in found))[:LINKS_MAX]


def compact(**members: Any) -> Row:
    return {name: value for name, value in members.items() if value}


# --- writing


def text(rows: Iterator[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def changes(old: str, new: str) -> list[str]:
    """Return what a reviewer has to read: models that came, went, or changed in any way."""
    before, after = by_model(old), by_model(new)
    came = [f"+ {name}" for name in after.keys() - before.keys()]
    went = [f"- {name}" for name in before.keys() - after.keys()]
    other = [f"~ {name}\n    {before[name]}\n    {after[name]}" for name in before.keys() & after.keys() if before[name] != after[name]]
    return sorted([*came, *went, *other], key=lambda change: change[2:])


def by_model(book: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    provider = ""
    for line in book.split("\n")[1:-1]:
        row = json.loads(line)
        provider = row.get("provider", provider)
        found[f"{provider}/{row['id']}" if "id" in row else provider] = line
    return found


def install(version: str, folder: Path) -> Path:
    """Install the release, without what it depends on, in an environment of its own, and return where it lies."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", f"genai-prices=={version}"], check=True)
    return next(folder.glob("lib/python*/site-packages"))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.price_book", description="Make the price book from a release of genai-prices.")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="the day the prices were taken, such as 2026-11-21")
    parser.add_argument("--release", default=RELEASE, help=f"the release of genai-prices (default {RELEASE})")
    parser.add_argument("--installed", type=Path, help="the site-packages folder that has it (default: installed for this run alone)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the book on disk differs")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="price-book-") as folder:
        release = read(options.installed or install(options.release, Path(folder) / "venv"))
    new = text(convert(release, as_of=options.as_of))
    old = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if old != new and not options.check:
        TARGET.write_text(new, encoding="utf-8")
    found = changes(old, new)
    print("\n".join([*found, f"genai-prices {release.version}: {len(found)} changes, {len(new)} bytes."]))
    return 1 if options.check and old != new else 0


if __name__ == "__main__":
    sys.exit(main())
