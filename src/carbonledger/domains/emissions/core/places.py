"""From a provider and its word for a region to the host and the electricity.

Owns what schema ``carbon-factors/1`` leaves unsaid: other names of a provider, whose words a map of regions is made of, and which
market-based figure belongs to whom. These are read with every set of that schema, so a change here would change the past: it needs a
new schema. It does not own any number.
"""

from __future__ import annotations

from typing import NamedTuple

from carbonledger.domains.emissions import types
from carbonledger.domains.emissions.core.loading import DEFAULT_HOST

# By host, the other names that it has in the price book, in the OpenTelemetry GenAI conventions (gen_ai.provider.name) and in LiteLLM. A
# closed list: never by resemblance.
_NAMES = {
    "azure": ("azure-openai", "azure.ai.inference", "azure.ai.openai", "azure_ai", "azure_openai"),
    "bedrock": ("amazon", "amazon-bedrock", "aws", "aws-bedrock", "aws.bedrock", "aws_bedrock", "bedrock_converse"),
    "cohere": ("cohere_chat",),
    "google": (
        *("gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai", "gemini", "google-gla", "google-vertex", "google_genai"),
        *("vertex", "vertex-ai", "vertex_ai", "vertexai"),
    ),
    "mistral": ("mistral-ai", "mistral_ai", "mistralai"),
    "xai": ("x-ai", "x_ai"),
}
_HOST_OF = {name: host for host, names in _NAMES.items() for name in names}
_MAPS = {
    "anthropic": "anthropic_inference_geo",
    "azure": "azure",
    "bedrock": "aws",
    "google": "gcp",
    "openrouter": "openrouter_data_region",
}
_MARKETS = {"google": "GOOGLE_FLEET_MB"}  # the one market-based figure that is published for models served to others


class Place(NamedTuple):
    host: types.Host
    grid: types.Grid
    market: types.Grid | None
    region_map: str | None
    bits: int


def place(factors: types.FactorSet, provider: str, region: str | None) -> Place:
    """Return where usage ran. What the set does not know takes its default, and a flag says so.

    A region is a provider's own word by the set's map of it, or else the name of a grid, such as DEU. Without one it is the
    provider's default place, without a flag: that is what the set states for it.
    """
    name = _HOST_OF.get(provider, provider)
    host = factors.hosts.get(name)
    bits = 0 if host else types.Flag.PROVIDER_UNKNOWN.bit
    host = host or factors.hosts[DEFAULT_HOST]
    market = factors.grids.get(_MARKETS.get(host.name, ""))
    grid, region_map = _grid(factors, host, region)
    if grid is None:
        bits |= types.Flag.REGION_UNKNOWN.bit
        grid = factors.grids[host.grid]
    return Place(host, grid, market, region_map, bits)


def _grid(factors: types.FactorSet, host: types.Host, region: str | None) -> tuple[types.Grid | None, str | None]:
    if region is None:
        return factors.grids[host.grid], None
    region_map = _MAPS.get(host.name, "")
    mapped = factors.regions.get(region_map, {}).get(region.lower().replace(" ", ""))  # Azure writes "Sweden Central" on bills
    if mapped is not None:
        return factors.grids[mapped], region_map
    grid = factors.grids.get(region.upper())
    return (grid if grid and grid.basis is types.Basis.LOCATION else None), None
