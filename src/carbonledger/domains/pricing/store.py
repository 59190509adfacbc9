"""Every SQL statement of pricing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from carbonledger.domains.pricing import tables, types
from carbonledger.infra import db


async def price_book_id(uow: db.UnitOfWork, *, version: str) -> int | None:
    """Return the id of a published price book, or None."""
    found: int | None = await uow.fetch_value(select(tables.price_books.c.id).where(tables.price_books.c.version == version))
    return found


async def insert_price_book(uow: db.UnitOfWork, *, book: types.BookFiles, at: datetime) -> None:
    """Add a price book, unless it is there; waits for a transaction that is just adding it."""
    values = {
        "version": book.version,
        "as_of": book.as_of,
        "source": dict(book.source),
        "prices": book.prices,
        "overrides": book.overrides,
        "published_at": at,
    }
    await uow.execute(insert(tables.price_books).values(values).on_conflict_do_nothing(index_elements=["version"]))


async def price_books(uow: db.UnitOfWork, *, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return (version, SHA-256 of the files with a zero byte between them, in hex) of published price books by id."""
    query = """
    SELECT b.id, b.version, encode(sha256(b.prices || '\\x00'::bytea || b.overrides), 'hex') AS digest
    FROM price_books b WHERE b.id = ANY ($1)
    """
    return {row["id"]: (row["version"], row["digest"]) for row in await uow.conn.fetch(query, ids)}


async def price_book_files(uow: db.UnitOfWork, *, versions: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
    """Return (prices, overrides) of published price books, byte for byte, by version."""
    query = "SELECT b.version, b.prices, b.overrides FROM price_books b WHERE b.version = ANY ($1)"
    return {row["version"]: (row["prices"], row["overrides"]) for row in await uow.conn.fetch(query, versions)}
