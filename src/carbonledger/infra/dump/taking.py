"""Takes a dump: one snapshot for the counts, the protection and the rows themselves."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from carbonledger.infra import server
from carbonledger.infra.dump import archive, contents, programs

_MAJOR = 10_000  # server_version_num is major * 10000 + minor


async def take(
    path: Path, *, owner: str, version: str, keys: tuple[str, ...], now: datetime, programs_dir: Path | None, replace: bool
) -> archive.Manifest:
    """Write the database behind ``owner`` (the owner's address) to ``path``. ``keys`` are the fingerprints its sealed values need.

    Raises ``DumpExists``, ``DumpUnwritable``, ``ProgramsUnsuitable``, ``ProgramFailed``.
    """
    async with server.connected(owner, role=contents.ROLE) as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        text = await server.version(conn)
        box = programs.suiting(int(await conn.fetchval("SHOW server_version_num")) // _MAJOR, asked=programs_dir)
        snapshot: str = await conn.fetchval("SELECT pg_export_snapshot()")
        counts = [await conn.fetchrow(statement) for [statement] in await conn.fetch(contents.COUNTS)]
        protection = tuple(row["line"] for row in await conn.fetch(contents.PROTECTION))
        revision: str = await conn.fetchval("SELECT version_num FROM public.alembic_version")
        with archive.writing(path, replace=replace) as writer:
            # The snapshot lives as long as this transaction, so pg_dump sees exactly the rows that were counted.
            sha256, size_bytes = await asyncio.to_thread(_run, writer, box, owner, snapshot)
            manifest = archive.Manifest(
                made_at=now.isoformat(),
                version=version,
                revision=revision,
                server=text,
                keys=keys,
                tables={row["name"]: row["rows"] for row in counts if row is not None},
                protection=protection,
                sha256=sha256,
                size_bytes=size_bytes,
            )
            writer.manifest(manifest)
    return manifest


def _run(writer: archive.Writer, box: programs.Toolbox, owner: str, snapshot: str) -> tuple[str, int]:
    bare, environ = programs.split_password(owner)
    argv: list[str | Path] = [
        box.bin_dir / "pg_dump",
        f"--dbname={bare}",
        "--format=custom",
        "--schema=public",
        # Row-level security is forced on the owner too; this role's policies show it every row.
        f"--role={contents.ROLE}",
        "--enable-row-security",
        f"--snapshot={snapshot}",
        "--lock-wait-timeout=30s",
    ]
    with programs.running(argv, environ=environ) as pg_dump:
        written = writer.database(pg_dump.stdout)
        pg_dump.finish()
    return written
