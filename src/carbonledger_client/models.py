"""What a server answers, as values: the outcome of sent events, and the summary of a period.

Owns: the conversion from the wire. Money and quantities are ``Decimal``; None is "unknown" or "not covered", never zero. Members that a
newer server adds are passed over; one that is missing or of another kind raises ``errors.Garbled``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from carbonledger_client import errors

STATUSES = ("accepted", "duplicate", "revised", "rejected")


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of the item at ``index`` of a batch."""

    index: int
    status: str
    event_id: str | None
    code: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: how many items ended how, and the items that the server named, by index."""

    accepted: int
    duplicate: int
    revised: int
    rejected: int
    results: tuple[ItemResult, ...]

    @property
    def refusals(self) -> tuple[ItemResult, ...]:
        """The rejected items."""
        return tuple(result for result in self.results if result.status == "rejected")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Range:
    """A quantity as low, mid and high, in the unit of the member that holds it."""

    low: Decimal
    mid: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Measures:
    """Sums of events. ``tokens`` by bucket; None where some of it is not known or not covered."""

    requests: int | None
    tokens: Mapping[str, int | None]
    cost: Money | None
    energy_wh: Range | None
    co2e_g: Range | None


@dataclass(frozen=True, slots=True)
class ModelMeasures:
    """The measures of one model of one provider."""

    provider: str
    model: str
    measures: Measures


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which part of the known tokens is covered, not covered, estimated, provisional: shares from 0 to 1; None with no tokens at all."""

    covered: Decimal | None
    not_covered: Decimal | None
    estimated: Decimal | None
    provisional: Decimal | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A period's totals, and the same by model in the server's order.

    ``…not_covered_events`` count events without emissions and without a cost, those without a token too, which ``coverage`` is not of;
    None where an older server doesn't say.
    """

    period: Mapping[str, Any]
    totals: Measures
    by_model: tuple[ModelMeasures, ...]
    coverage: Coverage
    not_covered_events: int | None
    cost_not_covered_events: int | None
    document: Mapping[str, Any]


def outcome_from_api(document: object, *, sent: int) -> Outcome:
    """Return the outcome of ``sent`` items. Raises ``Garbled`` if it does not account for each of them exactly once."""
    members = _object(document, "the answer")
    counts = {status: _whole(members.get(status), status) or 0 for status in STATUSES}
    listed = members.get("results")
    if not isinstance(listed, list):
        raise errors.Garbled("The answer about the events has no list of results.")
    results = tuple(_result(_object(entry, "a result")) for entry in listed)
    named = [result.index for result in results]
    if sum(counts.values()) != sent or len(set(named)) != len(named) or any(not 0 <= index < sent for index in named):
        raise errors.Garbled(f"The answer does not account for the {sent} events that were sent.")
    if sum(result.status == "rejected" for result in results) != counts["rejected"]:
        raise errors.Garbled("The answer does not name every event that it rejected.")
    return Outcome(**counts, results=results)


def summary_from_api(document: object) -> Summary:
    """Return a summary."""
    members = _object(document, "the summary")
    rows = members.get("by_model")
    if not isinstance(rows, list):
        raise errors.Garbled("The summary has no list by_model.")
    coverage = _object(members.get("coverage"), "coverage")
    return Summary(
        period=_object(members.get("period"), "period"),
        totals=_measures(_object(members.get("totals"), "totals")),
        by_model=tuple(_of_model(_object(row, "a row of by_model")) for row in rows),
        coverage=Coverage(*(_decimal(coverage.get(name), name) for name in ("covered", "not_covered", "estimated", "provisional"))),
        not_covered_events=_whole(members.get("not_covered_events"), "not_covered_events"),
        cost_not_covered_events=_whole(members.get("cost_not_covered_events"), "cost_not_covered_events"),
        document=members,
    )


def _result(entry: Mapping[str, Any]) -> ItemResult:
    index, status = _whole(entry.get("index"), "index"), entry.get("status")
    if index is None or status not in STATUSES:
        raise errors.Garbled("A result has no index, or a status that is not known.")
    return ItemResult(index, status, *(_text(entry.get(name)) for name in ("id", "code", "detail")))


def _of_model(row: Mapping[str, Any]) -> ModelMeasures:
    return ModelMeasures(_text(row.get("provider")) or "", _text(row.get("model")) or "", _measures(row))


def _measures(members: Mapping[str, Any]) -> Measures:
    tokens = _object(members.get("tokens"), "tokens")
    cost = members.get("cost")
    return Measures(
        requests=_whole(members.get("requests"), "requests"),
        tokens={name: _whole(value, name) for name, value in tokens.items()},
        cost=None if cost is None else _money(_object(cost, "cost")),
        energy_wh=_range(members.get("energy_wh"), "energy_wh"),
        co2e_g=_range(members.get("co2e_g"), "co2e_g"),
    )


def _money(members: Mapping[str, Any]) -> Money:
    amount, currency = _decimal(members.get("amount"), "amount"), members.get("currency")
    if amount is None or not isinstance(currency, str):
        raise errors.Garbled("A cost has no amount or no currency.")
    return Money(amount, currency)


def _range(value: object, name: str) -> Range | None:
    if value is None:
        return None
    members = _object(value, name)
    low, mid, high = (_decimal(members.get(bound), name) for bound in ("low", "mid", "high"))
    if low is None or mid is None or high is None:
        raise errors.Garbled(f"{name} has no low, mid or high.")
    return Range(low, mid, high)


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.Garbled(f"{name[:1].upper()}{name[1:]} is not a JSON object.")
    return value


def _whole(value: object, name: str) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise errors.Garbled(f"{name} is not a count.")
    return value


def _decimal(value: object, name: str) -> Decimal | None:
    if value is None:
        return None
    try:
        made = Decimal(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        made = Decimal("NaN")
    if not made.is_finite():
        raise errors.Garbled(f"{name} is not a number.")
    return made


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
