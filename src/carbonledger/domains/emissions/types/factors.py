"""A factor set as values: every number that turns usage into emissions, with the ids of its sources.

Owns the shape of a set and the fault of one that can't be used. It does not own reading one from its file, nor any arithmetic: that
is ``core``. A set is immutable; its identity is its digest, and its version is a name for that.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from carbonledger.kernel import errors
from carbonledger.kernel.quantity import Range


class EmissionsFault(errors.Fault):
    """Emissions could not do this."""

    code = "emissions"


class FactorSetInvalid(EmissionsFault):
    """This is not a factor set that can be computed with."""

    kind = errors.Kind.INVALID
    code = "factor_set_invalid"


class Basis(enum.Enum):
    """What the carbon intensity of electricity counts (GHG Protocol, scope 2). The two are shown side by side and never summed."""

    LOCATION = "location"  # the grid at the place of use
    MARKET = "market"  # the electricity that was bought by contract


class Phase(enum.Enum):
    """What a model does with a token. Writing to a provider's cache is a prefill."""

    PREFILL = "prefill"
    CACHED = "cached"  # input served from the provider's cache
    DECODE = "decode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where numbers come from."""

    id: str
    title: str
    url: str | None  # None: our own derivation or assumption
    used: str
    licence: str | None


@dataclass(frozen=True, slots=True)
class Factor:
    """A number within bounds, and the ids of its sources."""

    value: Range
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelRule:
    """Models whose name fits the pattern are of this tier. Rules are tried in order."""

    pattern: str
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """The tier of a model that no rule fits, with its bounds moved further out."""

    tier: str
    low_divisor: Decimal
    high_multiplier: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A group of models of similar energy per token."""

    name: str
    label: str
    representative: str
    wh_per_1k: Mapping[Phase, Range] | None  # at IT level, before PUE; None: not modelled, and so never covered
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextStep:
    """What long input multiplies energy by, from so many input tokens a request on. Cached input is never multiplied."""

    input_tokens_min: int
    prefill: Decimal
    decode: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Whose machines run the models of a provider, where usage does not say more."""

    name: str
    hosting: str
    pue: Factor  # facility energy per IT energy
    water: Factor  # litres evaporated on site per kWh of IT energy
    grid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The electricity of a place (location basis), or of a contract (market basis)."""

    name: str
    basis: Basis
    intensity: Factor  # g CO2e per kWh
    water: Decimal | None  # litres per kWh generated; None only for a contract, which is no place
    year: int
    bounds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorSet:
    """One version of all factors. Mappings are read-only, by the names that the file gives."""

    version: str
    digest: str  # SHA-256 of the canonical form, in hex
    status: str
    effective_from: date
    rules: tuple[ModelRule, ...]
    fallback: Fallback
    tiers: Mapping[str, Tier]
    context_steps: tuple[ContextStep, ...]  # ascending
    context_sources: tuple[str, ...]
    batch_multiplier: Decimal
    hosts: Mapping[str, Host]  # by provider; "default" for every other
    grids: Mapping[str, Grid]
    regions: Mapping[str, Mapping[str, str]]  # name of a map -> a provider's word for a region -> grid
    embodied: Factor  # g CO2e per kWh of IT energy
    embodied_derivation: str
    notes: Mapping[str, str]  # how a kind of number was derived, in the file's words
    sources: Mapping[str, Source]
    document: bytes = field(repr=False)  # the file as it was read
