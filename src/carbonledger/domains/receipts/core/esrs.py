"""What a month contributes to the disclosures of ESRS E1, by meaning; which paragraphs ask for each stands in a versioned table. Pure.

The meanings are ours and stay. Paragraphs are renumbered when the standard is amended, so they are a map of their own: a new edition is a
new entry in ``MAPS``, and packs name the map that they were made with. What is not known here is None with the reason, never 0.

Source: ESRS E1 in Annex I of Commission Delegated Regulation (EU) 2023/2772: 44 (c) and 51 (gross scope 3, by significant category), 53
(intensity), 59 (carbon credits cancelled, and planned to be), AR 62 (their breakdown). Looked up in November 2026.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from carbonledger.domains.receipts.types.credits import Allocation
from carbonledger.domains.receipts.types.totals import ClosedPeriod, Whole

SCHEMA: Final = "carbon-ledger/esrs-e1/v1"
MAP: Final = "esrs-e1/2023-2772"
"""The map that packs are made with."""
_GROSS: Final = "gross_scope_3_purchased_services"
_CANCELLED: Final = "carbon_credits_cancelled"
MAPS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    MAP: {
        f"{_GROSS}_location_based": ("E1-6 44 (c)", "E1-6 51"),
        f"{_GROSS}_market_based": ("E1-6 44 (c)", "E1-6 51"),
        "ghg_intensity_per_net_revenue": ("E1-6 53",),
        _CANCELLED: ("E1-7 59 (a)",),
        f"{_CANCELLED}_by_kind": ("E1-7 AR 62 (a)",),
        f"{_CANCELLED}_by_standard": ("E1-7 AR 62 (c)",),
        f"{_CANCELLED}_in_eu": ("E1-7 AR 62 (d)",),
        f"{_CANCELLED}_with_corresponding_adjustment": ("E1-7 AR 62 (e)",),
        "carbon_credits_planned_to_be_cancelled": ("E1-7 59 (b)",),
        "energy_of_purchased_services": (),
    }
}
"""Versions of the map: the paragraphs that ask for each meaning; none: no paragraph does."""


@dataclass(frozen=True, slots=True)
class _Point:
    meaning: str
    unit: str
    value: object
    note: str


def document(closed: ClosedPeriod, held: Sequence[Allocation]) -> bytes:
    """Return the data points of a closed month as JSON. ``held``: the credits that its standing receipt holds."""
    paragraphs = MAPS[MAP]
    points = [
        {"meaning": one.meaning, "unit": one.unit, "value": one.value, "note": one.note, "paragraphs": list(paragraphs[one.meaning])}
        for one in (*_emissions(closed), *_credits(held))
    ]
    period = closed.period
    told = {
        "schema": SCHEMA,
        "map": MAP,
        "source": "Commission Delegated Regulation (EU) 2023/2772, Annex I, ESRS E1",
        "month": f"{period.month:%Y-%m}",
        "gwp": "GWP-100 of IPCC AR6, as far as the sources of the factor set state theirs",
        "data_points": points,
    }
    return (json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _emissions(closed: ClosedPeriod) -> Iterable[_Point]:
    note = "Estimated, low / mid / high. Category 1 of the GHG Protocol's scope 3 standard. Credits are not deducted."
    bases = (("location", closed.co2e_location_mg), ("market", closed.co2e_market_mg))
    for basis, whole in bases:
        unknown = "" if whole is not None else " Not known on this basis."
        yield _Point(f"{_GROSS}_{basis}_based", "mg CO2e", _range(whole), note + unknown)
    yield _Point("ghg_intensity_per_net_revenue", "mg CO2e / currency unit", None, "Net revenue is not known here.")
    energy = "Used by providers, so not the undertaking's own energy consumption (E1-5). For information."
    yield _Point("energy_of_purchased_services", "uWh", _range(closed.energy_uwh), energy)


def _range(whole: Whole | None) -> dict[str, int] | None:
    return None if whole is None else whole._asdict()


def _credits(held: Sequence[Allocation]) -> Iterable[_Point]:
    dated = "By the year in which the registry cancelled them, which decides the reporting period that they are of."
    yield _Point(_CANCELLED, "mg CO2e", _by(held, lambda one: f"{one.credit.retired_on:%Y}"), dated)
    yield _Point(f"{_CANCELLED}_by_kind", "mg CO2e", _by(held, lambda one: one.credit.kind.value), "Removal or reduction.")
    yield _Point(f"{_CANCELLED}_by_standard", "mg CO2e", _by(held, lambda one: one.credit.standard), "")
    yield _Point(f"{_CANCELLED}_in_eu", "mg CO2e", None, "The country of a project is not recorded: see it at the registry (credits.csv).")
    words = {True: "yes", False: "no", None: "not_stated"}
    adjusted = _by(held, lambda one: words[one.credit.corresponding_adjustment])
    yield _Point(f"{_CANCELLED}_with_corresponding_adjustment", "mg CO2e", adjusted, "Article 6 of the Paris Agreement.")
    yield _Point("carbon_credits_planned_to_be_cancelled", "mg CO2e", None, "Commitments are the operator's, and are given to no month.")


def _by(held: Sequence[Allocation], name: Callable[[Allocation], str]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for one in held:
        sums[name(one)] += one.interval.milligrams
    return dict(sums)
