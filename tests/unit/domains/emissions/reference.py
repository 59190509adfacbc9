"""A slow estimate straight from the file, by its formula as written: what the fast one is compared with.

Shares no code with the product: its own matching by fnmatch, its own arithmetic with 50 digits, phases summed *before* the logarithms.
"""

from __future__ import annotations

import decimal
import fnmatch
import json
from decimal import Decimal
from typing import Any

from carbonledger.domains.emissions import data
from carbonledger.kernel.usage import TokenBuckets

FILE: dict[str, Any] = json.loads(data.factor_set("1.0"), parse_float=Decimal, parse_int=Decimal)
BOUNDS = ("low", "mid", "high")
CONTEXT = decimal.Context(prec=50, traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow])
Bounds = dict[str, Decimal]


def estimate(provider: str, model: str, tokens: TokenBuckets, requests: int, *, grid: str | None = None) -> dict[str, Bounds]:
    """Energy (Wh), CO2e by location (g) and water (ml) of usage whose counts are all known."""
    with decimal.localcontext(CONTEXT):
        host = FILE["providers"].get(provider, FILE["providers"]["default"])
        electricity = FILE["grid"][grid or host["default_region"]]
        it = it_wh(tier(model), tokens, requests)
        kwh = {bound: it[bound] / 1000 for bound in BOUNDS}
        embodied = combined(kwh, FILE["embodied_gco2e_per_kwh_it"])
        facility = combined(it, host["pue"])
        site = combined(it, host["wue_site_l_per_kwh_it"])
        return {
            "energy": facility,
            "co2e_location": added(combined(kwh, host["pue"], electricity["gco2e_per_kwh"]), embodied),
            "water": added(site, {bound: facility[bound] * electricity["ewif_l_per_kwh"] for bound in BOUNDS}),
        }


def tier(model: str) -> tuple[str, bool]:
    """The tier, and whether it is only the default."""
    name = model.lower()
    if name.startswith("ft:"):
        name = name[3:].split(":")[0]
    name = name.split("/")[-1]
    for rule in FILE["matching"]["rules"]:
        if fnmatch.fnmatchcase(name, rule["pattern"]):
            return rule["tier"], False
    return FILE["matching"]["default"]["tier"], True


def it_wh(found: tuple[str, bool], tokens: TokenBuckets, requests: int) -> Bounds:
    name, is_default = found
    energy = FILE["tiers"][name]["wh_per_1k_tokens"]
    creation = (tokens.cache_creation_5m or 0) + (tokens.cache_creation_1h or 0)
    counts = {"prefill": tokens.uncached_input, "cache_creation": creation, "cached_input": tokens.cached_input, "decode": tokens.output}
    multiplier = dict.fromkeys(counts, Decimal(1))
    for step in FILE["modifiers"]["long_context"]["steps"]:
        if Decimal(tokens.total_input or 0) / requests >= step["min_avg_input_tokens"]:
            multiplier |= {"prefill": step["prefill"], "cache_creation": step["prefill"], "decode": step["decode"]}
    sums = {
        bound: sum(((counts[phase] or 0) * energy[phase][bound] * multiplier[phase] / 1000 for phase in counts), Decimal(0))
        for bound in BOUNDS
    }
    if is_default:
        widen = FILE["matching"]["default"]["widen"]
        sums = {"low": sums["low"] / widen["low_divisor"], "mid": sums["mid"], "high": sums["high"] * widen["high_multiplier"]}
    return sums


def combined(*factors: Bounds) -> Bounds:
    """The product, its bounds by the root of the sum of squares of the log ratios."""
    mid = low = high = Decimal(1)
    for factor in factors:
        mid *= factor["mid"]
    if mid:
        if all(factor["low"] for factor in factors):
            low = mid * (-distance([factor["mid"] / factor["low"] for factor in factors])).exp()
        else:
            low = Decimal(0)
        high = mid * distance([factor["high"] / factor["mid"] for factor in factors]).exp()
        return {"low": low, "mid": mid, "high": high}
    return dict.fromkeys(BOUNDS, Decimal(0))


def distance(ratios: list[Decimal]) -> Decimal:
    return sum((ratio.ln() ** 2 for ratio in ratios), Decimal(0)).sqrt()


def added(left: Bounds, right: Bounds) -> Bounds:
    return {bound: left[bound] + right[bound] for bound in BOUNDS}
