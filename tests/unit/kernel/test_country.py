"""Countries are those of ISO 3166-1, as the time zone database lists them."""

from __future__ import annotations

import importlib.resources

import pytest

from carbonledger.kernel import country


def test_the_codes_are_those_of_the_time_zone_database() -> None:
    lines = importlib.resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8").splitlines()
    listed = {line.split("\t")[0] for line in lines if not line.startswith("#")}
    assert country.codes() == listed


@pytest.mark.parametrize("code", ["", "de", "DEU", "EU", "UK", "XX"])
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(country.CountryUnknown):
        country.by_code(code)
