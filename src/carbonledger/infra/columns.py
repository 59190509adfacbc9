"""The declared schema: one metadata, and the few column and table forms that every domain uses.

A table is either a tenant's (it has ``organization_id``; row-level security keeps it to that organization) or global (listed
with the reason). ``infra.ddl`` writes the policies from these marks, and a test compares the declared with the migrated schema.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, Numeric, Table, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.elements import TextClause

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

TENANT = "tenant"
TENANT_COLUMN = "tenant_column"
REASON = "reason"
LOOKUP = "lookup_columns"


def tenant_table(name: str, *items: SchemaItem, lookup: tuple[str, ...] = ()) -> Table:
    """Declare a table whose rows belong to an organization; adds ``organization_id``.

    ``lookup`` names the columns that the SECURITY DEFINER functions may read before a tenant is known.
    """
    tenant = Column("organization_id", Uuid, ForeignKey("organizations.id"), nullable=False)
    return Table(name, metadata, tenant, *items, info={TENANT: True, TENANT_COLUMN: "organization_id", LOOKUP: lookup})


def global_table(name: str, *items: SchemaItem, reason: str) -> Table:
    """Declare a table without a tenant, with the reason why it may have none."""
    return Table(name, metadata, *items, info={TENANT: False, REASON: reason})


def id_column() -> Column[Any]:
    """Primary key: a UUIDv7 made by the application."""
    return Column("id", Uuid, primary_key=True)


def instant(name: str, *, nullable: bool = False) -> Column[Any]:
    """An instant with time zone."""
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def text(name: str, *args: SchemaItem, nullable: bool = False, default: str | None = None) -> Column[Any]:
    """Text; its bound is a CHECK of the table. ``default`` is SQL, such as ``'open'`` in its quotes."""
    return Column(name, Text, *args, nullable=nullable, server_default=_default(default))


def json(name: str, *, nullable: bool = False) -> Column[Any]:
    """A JSON document, given and taken as Python objects."""
    return Column(name, JSONB, nullable=nullable)


def integer(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    """A 64-bit integer."""
    return Column(name, BigInteger, nullable=nullable, server_default=_default(default))


def decimal(name: str, *, nullable: bool = False) -> Column[Any]:
    """An exact decimal of any scale."""
    return Column(name, Numeric, nullable=nullable)


def _default(expression: str | None) -> TextClause | None:
    return None if expression is None else sql(expression)
