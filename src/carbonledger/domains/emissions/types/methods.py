"""How emissions are estimated, for a person who wants to judge it: formulas, phases, and plainly what nobody has measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from carbonledger.domains.emissions.types.factors import FactorSet, Phase, Source
from carbonledger.domains.emissions.types.results import Flag


@dataclass(frozen=True, slots=True)
class Formula:
    """One line of the arithmetic, and the unit of what it gives."""

    name: str
    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class PhaseNote:
    """Which tokens are a phase, and how its energy was derived."""

    phase: Phase
    tokens: str
    derivation: str
    is_assumption: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """Something that moves the result and that no published measurement stands behind.

    ``pointers`` lead to its numbers in the file of the factor set (RFC 6901).
    """

    name: str
    text: str
    pointers: tuple[str, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Methodology:
    """A factor set with the words that belong to it."""

    factors: FactorSet
    formulas: tuple[Formula, ...]
    phases: tuple[PhaseNote, ...]
    bounds: str
    assumptions: tuple[Assumption, ...]
    flags: Mapping[Flag, str]
