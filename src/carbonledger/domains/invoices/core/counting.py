"""Which events a meter counts, asked of one event at a time: what the ledger's own query asks of all at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from carbonledger.domains.catalog.types import Dimension, Field, Filter, Meter
from carbonledger.domains.telemetry.types import Event, Fact
from carbonledger.kernel.period import Period


def is_counted(event: Event, meter: Meter, stretches: Sequence[Period]) -> bool:
    """Say whether a meter counts an event, in one of the stretches of a line."""
    return (
        event.series.event == meter.event
        and not event.facts & Fact.DUPLICATE
        and any(one.contains(event.occurred_at) for one in stretches)
        and all(_matches(event, one) for one in meter.filters)
    )


def _matches(event: Event, wanted: Filter) -> bool:
    value = value_of(event, wanted.dimension)
    return (value not in wanted.values) if wanted.excluded else (value in wanted.values)


def value_of(event: Event, dimension: Dimension) -> str | None:
    """Return what a dimension is of an event, as text; None where it has none."""
    series = event.series
    if dimension.field is Field.PROPERTY:
        found = (event.properties or {}).get(dimension.property_name or "")
        return None if found is None else _text(found)
    value = {
        Field.PROVIDER: series.provider,
        Field.MODEL: series.model,
        Field.OPERATION: series.operation,
        Field.PROJECT: series.project_id,
        Field.AGENT: series.agent_id,
        Field.SERVICE_TIER: series.service_tier,
        Field.REGION: series.region,
        Field.SOURCE: series.source,
        Field.BATCH: series.is_batch,
    }[dimension.field]
    return None if value is None else _text(value)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
