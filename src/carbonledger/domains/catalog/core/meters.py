"""What a meter may be: an aggregation with the measure it needs, filters and groups over what an event has. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from carbonledger.domains.catalog.core import naming
from carbonledger.domains.catalog.types import faults, meters
from carbonledger.domains.catalog.types.meters import Aggregation, Dimension, Field, Filter, Measure, Meter
from carbonledger.kernel.errors import Problem

_OF_METERED_EVENTS: Final = frozenset({Measure.QUANTITY, Measure.PROPERTY})
_OF_CALLS: Final = frozenset(Measure) - {Measure.QUANTITY}
# A metered event has neither a model nor what serves it.
_FIELDS_OF_METERED: Final = frozenset({Field.PROJECT, Field.AGENT, Field.SOURCE, Field.PROPERTY})


def checked(meter: Meter) -> Meter:
    """Return the meter with its name in its one form. Raises ``MeterInvalid`` with everything that is wrong with it."""
    problems: list[Problem] = []
    naming.check_code(problems, "/code", meter.code)
    name = naming.name(problems, "/name", meter.name)
    if meter.event is not None and not _is_label(meter.event, meters.PROPERTY_MAX_CHARS):
        problems.append(Problem("/event", "event_invalid", "Give the name of the events, 1 to 64 printable characters."))
    problems += [*_measure(meter), *_unique(meter), *_filters(meter), *_groups(meter)]
    if meter.recurring and meter.aggregation is not Aggregation.WEIGHTED_SUM:
        problems.append(Problem("/recurring", "not_of_this_aggregation", "Only a weighted sum goes on from one period to the next."))
    if problems:
        raise faults.MeterInvalid(" ".join(dict.fromkeys(one.detail for one in problems)), problems=tuple(problems))
    return replace(meter, name=name)


def _measure(meter: Meter) -> Iterator[Problem]:
    needs = meter.aggregation not in {Aggregation.COUNT, Aggregation.UNIQUE}
    if not needs and meter.measure is not None:
        yield Problem("/measure", "not_of_this_aggregation", f"{meter.aggregation.value} counts; it measures nothing.")
    if needs and meter.measure is None:
        yield Problem("/measure", "required", "Say what of an event is measured.")
    if needs and meter.measure is not None:
        fitting = _OF_CALLS if meter.event is None else _OF_METERED_EVENTS
        if meter.measure not in fitting:
            kind = "usage of models" if meter.event is None else "metered events"
            yield Problem("/measure", "not_of_these_events", f"{kind.capitalize()} have no {meter.measure.value}.")
        elif meter.measure in meters.ESTIMATES and meter.aggregation is not Aggregation.SUM:
            yield Problem("/aggregation", "sum_only", "Energy and CO2e can only be summed.")
    yield from _property(meter.property_name, "/property", is_needed=meter.measure is Measure.PROPERTY)


def _property(name: str | None, at: str, *, is_needed: bool) -> Iterator[Problem]:
    if not is_needed:
        if name is not None:
            yield Problem(at, "not_needed", "Only what reads a property names one.")
    elif name is None:
        yield Problem(at, "required", "Name the property.")
    elif not _is_label(name, meters.PROPERTY_MAX_CHARS):
        yield Problem(at, "property_invalid", f"Give 1 to {meters.PROPERTY_MAX_CHARS} printable characters.")


def _unique(meter: Meter) -> Iterator[Problem]:
    if meter.aggregation is not Aggregation.UNIQUE:
        if meter.unique is not None:
            yield Problem("/unique", "not_of_this_aggregation", "Only unique counts different values.")
    elif meter.unique is None:
        yield Problem("/unique", "required", "Say whose different values are counted.")
    else:
        yield from _dimension(meter.unique, meter, "/unique")


def _dimension(dimension: Dimension, meter: Meter, at: str) -> Iterator[Problem]:
    if dimension.field is Field.PROPERTY:
        yield from _property(dimension.property_name, at, is_needed=True)
    elif meter.event is not None and dimension.field not in _FIELDS_OF_METERED:
        yield Problem(at, "not_of_these_events", f"Metered events have no {dimension.field.value}.")


def _filters(meter: Meter) -> Iterator[Problem]:
    if len(meter.filters) > meters.FILTERS_MAX:
        yield Problem("/filters", "too_many", f"Give at most {meters.FILTERS_MAX} filters.")
        return
    for place, one in enumerate(meter.filters):
        yield from _filter(one, meter, f"/filters/{place}")
        if any(one.dimension == other.dimension and one.excluded is other.excluded for other in meter.filters[:place]):
            yield Problem(f"/filters/{place}/field", "duplicate", "There is such a filter already; add its values there.")


def _filter(one: Filter, meter: Meter, at: str) -> Iterator[Problem]:
    yield from _dimension(one.dimension, meter, f"{at}/field")
    if not 1 <= len(one.values) <= meters.FILTER_VALUES_MAX:
        yield Problem(f"{at}/values", "values_count", f"Give 1 to {meters.FILTER_VALUES_MAX} values.")
        return
    for place, value in enumerate(one.values):
        if not _is_label(value, meters.VALUE_MAX_CHARS):
            yield Problem(f"{at}/values/{place}", "value_invalid", f"Give 1 to {meters.VALUE_MAX_CHARS} printable characters.")
        elif one.dimension.field is Field.BATCH and value not in {"true", "false"}:
            yield Problem(f"{at}/values/{place}", "value_invalid", "Give true or false.")


def _groups(meter: Meter) -> Iterator[Problem]:
    if len(meter.group_by) > meters.GROUP_BY_MAX:
        yield Problem("/group_by", "too_many", f"Give at most {meters.GROUP_BY_MAX} fields.")
        return
    for place, dimension in enumerate(meter.group_by):
        yield from _dimension(dimension, meter, f"/group_by/{place}")
        if dimension in meter.group_by[:place]:
            yield Problem(f"/group_by/{place}", "duplicate", "This field is in the list already.")


def _is_label(text: str, chars_max: int) -> bool:
    return 0 < len(text) <= chars_max and text.isprintable() and text == text.strip()
