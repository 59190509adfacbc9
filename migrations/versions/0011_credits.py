"""Credits: blocks and lots that were retired, what is left of each, what was given to receipts, and what is ordered ahead.

No milligram is given twice, whoever looks: exclusion constraints see the rows of every organization, and each interval lies within the
quantity of its lot, which its foreign key names. So the sum of what stands is never above the lot.
"""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0011"
down_revision = "0010"


def _text(table: str, name: str, most: int, *, nullable: bool = False) -> str:
    required = "" if nullable else " NOT NULL"
    return f"{name} text{required} CONSTRAINT {table}_{name}_check CHECK (length({name}) BETWEEN 1 AND {most})"


def _of_lot(table: str) -> str:
    return f"""
        lot_id uuid NOT NULL,
        lot_number integer NOT NULL,
        quantity_mg bigint NOT NULL,
        from_mg bigint NOT NULL,
        to_mg bigint NOT NULL,
        CONSTRAINT {table}_interval_check CHECK (0 <= from_mg AND from_mg < to_mg AND to_mg <= quantity_mg),
        CONSTRAINT {table}_lot_id_lot_number_quantity_mg_fkey FOREIGN KEY (lot_id, lot_number, quantity_mg)
            REFERENCES credit_lots (id, number, quantity_mg),
    """


# One range of numbers for all lots, as gist has no equality of integers without an extension: a lot has less than 2^53 mg.
_INTERVAL = "numrange(lot_number::numeric * 9007199254740992 + from_mg, lot_number::numeric * 9007199254740992 + to_mg)"
# The same of units: a unit has at most 15 digits.
_UNITS = "numrange(block_id::numeric * 1000000000000000 + block_start, block_id::numeric * 1000000000000000 + block_end, '[]')"

