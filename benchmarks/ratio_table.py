"""Our low, mid and high beside every published figure that factor set 1.0 was judged by; exits 1 if a digit differs from the record.

The first table are published energy and CO2e per prompt or per 1,000 tokens. They were used to set the tiers, so agreement is no proof;
where we are outside, the table says so. The second is EcoLogits, which was not used for most tiers. Inputs, published figures and the
recorded digits are in tests/vectors/emissions_ratio_table.json; the numbers here are computed by the product's own code.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import estimating, loading
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Range
from carbonledger.kernel.usage import TokenBuckets, Usage

VECTORS = Path(__file__).parents[1] / "tests" / "vectors" / "emissions_ratio_table.json"
VERSION = "1.0"
AT = datetime(2026, 11, 21, tzinfo=UTC)  # no factor depends on it


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison: what was recorded, what the product computes now (unrounded), and the places that were recorded of each number."""

    name: str
    recorded: Mapping[str, object]
    computed: Mapping[str, object]
    places: Mapping[str, int]

    @property
    def differences(self) -> list[str]:
        return [
            f"{name}: recorded {value}, computed {self.computed[name]}"
            for name, value in self.recorded.items()
            if not agrees(value, self.computed[name], self.places.get(name))
        ]

    @property
    def cells(self) -> list[str]:
        return [
            str(rounded(value, self.places[name])) if isinstance(value, Decimal) else str(value) for name, value in self.computed.items()
        ]


def agrees(recorded: object, computed: object, places: int | None) -> bool:
    """Whether what was recorded is what was computed, to its last digit. Of a number just between two, either was recorded."""
    if isinstance(recorded, Decimal) and isinstance(computed, Decimal) and places is not None:
        return 2 * abs(recorded - computed) <= Decimal(1).scaleb(-places)
    return recorded == computed


def anchors() -> list[Row]:
    """Every row of the ratio table."""
    factors = loading.factor_set(data.factor_set(VERSION))
    return [anchor(factors, row) for row in json.loads(VECTORS.read_text())["ratio_table"]]


def anchor(factors: types.FactorSet, row: Mapping[str, Any]) -> Row:
    emissions = estimate(factors, row)
    ours = emissions.energy_wh
    if row["grid"] is not None:
        market = factors.grids[row["grid"]].basis is types.Basis.MARKET
        ours = emissions.co2e_market_g if market else emissions.co2e_location_g  # type: ignore[assignment]
    assert ours is not None
    published = Decimal(row["published"])
    ratio = decimals.quotient(ours.mid, Decimal(1), published, places=18, mode=decimals.Rounding.HALF_EVEN)
    inside = ours.low <= published <= ours.high
    computed = {"tier": emissions.tier, "low": ours.low, "mid": ours.mid, "high": ours.high, "ratio": ratio, "inside": inside}
    places = {**dict.fromkeys(("low", "mid", "high"), row["places"]), "ratio": 2}
    recorded = {name: Decimal(row[name]) if name in places else row[name] for name in computed}
    return Row(row["anchor"], recorded, computed, places)


def estimate(factors: types.FactorSet, row: Mapping[str, Any]) -> types.Emissions:
    """The product's estimate at the PUE of the publication, on the grid of the row."""
    host = factors.hosts.get(row["pue"])
    if host is None:
        pue = types.Factor(Range.point(Decimal(row["pue"])), ())
        host = dataclasses.replace(factors.hosts["google" if row["model"].startswith("gemini") else "default"], pue=pue)
    grid = factors.grids.get(row["grid"] or host.grid)
    if grid is not None and grid.basis is types.Basis.LOCATION:
        host = dataclasses.replace(host, grid=grid.name)
    hosts = MappingProxyType({**factors.hosts, host.name: host})
    usage = Usage(
        provider=host.name,
        model=row["model"],
        occurred_at=AT,
        tokens=TokenBuckets(
            uncached_input=row["prefill_tokens"], cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=row["output_tokens"]
        ),
        requests=1,
    )
    return estimating.Estimator(dataclasses.replace(factors, hosts=hosts)).estimate(usage)


def out_of_sample() -> list[Row]:
    """Every row of the comparison with EcoLogits, per 1,000 output tokens."""
    estimator = estimating.Estimator(loading.factor_set(data.factor_set(VERSION)))
    return [beside_ecologits(estimator, row) for row in json.loads(VECTORS.read_text())["ecologits"]["rows"]]


def beside_ecologits(estimator: estimating.Estimator, row: Mapping[str, Any]) -> Row:
    tokens = TokenBuckets(uncached_input=0, cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=1000)
    emissions = estimator.estimate(Usage(provider=row["provider"], model=row["model"], occurred_at=AT, tokens=tokens, requests=1))
    ours = emissions.energy_wh
    assert ours is not None
    mid = Decimal(row["mid"])
    computed = {
        "tier": emissions.tier,
        "mid": ours.mid,
        "overlaps": ours.low <= Decimal(row["ecologits_max"]) and ours.high >= Decimal(row["ecologits_min"]),
    }
    places = {"mid": -int(mid.as_tuple().exponent)}
    return Row(row["model"], {"tier": row["tier"], "mid": mid, "overlaps": row["overlaps"]}, computed, places)


def rounded(value: Decimal, places: int) -> Decimal:
    return decimals.rounded(value, places=places, mode=decimals.Rounding.HALF_EVEN)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    found: list[str] = []
    for title, rows in (("Published figures", anchors()), ("EcoLogits 0.11.3, 1,000 output tokens", out_of_sample())):
        names = list(rows[0].computed)
        print(f"\n## {title}\n| anchor | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
        for row in rows:
            print(f"| {row.name} | {' | '.join(row.cells)} |")
            found += [f"{row.name}: {difference}" for difference in row.differences]
    print("\n" + ("\n".join(found) or "Every digit is as recorded."))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
