"""Published price books and factor sets, and the rates of emissions that events are estimated by."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0007"
down_revision = "0006"


def _per_token(name: str, *, nullable: bool = False) -> str:
    """Return a column of nine numbers: prefill, cached and decode, for low, then mid, then high."""
    return (
        f"{name} numeric(38,18)[]{'' if nullable else ' NOT NULL'} CONSTRAINT emission_rates_{name}_check "
        f"CHECK (cardinality({name}) = 9 AND array_position({name}, NULL) IS NULL)"
    )


_STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE price_books (
        id smallint GENERATED ALWAYS AS IDENTITY CONSTRAINT price_books_pkey PRIMARY KEY,
        version text NOT NULL CONSTRAINT price_books_version_check CHECK (version ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{12}$'),
        as_of date NOT NULL,
        source jsonb NOT NULL CONSTRAINT price_books_source_check CHECK (octet_length(source::text) <= 8192),
        prices bytea NOT NULL CONSTRAINT price_books_prices_check CHECK (octet_length(prices) BETWEEN 1 AND 16777216),
        overrides bytea NOT NULL CONSTRAINT price_books_overrides_check CHECK (octet_length(overrides) BETWEEN 1 AND 16777216),
        published_at timestamptz NOT NULL,
        CONSTRAINT price_books_version_key UNIQUE (version)
    )
    """,
    """
    CREATE TABLE factor_sets (
        version text CONSTRAINT factor_sets_pkey PRIMARY KEY
            CONSTRAINT factor_sets_version_check CHECK (length(version) <= 40 AND version ~ '^[0-9]+[.][0-9]+([.][0-9]+)?$'),
        digest text NOT NULL CONSTRAINT factor_sets_digest_check CHECK (digest ~ '^[0-9a-f]{64}$'),
        effective_from date NOT NULL,
        document bytea NOT NULL CONSTRAINT factor_sets_document_check CHECK (octet_length(document) BETWEEN 1 AND 1048576),
        published_at timestamptz NOT NULL,
        CONSTRAINT factor_sets_digest_key UNIQUE (digest)
    )
    """,
    f"""
    CREATE TABLE emission_rates (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT emission_rates_pkey PRIMARY KEY,
        factor_version text NOT NULL CONSTRAINT emission_rates_factor_version_fkey REFERENCES factor_sets (version),
        digest bytea NOT NULL CONSTRAINT emission_rates_digest_check CHECK (octet_length(digest) = 32),
        model_tier text NOT NULL CONSTRAINT emission_rates_model_tier_check CHECK (length(model_tier) BETWEEN 1 AND 64),
        is_fallback boolean NOT NULL,
        host text NOT NULL CONSTRAINT emission_rates_host_check CHECK (length(host) BETWEEN 1 AND 64),
        grid text NOT NULL CONSTRAINT emission_rates_grid_check CHECK (length(grid) BETWEEN 1 AND 64),
        market_grid text CONSTRAINT emission_rates_market_grid_check CHECK (length(market_grid) BETWEEN 1 AND 64),
        is_batch boolean NOT NULL,
        context_low integer NOT NULL,
        context_high integer NOT NULL,
        {_per_token("energy_wh")},
        {_per_token("co2e_location_g")},
        {_per_token("co2e_market_g", nullable=True)},
        {_per_token("water_ml")},
        {_per_token("embodied_g")},
        created_at timestamptz NOT NULL,
        CONSTRAINT emission_rates_digest_key UNIQUE (digest),
        CONSTRAINT emission_rates_context_check CHECK (context_low BETWEEN 0 AND context_high),
        CONSTRAINT emission_rates_market_check CHECK ((market_grid IS NULL) = (co2e_market_g IS NULL))
    )
    """,
    *(
        statement
        for table in ("price_books", "factor_sets", "emission_rates")
        for statement in (
            *ddl.grant_app(table, "SELECT", "INSERT"),
            f"GRANT SELECT, INSERT ON {table} TO {ddl.MAINTENANCE}",
            *ddl.append_only(table),
        )
    ),
    f"GRANT ALL ON SEQUENCE price_books_id_seq, emission_rates_id_seq TO {ddl.MAINTENANCE}",
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
