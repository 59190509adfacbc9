"""What meters and tax rates have in common in the database: a code, a name, and that they are never changed in anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import Table, insert, or_, select, update

from carbonledger.domains.catalog import tables
from carbonledger.domains.catalog.types.meters import Aggregation, Dimension, Field, Filter, Measure, Meter
from carbonledger.domains.catalog.types.taxes import TaxRate
from carbonledger.infra import db
from carbonledger.kernel import decimals

E = TypeVar("E", Meter, TaxRate)


class Entries(Generic[E]):
    """The rows of one of the two tables."""

    def __init__(self, table: Table, *, to_row: Callable[[E], dict[str, Any]], from_row: Callable[[asyncpg.Record], E]) -> None:
        self._table = table
        self._to_row: Callable[[E], dict[str, Any]] = to_row
        self._from_row: Callable[[asyncpg.Record], E] = from_row

    async def add(self, uow: db.UnitOfWork, *, organization_id: UUID, entry: E) -> None:
        """Insert an entry. Raises ``asyncpg.UniqueViolationError`` for a code that is taken."""
        common = {name: getattr(entry, name) for name in ("id", "code", "name", "created_at", "updated_at")}
        await uow.execute(insert(self._table).values(organization_id=organization_id, **common, **self._to_row(entry)))

    async def find(self, uow: db.UnitOfWork, *, organization_id: UUID, entry_id: UUID, lock: bool = False) -> E | None:
        """Return an entry, archived or not. ``lock``: no plan begins to need it until the transaction ends."""
        columns = self._table.c
        statement = select(self._table).where(columns.organization_id == organization_id, columns.id == entry_id)
        row = await uow.fetch_one(statement.with_for_update() if lock else statement)
        return None if row is None else self._from_row(row)

    async def with_codes(self, uow: db.UnitOfWork, *, organization_id: UUID, codes: Sequence[str], hold: bool = False) -> dict[str, E]:
        """Return the entries in use of these codes, by code. ``hold``: none of them is archived before the transaction ends."""
        columns = self._table.c
        statement = select(self._table).where(
            columns.organization_id == organization_id, columns.code.in_(list(codes)), columns.archived_at.is_(None)
        )
        if hold:
            statement = statement.order_by(columns.id).with_for_update(read=True, key_share=True)
        return {row["code"]: self._from_row(row) for row in await uow.fetch(statement)}

    async def in_use(self, uow: db.UnitOfWork, *, organization_id: UUID) -> tuple[E, ...]:
        """Return all entries in use, the oldest first."""
        columns = self._table.c
        statement = select(self._table).where(columns.organization_id == organization_id, columns.archived_at.is_(None))
        return tuple(self._from_row(row) for row in await uow.fetch(statement.order_by(columns.id)))

    async def some(
        self, uow: db.UnitOfWork, *, organization_id: UUID, archived: bool, search: str | None, before: UUID | None, limit: int
    ) -> tuple[E, ...]:
        """Return entries in use, or those archived, newest first, at most ``limit``, made before the one named."""
        columns = self._table.c
        statement = select(self._table).where(
            columns.organization_id == organization_id, columns.archived_at.is_not(None) if archived else columns.archived_at.is_(None)
        )
        if search:
            statement = statement.where(or_(*(column.icontains(search, autoescape=True) for column in (columns.name, columns.code))))
        if before is not None:
            statement = statement.where(columns.id < before)
        return tuple(self._from_row(row) for row in await uow.fetch(statement.order_by(columns.id.desc()).limit(limit)))

    async def change(self, uow: db.UnitOfWork, *, organization_id: UUID, entry_id: UUID, values: Mapping[str, object]) -> None:
        """Write the name or the end of an entry, whose row the transaction holds."""
        columns = self._table.c
        await uow.execute(update(self._table).where(columns.organization_id == organization_id, columns.id == entry_id).values(**values))


def _dimension_to_json(dimension: Dimension) -> dict[str, str]:
    named = {} if dimension.property_name is None else {"property": dimension.property_name}
    return {"field": dimension.field.value, **named}


def _dimension_from_json(document: Mapping[str, Any]) -> Dimension:
    return Dimension(Field(document["field"]), document.get("property"))


def _meter_to_row(meter: Meter) -> dict[str, Any]:
    counts = {
        "aggregation": meter.aggregation.value,
        "event": meter.event,
        "measure": None if meter.measure is None else meter.measure.value,
        "property": meter.property_name,
        "unique": None if meter.unique is None else _dimension_to_json(meter.unique),
        "recurring": meter.recurring,
        "filters": [{**_dimension_to_json(one.dimension), "values": list(one.values), "excluded": one.excluded} for one in meter.filters],
        "group_by": [_dimension_to_json(one) for one in meter.group_by],
    }
    return {"counts": counts}


def _meter_from_row(row: asyncpg.Record) -> Meter:
    counts = row["counts"]
    return Meter(
        id=row["id"],
        code=row["code"],
        name=row["name"],
        aggregation=Aggregation(counts["aggregation"]),
        event=counts["event"],
        measure=None if counts["measure"] is None else Measure(counts["measure"]),
        property_name=counts["property"],
        unique=None if counts["unique"] is None else _dimension_from_json(counts["unique"]),
        recurring=counts["recurring"],
        filters=tuple(Filter(_dimension_from_json(one), tuple(one["values"]), one["excluded"]) for one in counts["filters"]),
        group_by=tuple(_dimension_from_json(one) for one in counts["group_by"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
    )


def _rate_from_row(row: asyncpg.Record) -> TaxRate:
    return TaxRate(
        id=row["id"],
        code=row["code"],
        name=row["name"],
        percent=decimals.checked(row["percent"]),
        inclusive=row["inclusive"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
    )


meters = Entries(tables.meters, to_row=_meter_to_row, from_row=_meter_from_row)
tax_rates = Entries(tables.tax_rates, to_row=lambda rate: {"percent": rate.percent, "inclusive": rate.inclusive}, from_row=_rate_from_row)
