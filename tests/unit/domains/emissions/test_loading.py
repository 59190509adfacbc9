"""A factor set is read whole and strictly: each problem is named with its place, and none hides another."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import loading
from carbonledger.kernel.quantity import Range

Edit = Callable[[Any], object]


def edited(*edits: Edit) -> bytes:
    document = json.loads(data.factor_set("1.0"))
    for edit in edits:
        edit(document)
    return json.dumps(document).encode()


def problems(*edits: Edit) -> list[tuple[str, str]]:
    with pytest.raises(types.FactorSetInvalid) as caught:
        loading.factor_set(edited(*edits))
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


def test_the_shipped_set_is_what_its_file_says(factors: types.FactorSet) -> None:
    assert (factors.version, factors.status, factors.effective_from) == ("1.0", "proposed", date(2026, 11, 1))
    assert (len(factors.rules), len(factors.tiers), len(factors.hosts), len(factors.grids), len(factors.sources)) == (253, 10, 12, 38, 19)
    assert factors.rules[0] == types.ModelRule("*embed*", "embedding")
    assert factors.fallback == types.Fallback(tier="medium", low_divisor=Decimal(2), high_multiplier=Decimal(2))
    medium = factors.tiers["medium"].wh_per_1k
    assert medium is not None
    assert medium[types.Phase.CACHED] == Range(Decimal("0.001"), Decimal("0.0075"), Decimal("0.0625"))
    assert factors.tiers["media"].wh_per_1k is None
    assert factors.context_steps[1] == types.ContextStep(128_000, Decimal("2.2"), Decimal("1.6"))
    assert factors.hosts["anthropic"].pue.value == Range(Decimal("1.08"), Decimal("1.13"), Decimal("1.3"))
    assert factors.grids["GOOGLE_FLEET_MB"].basis is types.Basis.MARKET
    assert factors.regions["aws"]["eu-north-1"] == "SWE"
    assert factors.embodied.value == Range(Decimal(20), Decimal(45), Decimal(100))
    assert factors.sources["owid-ember"].url == "https://ourworldindata.org/grapher/carbon-intensity-electricity"
    assert factors.document == data.factor_set("1.0")


def test_a_set_can_not_be_changed(factors: types.FactorSet) -> None:
    with pytest.raises(TypeError):
        factors.tiers["medium"] = factors.tiers["nano"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        factors.version = "1.1"  # type: ignore[misc]


def test_another_spelling_is_the_same_set_and_another_number_another(factors: types.FactorSet) -> None:
    assert loading.factor_set(edited()).digest == factors.digest
    assert loading.factor_set(edited(lambda d: usa(d)["gco2e_per_kwh"].update(mid=384.5))).digest != factors.digest


Document = dict[str, Any]


def prefill(document: Document) -> Document:
    return document["tiers"]["medium"]["wh_per_1k_tokens"]["prefill"]  # type: ignore[no-any-return]


def xai(document: Document) -> Document:
    return document["providers"]["xai"]  # type: ignore[no-any-return]


def usa(document: Document) -> Document:
    return document["grid"]["USA"]  # type: ignore[no-any-return]


def first_rule(document: Document) -> Document:
    return document["matching"]["rules"][0]  # type: ignore[no-any-return]


def steps(document: Document) -> list[Document]:
    return document["modifiers"]["long_context"]["steps"]  # type: ignore[no-any-return]


def make_precise(document: Document) -> None:
    """Six places of energy, one of a multiplier, six of PUE and one of a grid, and six for the thousands: 20 in all."""
    for phase in ("prefill", "cache_creation"):
        document["tiers"]["medium"]["wh_per_1k_tokens"][phase]["mid"] = 0.075001
    xai(document)["pue"]["mid"] = 1.200001


def tell_creation_apart(document: Document) -> None:
    document["tiers"]["nano"]["wh_per_1k_tokens"]["prefill"]["mid"] = 0.009


REFUSED: list[tuple[Edit, list[tuple[str, str]]]] = [
    # the schema and the texts that the arithmetic follows
    (lambda d: d.update(schema="carbon-factors/2"), [("/schema", "value_wrong")]),
    (lambda d: d["units"].update(energy="J per token"), [("/units/energy", "value_wrong")]),
    (lambda d: d["formula"].update(total_gco2e="operational"), [("/formula/total_gco2e", "value_wrong")]),
    (lambda d: d["formula"].update(credits="minus"), [("/formula/credits", "member_unknown")]),
    (lambda d: d["matching"].update(normalise="as is"), [("/matching/normalise", "value_wrong")]),
    (lambda d: d["modifiers"].update(reasoning_tokens="add them"), [("/modifiers/reasoning_tokens", "value_wrong")]),
    # members: none unknown, none missing
    (lambda d: d.update(note="hello"), [("/note", "member_unknown")]),
    (lambda d: d.pop("grid"), [("", "member_missing")]),
    (lambda d: prefill(d).pop("mid"), [("/tiers/medium/wh_per_1k_tokens/prefill", "member_missing")]),
    (lambda d: prefill(d).update(median=1), [("/tiers/medium/wh_per_1k_tokens/prefill/median", "member_unknown")]),
    (lambda d: d["sources"][0].update(doi="10.1"), [("/sources/0/doi", "member_unknown")]),
    # numbers
    (lambda d: xai(d)["pue"].update(low=0.9), [("/providers/xai/pue/low", "number_too_small")]),
    (lambda d: xai(d)["pue"].update(low="1.1"), [("/providers/xai/pue/low", "type_wrong")]),
    (lambda d: xai(d)["pue"].update(low=True), [("/providers/xai/pue/low", "type_wrong")]),
    (lambda d: xai(d)["pue"].update(low=2), [("/providers/xai/pue", "range_wrong")]),
    (lambda d: usa(d)["gco2e_per_kwh"].update(low=0, mid=0), [("/grid/USA/gco2e_per_kwh", "range_wrong")]),  # high above 0
    (lambda d: usa(d).update(year=2025.5), [("/grid/USA/year", "number_wrong")]),
    (lambda d: usa(d).update(ewif_l_per_kwh=None), [("/grid/USA/ewif_l_per_kwh", "water_missing")]),
    (lambda d: usa(d).update(basis="residual"), [("/grid/USA/basis", "reference_unknown")]),
    (tell_creation_apart, [("/tiers/nano/wh_per_1k_tokens/cache_creation", "cache_creation_differs")]),
    # what one part says of another
    (lambda d: d["matching"]["rules"][3].update(tier="huge"), [("/matching/rules/3/tier", "reference_unknown")]),
    (lambda d: d["matching"]["default"].update(tier="media"), [("/matching/default/tier", "tier_not_modelled")]),
    (lambda d: d["tiers"]["ultra"].update(basis=["hearsay"]), [("/tiers/ultra/basis/0", "reference_unknown")]),
    (lambda d: d["tiers"]["ultra"].update(basis=[]), [("/tiers/ultra/basis", "type_wrong")]),  # a number without a source
    (lambda d: xai(d).update(default_region="MARS"), [("/providers/xai/default_region", "reference_unknown")]),
    # a contract is no place
    (lambda d: xai(d).update(default_region="GOOGLE_FLEET_MB"), [("/providers/xai/default_region", "reference_unknown")]),
    (lambda d: d["region_map"]["aws"].update({"us-east-9": "GOOGLE_FLEET_MB"}), [("/region_map/aws/us-east-9", "reference_unknown")]),
    (lambda d: d["providers"].pop("default"), [("/providers", "member_missing")]),
    (lambda d: d["sources"].append(d["sources"][0]), [("/sources/19/id", "source_double")]),
    (lambda d: d["sources"][0].update(url="http://example.org"), [("/sources/0/url", "text_wrong")]),
    # patterns, names, days
    (lambda d: first_rule(d).update(pattern="*Embed*"), [("/matching/rules/0/pattern", "text_wrong")]),  # no name is in capitals
    (lambda d: first_rule(d).update(pattern="o[1"), [("/matching/rules/0/pattern", "text_wrong")]),
    (lambda d: d["tiers"].update({"a/b": d["tiers"]["media"]}), [("/tiers/a~1b", "name_wrong")]),
    (lambda d: d.update(effective_from="2026-02-30"), [("/effective_from", "date_wrong")]),
    (lambda d: d.update(effective_from="soon"), [("/effective_from", "text_wrong")]),
    (lambda d: d.update(version="one"), [("/version", "text_wrong")]),
    # long context
    (lambda d: steps(d).reverse(), [("/modifiers/long_context/steps/1", "step_wrong")]),
    (lambda d: d["modifiers"]["long_context"].update(steps=[]), [("/modifiers/long_context/steps", "type_wrong")]),
    (lambda d: steps(d)[1].update(decode=1.1), [("/modifiers/long_context/steps/1", "step_wrong")]),
    # types
    (lambda d: d.update(tiers=[]), [("/tiers", "type_wrong")]),
    (lambda d: d.update(tiers={}), [("/tiers", "type_wrong")]),
    (lambda d: d["region_map"].update(aws={}), [("/region_map/aws", "type_wrong")]),
    (lambda d: d["tiers"].update(medium="big"), [("/tiers/medium", "type_wrong")]),
    (make_precise, [("", "too_precise")]),  # mids that would have to be rounded
]  # fmt: skip


@pytest.mark.parametrize("edit, expected", REFUSED, ids=[f"{expected[0][0]}-{place}" for place, (_, expected) in enumerate(REFUSED)])
def test_refused(edit: Edit, expected: list[tuple[str, str]]) -> None:
    assert problems(edit) == expected


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        lambda d: d.update(version="one"),
        lambda d: prefill(d).update(low=-1),
        lambda d: d["grid"]["DEU"].pop("year"),
        lambda d: d["matching"]["rules"][252].update(tier="huge"),
    )
    assert found == [
        ("/tiers/medium/wh_per_1k_tokens/prefill/low", "number_too_small"),
        ("/grid/DEU", "member_missing"),
        ("/matching/rules/252/tier", "reference_unknown"),
        ("/version", "text_wrong"),
    ]


@pytest.mark.parametrize("document", [b"[]", b"null", b'"1.0"', b"{}"])
def test_what_is_no_factor_set_at_all_is_refused(document: bytes) -> None:
    with pytest.raises(types.FactorSetInvalid):
        loading.factor_set(document)


def test_an_unknown_version_is_not_shipped() -> None:
    with pytest.raises(KeyError):
        data.factor_set("../1.0")
