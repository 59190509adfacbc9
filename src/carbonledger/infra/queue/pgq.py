"""The one place that names pgqueuer's persistence: its settings, fixed, and its queries on a connection of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgqueuer.adapters.drivers import asyncpg as drivers
from pgqueuer.adapters.persistence import qb, queries
from pgqueuer.domain import settings, types

if TYPE_CHECKING:
    from carbonledger.infra import db

CHANNEL = "ch_pgqueuer"
Status = types.JOB_STATUS
_AGAIN = "again"
_GONE = '"operation" : "delete"'  # as json_build_object writes it

# Every name is given, because the library would else read it from the environment, under words as common as CHANNEL or DURABILITY,
# and listen where the migrated trigger does not speak.
SETTINGS = settings.DBSettings(
    prefix="",
    db_schema=None,
    channel=CHANNEL,
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=settings.Durability.durable,
    widen_id=False,
)

_ENVIRONMENT = qb.QueryBuilderEnvironment(SETTINGS)
_QUEUE = qb.QueryQueueBuilder(SETTINGS)
_SCHEDULES = qb.QuerySchedulerBuilder(SETTINGS)


def on(conn: db.Connection) -> queries.Queries:
    """Return the library's queries bound to ``conn``, so that they run in the transaction that is open there."""
    return queries.Queries(drivers.AsyncpgDriver(conn), qbe=_ENVIRONMENT, qbq=_QUEUE, qbs=_SCHEDULES)


async def tell_workers(conn: db.Connection) -> None:
    """Wake the workers when this transaction commits: the library's trigger speaks of new rows, not of rows that wait again."""
    await conn.execute("SELECT pg_notify($1, $2)", CHANNEL, _AGAIN)


def may_bring_work(message: str) -> bool:
    """Say whether a message of the channel is worth a look at the queue: a row that went is not."""
    return _GONE not in message
