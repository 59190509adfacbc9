"""What Explore is asked by its address: filters, what to group by, what to sort by. Owns reading them and writing them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.telemetry.types import Source
from carbonledger.domains.telemetry.types.answers import WITHOUT, Dimension, Filters
from carbonledger.domains.telemetry.types.caching import KINDS
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import forms, names
from carbonledger.kernel import errors

TIME: Final = "time"
CACHED: Final = "cached"
WORDS: Final = {
    Dimension.MODEL.value: "Model",
    TIME: "Time",
    Dimension.PROVIDER.value: "Provider",
    Dimension.PROJECT.value: "Project",
    Dimension.WORKLOAD.value: "Workload",
    Dimension.AGENT.value: "Agent",
    Dimension.ACCOUNT.value: "Account",
    CACHED: "Cached",
    Dimension.SERVICE_TIER.value: "Service tier",
    Dimension.BATCH.value: "Batch",
    Dimension.OPERATION.value: "Operation",
    Dimension.REGION.value: "Region",
    Dimension.SOURCE.value: "Source",
    Dimension.CONNECTION.value: "Connection",
}
KIND_WORDS: Final = {
    "uncached_input": "Uncached input",
    "cached_input": "Read from a cache",
    "cache_creation_5m": "Written to a cache, 5 minutes",
    "cache_creation_1h": "Written to a cache, 1 hour",
    "output": "Output",
}
_IDS: Final = {"project": "project_id", "workload": "workload_id", "agent": "agent_id", "connection": "connection_id"}
_TEXTS: Final = ("account", "provider", "model", "region", "operation", "service_tier")
_NONE: Final = "without"
FILTERS: Final = (*_IDS, *_TEXTS, "source", "batch", _NONE)
_TEXT_CHARS_MAX: Final = 256


class FilterInvalid(errors.Invalid):
    """The address names a filter that can't be read."""

    code = "filter_invalid"


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, as the address has it. ``label`` None: what has no such thing."""

    dimension: Dimension
    label: names.Label
    pair: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Filters as the ledger takes them and as the address has them, and what to group by: a dimension, ``TIME`` or ``CACHED``."""

    filters: Filters
    fields: forms.Fields
    by: str

    @property
    def dimension(self) -> Dimension | None:
        """The dimension to group by; None for time and for what was cached."""
        return None if self.by in {TIME, CACHED} else Dimension(self.by)

    def address(self, chosen: periods.Chosen, path: str = "/explore", *, query: str | None = None, **other: str | None) -> str:
        """Return the address of the same question with something changed; None takes a part away. ``query``: of another period."""
        fields = self.fields.named(FILTERS).replaced(**{"by": self.by, **other})
        return f"{path}?{query or chosen.query}&{fields.query}"

    def only(self, chosen: periods.Chosen, dimension: Dimension, *, label: names.Label) -> str | None:
        """Return the address of one group by itself, grouped by the next dimension; None where no filter can name it."""
        kept = self.fields.named(FILTERS).pairs
        if label is None:
            if dimension not in WITHOUT:
                return None
            pair = (_NONE, dimension.value)
        else:
            pair = (dimension.value, ("yes" if label else "no") if isinstance(label, bool) else str(label))
        fields = forms.Fields((*kept, pair, ("by", self.next)))
        return f"/explore?{chosen.query}&{fields.query}"

    def chips(self) -> list[Chip]:
        """Return the filters in force."""
        found = []
        for name, value in self.fields.named(FILTERS).pairs:
            dimension = Dimension(value if name == _NONE else name)
            label: names.Label = value
            if name == _NONE:
                label = None
            elif name in _IDS:
                label = UUID(value)
            elif name == "batch":
                label = value == "yes"
            found.append(Chip(dimension, label, (name, value)))
        return found

    def lifted(self, chip: Chip) -> Asked:
        """Return the same question without one of its filters."""
        return read(forms.Fields(tuple(pair for pair in self.fields.pairs if pair != chip.pair)))

    @property
    def next(self) -> str:
        """What to group by once one of the present groups is chosen."""
        order = (Dimension.PROJECT, Dimension.MODEL, Dimension.WORKLOAD, Dimension.OPERATION)
        used = {chip.dimension.value for chip in self.chips()} | {self.by}
        return next((one.value for one in order if one.value not in used), Dimension.SOURCE.value)


def read(fields: forms.Fields) -> Asked:
    """Return what is asked. Raises ``FilterInvalid``."""
    by = fields.text("by") or Dimension.MODEL.value
    if by not in WORDS:
        raise FilterInvalid("There is no such thing to group by.")
    return Asked(Filters(**_filters(fields)), fields, by)


def kind(fields: forms.Fields) -> str | None:
    """Return the kind of token that events are asked for by; None: any."""
    given = fields.given("tokens")
    return given if given in KINDS else None


def _filters(fields: forms.Fields) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, argument in _IDS.items():
        if (given := fields.given(name)) is not None:
            found[argument] = _id(given)
    for name in _TEXTS:
        if (given := fields.given(name)) is not None:
            found[name] = given[:_TEXT_CHARS_MAX]
    if (source := fields.given("source")) is not None:
        if source not in {one.value for one in Source}:
            raise FilterInvalid("There is no such source.")
        found["source"] = source
    if (batch := fields.given("batch")) is not None:
        found["batch"] = batch == "yes"
    missing = {value for value in fields.every(_NONE) if value}
    if missing - {one.value for one in WITHOUT}:
        raise FilterInvalid("There is nothing of that name that usage may be without.")
    return {**found, "without": frozenset(map(Dimension, missing))}


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise FilterInvalid("A filter names an id that is none.") from None
