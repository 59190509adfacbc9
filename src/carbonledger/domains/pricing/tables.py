"""Tables of pricing: every version of the price book that ever priced an event, byte for byte."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, Identity, LargeBinary, SmallInteger, UniqueConstraint

from carbonledger.infra import columns

price_books = columns.global_table(
    "price_books",
    Column("id", SmallInteger, Identity(always=True), primary_key=True),
    columns.text("version"),
    Column("as_of", Date, nullable=False),
    columns.json("source"),
    Column("prices", LargeBinary, nullable=False),
    Column("overrides", LargeBinary, nullable=False),
    columns.instant("published_at"),
    UniqueConstraint("version"),
    CheckConstraint("version ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{12}$'", name="version"),
    CheckConstraint("octet_length(source::text) <= 8192", name="source"),
    CheckConstraint("octet_length(prices) BETWEEN 1 AND 16777216", name="prices"),
    CheckConstraint("octet_length(overrides) BETWEEN 1 AND 16777216", name="overrides"),
    reason="what providers publish is the same for everybody",
)