_STATEMENTS: tuple[str, ...] = (
    f"""
    CREATE TABLE credit_blocks (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT credit_blocks_pkey PRIMARY KEY,
        {_text("credit_blocks", "registry", 32)},
        {_text("credit_blocks", "prefix", 200)},
        CONSTRAINT credit_blocks_registry_prefix_key UNIQUE (registry, prefix)
    )
    """,
    f"""
    CREATE TABLE credit_lots (
        id uuid CONSTRAINT credit_lots_pkey PRIMARY KEY,
        number integer GENERATED ALWAYS AS IDENTITY,
        block_id integer NOT NULL CONSTRAINT credit_lots_block_id_fkey REFERENCES credit_blocks (id),
        {_text("credit_lots", "block", 200)},
        block_start bigint NOT NULL,
        block_end bigint NOT NULL,
        quantity_mg bigint NOT NULL,
        {_text("credit_lots", "project_id", 64)},
        {_text("credit_lots", "project_name", 200)},
        {_text("credit_lots", "standard", 64)},
        kind text NOT NULL CONSTRAINT credit_lots_kind_check CHECK (kind IN ('removal', 'reduction')),
        vintage smallint NOT NULL CONSTRAINT credit_lots_vintage_check CHECK (vintage BETWEEN 1990 AND 2100),
        retired_on date NOT NULL,
        {_text("credit_lots", "retirement_reference", 200)},
        {_text("credit_lots", "retirement_url", 1000)},
        {_text("credit_lots", "beneficiary", 200)},
        {_text("credit_lots", "reason", 200, nullable=True)},
        corresponding_adjustment boolean,
        evidence_sha256 text CONSTRAINT credit_lots_evidence_sha256_check CHECK (evidence_sha256 ~ '^[0-9a-f]{{64}}$'),
        imported_at timestamptz NOT NULL,
        CONSTRAINT credit_lots_number_key UNIQUE (number),
        CONSTRAINT credit_lots_id_number_quantity_mg_key UNIQUE (id, number, quantity_mg),
        CONSTRAINT credit_lots_units_check CHECK (0 <= block_start AND block_start <= block_end AND block_end < 1000000000000000),
        CONSTRAINT credit_lots_quantity_mg_check
            CHECK (quantity_mg BETWEEN 1 AND 9007199254740991 AND quantity_mg <= (block_end - block_start + 1)::numeric * 1000000000),
        CONSTRAINT credit_lots_retired_on_check CHECK (retired_on <= (imported_at AT TIME ZONE 'UTC')::date),
        CONSTRAINT credit_lots_units_excl EXCLUDE USING gist ({_UNITS} WITH &&)
    )
    """,
    *(
        statement
        for table in ("credit_blocks", "credit_lots")
        for statement in (
            *ddl.grant_app(table, "SELECT", "INSERT"),
            f"GRANT SELECT, INSERT ON {table} TO {ddl.MAINTENANCE}",
            *ddl.append_only(table),
        )
    ),
    f"GRANT ALL ON SEQUENCE credit_blocks_id_seq, credit_lots_number_seq TO {ddl.MAINTENANCE}",
    f"""
    CREATE TABLE credit_remainders (
        {_of_lot("credit_remainders")}
        CONSTRAINT credit_remainders_pkey PRIMARY KEY (lot_id, from_mg),
        CONSTRAINT credit_remainders_interval_excl EXCLUDE USING gist ({_INTERVAL} WITH &&)
    )
    """,
    *ddl.grant_app("credit_remainders", "SELECT", "INSERT", "DELETE"),
    f"GRANT SELECT, INSERT, DELETE ON credit_remainders TO {ddl.MAINTENANCE}",
    f"""
    CREATE TABLE credit_allocations (
        organization_id uuid NOT NULL CONSTRAINT credit_allocations_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT credit_allocations_pkey PRIMARY KEY,
        receipt_id uuid NOT NULL,
        serial text NOT NULL CONSTRAINT credit_allocations_serial_check CHECK (length(serial) = 15),
        {_of_lot("credit_allocations")}
        state text NOT NULL CONSTRAINT credit_allocations_state_check CHECK (state IN ('made', 'released')),
        made_at timestamptz NOT NULL,
        released_at timestamptz,
        CONSTRAINT credit_allocations_released_check CHECK ((state = 'released') = (released_at IS NOT NULL)),
        CONSTRAINT credit_allocations_interval_excl EXCLUDE USING gist ({_INTERVAL} WITH &&) WHERE (state = 'made')
    )
    """,
    "CREATE INDEX credit_allocations_organization_id_receipt_id_idx ON credit_allocations (organization_id, receipt_id)",
    *ddl.tenant_policy("credit_allocations"),
    *ddl.grant_app("credit_allocations", "SELECT", "INSERT", "UPDATE (state, released_at)"),
    """
    CREATE FUNCTION keep_credit_allocation() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.state = 'made' AND NEW.state = 'released'
            AND (to_jsonb(NEW) - 'state' - 'released_at') = (to_jsonb(OLD) - 'state' - 'released_at') THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'an allocation is released once, and otherwise stays as it is' USING ERRCODE = 'restrict_violation';
    END
    $body$
    """,
    """
    CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON credit_allocations FOR EACH ROW EXECUTE FUNCTION keep_credit_allocation()
    """,
    "CREATE TRIGGER keep_all BEFORE TRUNCATE ON credit_allocations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    *ddl.lookup_policy("credit_allocations", "lot_id", "from_mg", "to_mg", "state"),
    *ddl.lookup_function(
        "allocated_credits()",
        "TABLE (lot_id uuid, milligrams numeric)",
        """
        SELECT a.lot_id, sum(a.to_mg - a.from_mg) FROM public.credit_allocations a WHERE a.state = 'made' GROUP BY a.lot_id
        """,
    ),
    f"""
    CREATE TABLE credit_commitments (
        id uuid CONSTRAINT credit_commitments_pkey PRIMARY KEY,
        {_text("credit_commitments", "seller", 64)},
        {_text("credit_commitments", "offer_id", 200)},
        quantity_mg bigint NOT NULL CONSTRAINT credit_commitments_quantity_mg_check CHECK (quantity_mg BETWEEN 1 AND 9007199254740991),
        {_text("credit_commitments", "beneficiary", 200, nullable=True)},
        state text NOT NULL CONSTRAINT credit_commitments_state_check
            CHECK (state IN ('asked', 'placed', 'confirmed', 'delivered', 'canceled', 'refused')),
        {_text("credit_commitments", "order_id", 200, nullable=True)},
        amount_minor bigint CONSTRAINT credit_commitments_amount_minor_check CHECK (amount_minor >= 0),
        currency text CONSTRAINT credit_commitments_currency_check CHECK (currency ~ '^[A-Z]{{3}}$'),
        expected_year smallint CONSTRAINT credit_commitments_expected_year_check CHECK (expected_year BETWEEN 2000 AND 2200),
        {_text("credit_commitments", "certificate_url", 1000, nullable=True)},
        deliveries jsonb NOT NULL,
        {_text("credit_commitments", "refused_words", 1000, nullable=True)},
        asked_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT credit_commitments_seller_order_id_key UNIQUE (seller, order_id),
        CONSTRAINT credit_commitments_order_check CHECK ((state IN ('asked', 'refused')) = (order_id IS NULL)),
        CONSTRAINT credit_commitments_refused_check CHECK ((state = 'refused') = (refused_words IS NOT NULL)),
        CONSTRAINT credit_commitments_amount_check CHECK ((amount_minor IS NULL) = (currency IS NULL))
    )
    """,
    *ddl.grant_app("credit_commitments", "SELECT", "INSERT", "UPDATE"),
    f"GRANT SELECT, INSERT, UPDATE ON credit_commitments TO {ddl.MAINTENANCE}",
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
