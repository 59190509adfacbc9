"""What the methodology says beside the numbers: every flag in words, and nothing assumed that is not called so."""

from __future__ import annotations

import json

from carbonledger.domains.emissions import service, types
from carbonledger.domains.emissions.core import methodology


def resolved(document: object, pointer: str) -> object:
    for part in pointer.split("/")[1:]:
        document = document[int(part)] if isinstance(document, list) else document[part]  # type: ignore[index]  # whatever it is, it has the part
    return document


def test_every_flag_has_words() -> None:
    assert set(methodology.SAID) == set(types.Flag)


def test_cached_input_comes_first_and_is_plainly_called_an_assumption() -> None:
    first = service.methodology().assumptions[0]
    assert first.text.startswith("Cached input is an assumption")
    assert len(first.pointers) == 9  # the tiers of set 1.0 that are modelled


def test_each_assumption_leads_to_numbers_of_the_file(factors: types.FactorSet) -> None:
    document = json.loads(factors.document)
    for one in methodology.methodology(factors).assumptions:
        assert one.pointers
        assert all(resolved(document, pointer) is not None for pointer in one.pointers)


def test_whatever_the_file_calls_assumed_or_extrapolated_is_among_them(factors: types.FactorSet) -> None:
    document = json.loads(factors.document)
    told = {pointer for one in methodology.methodology(factors).assumptions for pointer in one.pointers}
    assumed = {"assumption", "extrapolated"}
    expected = {
        *(f"/tiers/{name}/wh_per_1k_tokens" for name, tier in document["tiers"].items() if assumed & {*tier["basis"]}),
        *(f"/providers/{name}/pue" for name, host in document["providers"].items() if assumed & {*host["pue"]["source"]}),
        *(
            f"/providers/{name}/wue_site_l_per_kwh_it"
            for name, host in document["providers"].items()
            if assumed & {*host["wue_site_l_per_kwh_it"]["source"]}
        ),
        *(f"/grid/{name}/gco2e_per_kwh" for name, grid in document["grid"].items() if "assumption" in grid["bounds"]),
    }
    assert expected <= told


def test_formulas_are_those_of_the_file(factors: types.FactorSet) -> None:
    document = json.loads(factors.document)
    told = {one.name: one.text for one in methodology.methodology(factors).formulas}
    assert told == {name: text for name, text in document["formula"].items() if name != "uncertainty"}
