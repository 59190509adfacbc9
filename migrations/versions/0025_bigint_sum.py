"""A sum of bigint that is bigint: PostgreSQL's own is numeric, which takes several times as long to add up, to end and to add further."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    # Without a first value, so that the sum of nothing is NULL, as ever; beyond a bigint it raises "bigint out of range".
    op.execute("CREATE AGGREGATE bigint_sum (bigint) (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE)")
