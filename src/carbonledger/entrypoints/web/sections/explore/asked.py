"""What Explore is asked by its address: filters, what to group by, what to sort by. Owns reading them and writing them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.telemetry.types import Source
from carbonledger.domains.telemetry.types.answers import Dimension, Filters
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import forms
from carbonledger.kernel import errors

WORDS: Final = {
    Dimension.MODEL: "Model",
    Dimension.PROVIDER: "Provider",
    Dimension.PROJECT: "Project",
    Dimension.WORKLOAD: "Workload",
    Dimension.AGENT: "Agent",
    Dimension.ACCOUNT: "Account",
    Dimension.OPERATION: "Operation",
    Dimension.SERVICE_TIER: "Service tier",
    Dimension.REGION: "Region",
    Dimension.BATCH: "Batch",
    Dimension.SOURCE: "Source",
    Dimension.CONNECTION: "Connection",
}
_IDS: Final = {"project": "project_id", "workload": "workload_id", "agent": "agent_id", "connection": "connection_id"}
_TEXTS: Final = ("account", "provider", "model", "region", "operation")
FILTERS: Final = (*_IDS, *_TEXTS, "source", "batch")
_TEXT_CHARS_MAX: Final = 256


class FilterInvalid(errors.Invalid):
    """The address names a filter that can't be read."""

    code = "filter_invalid"


@dataclass(frozen=True, slots=True)
class Asked:
    """Filters as the ledger takes them and as the address has them, and the dimension to group by."""

    filters: Filters
    fields: forms.Fields
    by: Dimension

    def address(self, chosen: periods.Chosen, path: str = "/explore", **other: str | None) -> str:
        """Return the address of the same question with something changed; None takes a part away."""
        fields = self.fields.named(FILTERS).replaced(**{"by": self.by.value, **other})
        return f"{path}?{chosen.query}&{fields.query}"

    def without(self, chosen: periods.Chosen, name: str) -> str:
        """Return the address of the same question without one of its filters."""
        taken: dict[str, str | None] = {name: None}
        return self.address(chosen, "/explore", **taken)

    @property
    def next(self) -> Dimension:
        """What to group by once one of the present groups is chosen."""
        order = (Dimension.PROJECT, Dimension.MODEL, Dimension.WORKLOAD, Dimension.OPERATION)
        used = {name for name, _ in self.fields.named(FILTERS).pairs} | {self.by.value}
        return next((one for one in order if one.value not in used), Dimension.SOURCE)


def read(fields: forms.Fields) -> Asked:
    """Return what is asked. Raises ``FilterInvalid``."""
    try:
        by = Dimension(fields.text("by") or "model")
    except ValueError:
        raise FilterInvalid("There is no such thing to group by.") from None
    if by not in WORDS:
        raise FilterInvalid("There is no such thing to group by.")
    return Asked(Filters(**_filters(fields)), fields, by)


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
    return found


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise FilterInvalid("A filter names an id that is none.") from None
