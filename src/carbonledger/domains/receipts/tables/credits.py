"""Tables of credits. The inventory is the operator's, and the same for everybody; what of it a receipt has is its organization's.

An interval of a lot carries the lot's number and quantity, which its foreign key holds to the lot: so that the constraints beside it see
which lot it is in and where that ends.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    UniqueConstraint,
    Uuid,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import SchemaItem

from carbonledger.infra import columns

_INVENTORY = "the inventory of retired credits is the operator's, and every receipt draws on it"
_UNITS = "numrange(block_id::numeric * 1000000000000000 + block_start, block_id::numeric * 1000000000000000 + block_end, '[]')"
_INTERVAL = "numrange(lot_number::numeric * 9007199254740992 + from_mg, lot_number::numeric * 9007199254740992 + to_mg)"


def _text(name: str, most: int, *, nullable: bool = False) -> list[SchemaItem]:
    return [columns.text(name, nullable=nullable), CheckConstraint(f"length({name}) BETWEEN 1 AND {most}", name=name)]


def _of_lot() -> list[SchemaItem]:
    return [
        Column("lot_id", Uuid, nullable=False),
        Column("lot_number", Integer, nullable=False),
        columns.integer("quantity_mg"),
        columns.integer("from_mg"),
        columns.integer("to_mg"),
        CheckConstraint("0 <= from_mg AND from_mg < to_mg AND to_mg <= quantity_mg", name="interval"),
        ForeignKeyConstraint(["lot_id", "lot_number", "quantity_mg"], ["credit_lots.id", "credit_lots.number", "credit_lots.quantity_mg"]),
    ]


blocks = columns.global_table(
    "credit_blocks",
    Column("id", Integer, Identity(always=True), primary_key=True),
    *_text("registry", 32),
    *_text("prefix", 200),
    UniqueConstraint("registry", "prefix"),
    reason=_INVENTORY,
)

lots = columns.global_table(
    "credit_lots",
    columns.id_column(),
    Column("number", Integer, Identity(always=True), nullable=False),
    Column("block_id", Integer, ForeignKey("credit_blocks.id"), nullable=False),
    *_text("block", 200),
    columns.integer("block_start"),
    columns.integer("block_end"),
    columns.integer("quantity_mg"),
    *_text("project_id", 64),
    *_text("project_name", 200),
    *_text("standard", 64),
    columns.text("kind"),
    Column("vintage", SmallInteger, nullable=False),
    Column("retired_on", Date, nullable=False),
    *_text("retirement_reference", 200),
    *_text("retirement_url", 1000),
    *_text("beneficiary", 200),
    *_text("reason", 200, nullable=True),
    Column("corresponding_adjustment", Boolean),
    columns.text("evidence_sha256", nullable=True),
    columns.instant("imported_at"),
    UniqueConstraint("number"),
    UniqueConstraint("id", "number", "quantity_mg"),
    CheckConstraint("kind IN ('removal', 'reduction')", name="kind"),
    CheckConstraint("vintage BETWEEN 1990 AND 2100", name="vintage"),
    CheckConstraint("evidence_sha256 ~ '^[0-9a-f]{64}$'", name="evidence_sha256"),
    CheckConstraint("0 <= block_start AND block_start <= block_end AND block_end < 1000000000000000", name="units"),
    CheckConstraint(
        "quantity_mg BETWEEN 1 AND 9007199254740991 AND quantity_mg <= (block_end - block_start + 1)::numeric * 1000000000",
        name="quantity_mg",
    ),
    CheckConstraint("retired_on <= (imported_at AT TIME ZONE 'UTC')::date", name="retired_on"),
    ExcludeConstraint((literal_column(_UNITS), "&&"), using="gist", name="credit_lots_units_excl"),
    reason=_INVENTORY,
)

remainders = columns.global_table(
    "credit_remainders",
    *_of_lot(),
    PrimaryKeyConstraint("lot_id", "from_mg"),
    ExcludeConstraint((literal_column(_INTERVAL), "&&"), using="gist", name="credit_remainders_interval_excl"),
    reason=_INVENTORY,
)

allocations = columns.tenant_table(
    "credit_allocations",
    columns.id_column(),
    Column("receipt_id", Uuid, nullable=False),
    columns.text("serial"),
    *_of_lot(),
    columns.text("state"),
    columns.instant("made_at"),
    columns.instant("released_at", nullable=True),
    CheckConstraint("length(serial) = 15", name="serial"),
    CheckConstraint("state IN ('made', 'released')", name="state"),
    CheckConstraint("(state = 'released') = (released_at IS NOT NULL)", name="released"),
    ExcludeConstraint(
        (literal_column(_INTERVAL), "&&"), using="gist", where=text("state = 'made'"), name="credit_allocations_interval_excl"
    ),
    Index("credit_allocations_organization_id_receipt_id_idx", "organization_id", "receipt_id"),
    lookup=("lot_id", "from_mg", "to_mg", "state"),
)

commitments = columns.global_table(
    "credit_commitments",
    columns.id_column(),
    *_text("seller", 64),
    *_text("offer_id", 200),
    Column("quantity_mg", BigInteger, nullable=False),
    *_text("beneficiary", 200, nullable=True),
    columns.text("state"),
    *_text("order_id", 200, nullable=True),
    Column("amount_minor", BigInteger),
    columns.text("currency", nullable=True),
    Column("expected_year", SmallInteger),
    *_text("certificate_url", 1000, nullable=True),
    columns.json("deliveries"),
    *_text("refused_words", 1000, nullable=True),
    columns.instant("asked_at"),
    columns.instant("updated_at"),
    UniqueConstraint("seller", "order_id"),
    CheckConstraint("quantity_mg BETWEEN 1 AND 9007199254740991", name="quantity_mg"),
    CheckConstraint("state IN ('asked', 'placed', 'confirmed', 'delivered', 'canceled', 'refused')", name="state"),
    CheckConstraint("amount_minor >= 0", name="amount_minor"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("expected_year BETWEEN 2000 AND 2200", name="expected_year"),
    CheckConstraint("(state IN ('asked', 'refused')) = (order_id IS NULL)", name="order"),
    CheckConstraint("(state = 'refused') = (refused_words IS NOT NULL)", name="refused"),
    CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="amount"),
    reason="what the operator has ordered ahead is the installation's",
)
