"""Where usage ran: the host of a provider, the grid of a region, and what is said when the set does not know."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core import places
from carbonledger.domains.emissions.core.estimating import Estimator
from carbonledger.domains.pricing import data as prices
from tests.unit.domains.emissions.used import used

NOTHING: tuple[types.Flag, ...] = ()
PROVIDER, REGION = (types.Flag.PROVIDER_UNKNOWN,), (types.Flag.REGION_UNKNOWN,)

PLACES = [
    # provider, region, host, grid, flags
    ("openai", None, "openai", "USA", NOTHING),  # the provider's default place is what the set states: no flag
    ("mistral", None, "mistral", "EU_MISTRAL", NOTHING),
    ("deepseek", None, "deepseek", "CHN", NOTHING),
    ("openrouter", None, "openrouter", "WOR", NOTHING),
    # a provider's own words
    ("bedrock", "eu-north-1", "bedrock", "SWE", NOTHING),
    ("azure", "swedencentral", "azure", "SWE", NOTHING),
    ("azure", "Sweden Central", "azure", "SWE", NOTHING),  # the same place as bills write it
    ("google", "europe-west9", "google", "FRA", NOTHING),
    ("anthropic", "us", "anthropic", "USA", NOTHING),
    ("anthropic", "global", "anthropic", "WOR", NOTHING),
    ("anthropic", "not_available", "anthropic", "USA", NOTHING),
    ("openrouter", "europe", "openrouter", "DEU", NOTHING),
    # the name of a grid
    ("self_hosted", "FRA", "self_hosted", "FRA", NOTHING),
    ("openai", "deu", "openai", "DEU", NOTHING),
    # unknown
    ("openai", "europe", "openai", "USA", REGION),  # another provider's word
    ("bedrock", "us-gov-west-1", "bedrock", "USA", REGION),
    ("google", "GOOGLE_FLEET_MB", "google", "USA", REGION),  # a contract is no place
    ("groq", None, "default", "WOR", PROVIDER),
    ("groq", "eu", "default", "WOR", PROVIDER + REGION),
    ("groq", "FIN", "default", "FIN", PROVIDER),
    # other names of the same host
    ("aws.bedrock", "eu-west-1", "bedrock", "IRL", NOTHING),
    ("gcp.vertex_ai", None, "google", "USA", NOTHING),
    ("azure.ai.openai", "uksouth", "azure", "GBR", NOTHING),
    ("x-ai", None, "xai", "USA", NOTHING),
]


@pytest.mark.parametrize("provider, region, host, grid, flags", PLACES)
def test_place_table(
    factors: types.FactorSet, provider: str, region: str | None, host: str, grid: str, flags: tuple[types.Flag, ...]
) -> None:
    place = places.place(factors, provider, region)
    assert (place.host.name, place.grid.name, types.flags_of(place.bits)) == (host, grid, flags)


def test_every_name_of_a_provider_in_the_price_book_is_the_same_host_here(factors: types.FactorSet) -> None:
    # A provider that has a price under one name must not be unknown here under that name.
    hosts = {}
    for name, others in json.loads(prices.overrides())["providers"].items():
        found = {places.place(factors, each, None).host.name for each in (name, *others)}
        if found != {"default"}:
            hosts[name] = found
    assert hosts == {
        "aws": {"bedrock"},
        "azure": {"azure"},
        "cohere": {"cohere"},
        "google": {"google"},
        "mistral": {"mistral"},
        "x-ai": {"xai"},
    }


def test_only_google_has_a_market_based_figure(factors: types.FactorSet) -> None:
    markets = {host: place.market.name for host in factors.hosts if (place := places.place(factors, host, None)).market}
    assert markets == {"google": "GOOGLE_FLEET_MB"}


def test_bases_are_kept_apart(estimator: Estimator) -> None:
    google = estimator.estimate(used("gemini-3-flash", provider="google", uncached_input=250, output=350))
    # By hand: (250 x 0.075 + 350 x 0.8) / 1000 = 0.29875 Wh IT; x 1.09 = 0.3256375 Wh; the embodied share is 0.29875 x 0.045 g.
    assert google.co2e_location_g is not None
    assert google.co2e_market_g is not None
    assert google.co2e_location_g.mid == Decimal("0.138618805")  # 0.3256375 x 0.3844 + 0.01344375
    assert google.co2e_market_g.mid == Decimal("0.0446398225")  # 0.3256375 x 0.0958 + 0.01344375
    openai = estimator.estimate(used(uncached_input=250, output=350))
    assert openai.co2e_market is None
    assert openai.is_covered
