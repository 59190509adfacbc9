"""Alembic's environment: connects as the owner given by ``infra.migrations`` and runs each migration in its own transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from carbonledger.infra import migrations

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def _run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def _main() -> None:
    dsn = context.config.attributes["dsn"]

    async def connect(*_: object, **__: object) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            dsn, timeout=10, server_settings={"lock_timeout": f"{migrations.LOCK_TIMEOUT_MS}ms", "search_path": "public"}
        )

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


asyncio.run(_main())
