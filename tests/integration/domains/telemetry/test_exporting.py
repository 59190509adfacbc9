"""Exports: every event once, in order, exact to the last digit in every format, and nothing held by a client that left."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pyarrow.parquet  # type: ignore[import-untyped]  # it has no types
import pytest

from carbonledger.adapters import parquet
from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry.core import focus
from carbonledger.domains.telemetry.service import answering, exporting
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.answers import Filters, Measures
from carbonledger.domains.telemetry.types.exports import Format, Kind
from carbonledger.entrypoints.rest import exports
from carbonledger.infra import db
from carbonledger.kernel import actor
from carbonledger.kernel.period import Period
from tests import conftest, until
from tests.integration.domains.telemetry import books, kit

START = datetime(2026, 10, 22, tzinfo=UTC)
DAYS = 5
OVER = Period(START, START + timedelta(days=DAYS))
# FinOps Foundation, FOCUS 1.2: the columns that every data set must have, and the JSON-like type of each.
MANDATORY = {
    "BilledCost": "decimal",
    "BillingAccountId": "string",
    "BillingAccountName": "string",
    "BillingCurrency": "string",
    "BillingPeriodEnd": "instant",
    "BillingPeriodStart": "instant",
    "ChargeCategory": "string",
    "ChargeClass": "string",
    "ChargeDescription": "string",
    "ChargePeriodEnd": "instant",
    "ChargePeriodStart": "instant",
    "ContractedCost": "decimal",
    "EffectiveCost": "decimal",
    "InvoiceIssuerName": "string",
    "ListCost": "decimal",
    "PricingQuantity": "decimal",
    "PricingUnit": "string",
    "ProviderName": "string",
    "PublisherName": "string",
    "ServiceCategory": "string",
    "ServiceName": "string",
}
TYPES = {
    Kind.MONEY: "decimal",
    Kind.AMOUNT: "decimal",
    Kind.INTEGER: "decimal",
    Kind.INSTANT: "instant",
    Kind.TEXT: "string",
    Kind.WORD: "string",
}


def export(organization_id: UUID, format_: Format, filters: Filters | None = None) -> exporting.Export:
    return exporting.Export(
        organization_id=organization_id,
        organization_name="Test",
        period=OVER,
        filters=filters or Filters(),
        is_focus=format_ is Format.FOCUS,
    )


async def written(database: db.Database, organization_id: UUID, format_: Format, filters: Filters | None = None) -> bytes:
    writer = exporting.writer(format_, parquet=parquet.Parquet())
    return b"".join([piece async for piece in exports.stream(database, export(organization_id, format_, filters), writer)])


def read(data: bytes, format_: Format) -> list[dict[str, Any]]:
    if format_ is Format.PARQUET:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
        return rows
    if format_ is Format.JSON:
        return list(json.loads(data))
    if format_ is Format.JSONL:
        return [json.loads(line) for line in data.decode().split("\n")[:-1]]
    return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]


@pytest.fixture
async def filled(database: db.Database, organization_id: UUID, monkeypatch: pytest.MonkeyPatch) -> UUID:
    monkeypatch.setattr(exporting, "CHUNK_ROWS", 37)  # so that some hundred events take several chunks
    async with database.transaction(organization_id) as uow:
        project = await projects.create_project(
            uow, actor=actor.system(organization_id), now=START, at=START, organization_id=organization_id, name="-Search, =inner"
        )
    await books.write(database, organization_id, seed=11, start=START, days=DAYS, number=200, projects=[project.id])
    return organization_id


async def totals(database: db.Database, organization_id: UUID) -> Measures:
    over = answering.asked(start=OVER.start, end=OVER.end, now=START, time_zone="UTC")
    async with database.transaction(organization_id, read_only=True) as uow:
        return (await answering.summary(uow, organization_id=organization_id, asked=over, filters=Filters())).totals


@pytest.mark.parametrize("format_", [Format.CSV, Format.JSON, Format.JSONL, Format.PARQUET])
async def test_rows_added_up_again_are_the_summary_to_the_last_digit(database: db.Database, filled: UUID, format_: Format) -> None:
    rows = read(await written(database, filled, format_), format_)
    ledger = await books.events(database, filled)
    assert [row["id"] for row in rows] == [str(row["id"]) for row in sorted(ledger, key=lambda row: (row["occurred_at"], row["id"].bytes))]
    live = [row for row in rows if "duplicate" not in row["facts"].split() and row["event"] is None]
    expected = await totals(database, filled)

    def total(name: str) -> Decimal:
        return sum((Decimal(str(row[name])) for row in live if row[name] is not None), Decimal(0))

    for name in ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning", "requests"):
        assert total(name) == getattr(expected, name), name
    assert total("cost_amount") == expected.cost_amount
    for name, ours in (("energy_wh", "energy"), ("co2e_g", "co2e"), ("co2e_market_g", "market"), ("water_ml", "water")):
        for bound in ("low", "mid", "high"):
            assert total(f"{name}_{bound}") == getattr(expected, f"{ours}_{bound}"), (name, bound)


async def test_every_format_says_the_same(database: db.Database, filled: UUID) -> None:
    csv_, json_, lines, columns = [
        read(await written(database, filled, one), one) for one in (Format.CSV, Format.JSON, Format.JSONL, Format.PARQUET)
    ]
    assert json_ == lines
    for ours, theirs, plain in zip(json_, columns, csv_, strict=True):
        assert list(ours) == list(theirs) == list(plain)
        assert ours["facts"] == theirs["facts"] == (plain["facts"] or "")
        for name in ("cost_amount", "energy_wh_high", "quantity", "water_ml_low"):
            assert (None if ours[name] is None else Decimal(ours[name])) == theirs[name]
            assert ours[name] == plain[name]
        assert theirs["occurred_at"] == datetime.fromisoformat(ours["occurred_at"])
        assert (ours["project_name"], plain["project_name"]) in {("-Search, =inner", "'-Search, =inner"), ("Default", "Default")}
        assert ours["project_name"] == theirs["project_name"]
        assert (ours["account"], plain["account"]) in {(None, None), ("acme", "acme"), ("=cmd", "'=cmd")}


def test_focus_has_the_mandatory_columns_with_their_types() -> None:
    found = {column.name: TYPES[column.kind] for column in focus.COLUMNS}
    assert {name: found.get(name) for name in MANDATORY} == MANDATORY
    assert all(name.startswith("x_") or name[0].isupper() for name in found)
    assert len(found) == len(focus.COLUMNS)


async def test_focus_rows_of_an_event_add_up_to_it(database: db.Database, filled: UUID) -> None:
    rows = read(await written(database, filled, Format.FOCUS), Format.FOCUS)
    by_event: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_event[row["x_EventId"]].append(row)
    ledger = {str(row["id"]): row for row in await books.events(database, filled)}
    exported = {key for key, row in ledger.items() if row["event"] is None and not row["facts"] & Fact.DUPLICATE}
    assert set(by_event) == exported, "what would be counted twice has no row"
    for key, its in by_event.items():
        event = ledger[key]
        tokens = sum(int(row["ConsumedQuantity"]) for row in its if row["ConsumedUnit"] == "Tokens")
        assert tokens == sum(event[name] or 0 for name in books.BUCKETS)
        costs = [row["ListCost"] for row in its]
        if event["cost_amount"] is None:
            assert set(costs) == {None}, "not covered is not zero"
        else:
            assert sum(map(Decimal, costs)) == event["cost_amount"]
        measured = books.measured([event])
        emitted = [row["x_Co2eHighG"] for row in its]
        assert sum(map(Fraction, filter(None, emitted))) == measured["co2e_high"]
        energy = [row["x_EnergyKwh"] for row in its]
        assert 1000 * sum(map(Fraction, filter(None, energy))) == measured["energy_mid"]
        assert {row["SubAccountName"] for row in its} == {"'-Search, =inner"}
        assert {row["x_ProjectName"] for row in its} == {"'-Search, =inner"}
        assert {row["SkuPriceDetails"] for row in its} == {None}
        assert all(row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"] for row in its)
        assert {row["BillingCurrency"] for row in its} == {"USD"}
        assert {row["ServiceCategory"] for row in its} == {"AI and Machine Learning"}


async def test_a_filter_leaves_what_meets_it(database: db.Database, filled: UUID) -> None:
    rows = read(await written(database, filled, Format.JSON, Filters(model="gpt-4o")), Format.JSON)
    assert rows
    assert {row["model"] for row in rows} == {"gpt-4o"}


async def test_an_export_of_nothing_is_a_file_of_its_format(database: db.Database, organization_id: UUID) -> None:
    for format_ in Format:
        assert read(await written(database, organization_id, format_), format_) == []


async def test_another_organizations_usage_is_in_no_export(database: db.Database, filled: UUID, organization_id: UUID) -> None:

    other = await conftest.make_organization(database)
    assert filled == organization_id
    assert read(await written(database, other, Format.JSON), Format.JSON) == []


async def holds_no_transaction(database: db.Database) -> bool:
    """Whether none is open; that of a read may linger for a moment (``infra.connections``), one that is held would stay."""
    async with database.transaction() as uow:
        query = (  # of this database: tests beside this one have their own, in the same server
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test' "
            "AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        )
        return bool(await uow.conn.fetchval(query) == 0)


async def test_a_client_that_is_slow_or_leaves_holds_no_transaction(database: db.Database, filled: UUID) -> None:
    for format_ in (Format.CSV, Format.PARQUET, Format.FOCUS):
        writer = exporting.writer(format_, parquet=parquet.Parquet())
        pieces = exports.stream(database, export(filled, format_), writer)
        await anext(pieces)
        await anext(pieces)
        await until.comes(functools.partial(holds_no_transaction, database))  # while a piece is on its way
        await pieces.aclose()  # type: ignore[attr-defined]  # a generator
        await until.comes(functools.partial(holds_no_transaction, database))
    assert database.pool.get_size() - database.connections.idle == 0


async def test_what_is_added_behind_the_place_does_not_shift_the_rest(
    database: db.Database, organization_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "CHUNK_ROWS", 2)
    await kit.accept(database, organization_id, *(kit.draft(f"{hour}", at=START + timedelta(hours=hour)) for hour in range(4)))
    writer = exporting.writer(Format.JSONL, parquet=parquet.Parquet())
    pieces = exports.stream(database, export(organization_id, Format.JSONL), writer)
    made = [await anext(pieces), await anext(pieces)]
    await kit.accept(database, organization_id, kit.draft("early", at=START), kit.draft("late", at=START + timedelta(hours=9)))
    made += [piece async for piece in pieces]
    assert [row["idempotency_key"] for row in read(b"".join(made), Format.JSONL)] == ["0", "1", "2", "3", "late"]
