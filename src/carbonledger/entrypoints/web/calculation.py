"""The steps of an estimate of emissions as they are read: the formula with its numbers, each with its unit, its source and its caution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from carbonledger.domains.emissions import types
from carbonledger.kernel import decimals, humane
from carbonledger.kernel.quantity import Range

_NAMES: Final = {
    "tier": "Model tier",
    "place": "Place",
    "long_context": "Long context",
    "prefill_wh": "Reading the input",
    "cached_wh": "Reading cached input",
    "decode_wh": "Writing the output",
    "it_wh": "Energy of the machines",
    "energy_wh": "Energy of the data centre",
    "embodied_g": "Making the hardware",
    "operational_location_g": "Electricity, by location",
    "co2e_location_g": "CO2e, by location",
    "co2e_market_g": "CO2e, by market",
    "water_ml": "Water",
}


@dataclass(frozen=True, slots=True)
class Given:
    """One number or word that a step uses."""

    name: str
    value: str
    unit: str
    sources: tuple[str, ...]
    is_assumption: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One step, in the order of computing."""

    name: str
    formula: str
    inputs: tuple[Given, ...]
    result: str
    unit: str
    note: str


def steps(found: Sequence[types.Step]) -> tuple[Step, ...]:
    """Return the steps for the eye. Numbers are rounded to three digits; exact ones are in the API."""
    return tuple(
        Step(
            name=_NAMES.get(one.name, one.name.replace("_", " ")),
            formula=one.formula,
            inputs=tuple(_given(given) for given in one.inputs),
            result=_said(one.result),
            unit=one.unit,
            note=one.note or "",
        )
        for one in found
    )


def _given(given: types.Input) -> Given:
    sources = tuple(source.id for source in given.sources)
    return Given(given.name.replace("_", " "), _said(given.value), given.unit, sources, given.is_assumption)


def _said(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, Range):
        low, mid, high = (humane.significant(bound) for bound in (value.low, value.mid, value.high))
        return mid if low == high else f"{low} / {mid} / {high}"
    if isinstance(value, Decimal):
        return humane.significant(value)
    if isinstance(value, int):
        return humane.grouped(decimals.to_api_decimal(Decimal(value)))
    return str(value)
