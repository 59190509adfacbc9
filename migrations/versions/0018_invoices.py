"""Invoices: documents that never change once issued, their lines, series of numbers, the seller's settings, PDFs, failed steps."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0018"
down_revision = "0017"


def _table(name: str, *items: str) -> str:
    tenant = f"organization_id uuid NOT NULL CONSTRAINT {name}_organization_id_fkey REFERENCES organizations (id)"
    return f"CREATE TABLE {name} ({', '.join((tenant, *items))})"


def _check(table: str, name: str, rule: str) -> str:
    return f"CONSTRAINT {table}_{name}_check CHECK ({rule})"


def _key(table: str, columns: str, target: str, target_columns: str) -> str:
    name = "_".join((table, *columns.replace(",", "").split(), "fkey"))
    return f"CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES {target} ({target_columns})"


_SERIES = _table(
    "invoice_series",
    "code text NOT NULL",
    "prefix text NOT NULL",
    "padding integer NOT NULL",
    "issued bigint NOT NULL",
    "created_at timestamptz NOT NULL",
    _check("invoice_series", "code", "length(code) BETWEEN 1 AND 20"),
    _check("invoice_series", "prefix", "length(prefix) BETWEEN 1 AND 20"),
    _check("invoice_series", "padding", "padding BETWEEN 1 AND 12"),
    _check("invoice_series", "issued", "issued >= 0"),
    "CONSTRAINT invoice_series_pkey PRIMARY KEY (organization_id, code)",
    "CONSTRAINT invoice_series_organization_id_prefix_key UNIQUE (organization_id, prefix)",
)
_SETTINGS = _table(
    "seller_settings",
    "name text",
    "address jsonb NOT NULL",
    "tax_ids jsonb NOT NULL",
    "email text",
    "color text NOT NULL",
    "logo_media_type text",
    "logo bytea",
    "locale text NOT NULL",
    "footer text",
    "payment_terms_days integer NOT NULL",
    "grace_s bigint NOT NULL",
    "late_usage text NOT NULL",
    "tax_rate_codes jsonb NOT NULL",
    "tax_rounding text NOT NULL",
    "series text NOT NULL",
    "updated_at timestamptz NOT NULL",
    _check("seller_settings", "name", "length(name) BETWEEN 1 AND 200"),
    _check(
        "seller_settings",
        "documents",
        "pg_column_size(address) <= 8192 AND pg_column_size(tax_ids) <= 8192 AND pg_column_size(tax_rate_codes) <= 2048",
    ),
    _check("seller_settings", "email", "length(email) BETWEEN 1 AND 254"),
    _check("seller_settings", "color", "color ~ '^#[0-9a-f]{6}$'"),
    _check("seller_settings", "logo_media_type", "logo_media_type IN ('image/png', 'image/svg+xml')"),
    _check("seller_settings", "logo", "octet_length(logo) BETWEEN 1 AND 200000 AND (logo IS NULL) = (logo_media_type IS NULL)"),
    _check("seller_settings", "locale", "locale IN ('en', 'de', 'fr')"),
    _check("seller_settings", "footer", "length(footer) BETWEEN 1 AND 500"),
    _check("seller_settings", "payment_terms_days", "payment_terms_days BETWEEN 0 AND 365"),
    _check("seller_settings", "grace_s", "grace_s BETWEEN 0 AND 2592000"),
    _check("seller_settings", "late_usage", "late_usage IN ('next_invoice', 'correction', 'ignore_and_report')"),
    _check("seller_settings", "tax_rounding", "tax_rounding IN ('document', 'line')"),
    "CONSTRAINT seller_settings_pkey PRIMARY KEY (organization_id)",
)
_INVOICES = _table(
    "invoices",
    "id uuid CONSTRAINT invoices_pkey PRIMARY KEY",
    "account_id uuid NOT NULL",
    "currency text NOT NULL",
    "origin text NOT NULL",
    "state text NOT NULL",
    "payment text NOT NULL",
    "subtotal numeric NOT NULL",
    "discount numeric NOT NULL",
    "tax numeric NOT NULL",
    "total numeric NOT NULL",
    "taxes jsonb NOT NULL",
    "lines integer NOT NULL",
    "discounts jsonb NOT NULL",
    "tax_treatment text NOT NULL",
    "tax_rounding text NOT NULL",
    "locale text NOT NULL",
    "zone text NOT NULL",
    "terms_days integer NOT NULL",
    "billed_at timestamptz NOT NULL",
    "collects_until timestamptz",
    "corrects uuid",
    "memo text",
    "series text",
    "sequence bigint",
    "number text",
    "issued_at timestamptz",
    "due_on date",
    "seller jsonb",
    "buyer jsonb",
    "paid_at timestamptz",
    "reference text",
    "ended_at timestamptz",
    "created_at timestamptz NOT NULL",
    "updated_at timestamptz NOT NULL",
    _check("invoices", "currency", "currency ~ '^[A-Z]{3}$'"),
    _check("invoices", "origin", "origin IN ('subscription', 'one_off', 'correction')"),
    _check("invoices", "state", "state IN ('gathering', 'draft', 'issued', 'void', 'uncollectible')"),
    _check("invoices", "payment", "payment IN ('unpaid', 'failed', 'paid', 'credit')"),
    _check("invoices", "total", "total = subtotal - discount + tax"),
    _check("invoices", "discount", "discount >= 0"),
    _check("invoices", "taxes", "pg_column_size(taxes) <= 32768 AND pg_column_size(discounts) <= 8192"),
    _check("invoices", "lines", "lines BETWEEN 0 AND 1000"),
    _check("invoices", "tax_treatment", "tax_treatment IN ('standard', 'exempt', 'reverse_charge')"),
    _check("invoices", "tax_rounding", "tax_rounding IN ('document', 'line')"),
    _check("invoices", "locale", "locale IN ('en', 'de', 'fr')"),
    _check("invoices", "zone", "length(zone) BETWEEN 1 AND 64"),
    _check("invoices", "terms_days", "terms_days BETWEEN 0 AND 365"),
    _check("invoices", "memo", "length(memo) BETWEEN 1 AND 1000"),
    _check("invoices", "sequence", "sequence > 0"),
    _check("invoices", "number", "length(number) BETWEEN 2 AND 40"),
    _check("invoices", "parties", "pg_column_size(seller) <= 16384 AND pg_column_size(buyer) <= 16384"),
    _check("invoices", "reference", "length(reference) BETWEEN 1 AND 200 AND (reference IS NULL OR payment = 'paid')"),
    _check(
        "invoices",
        "issued",
        "num_nonnulls(series, sequence, number, issued_at, due_on, seller, buyer)"
        " = CASE WHEN state IN ('gathering', 'draft') THEN 0 ELSE 7 END",
    ),
    _check("invoices", "unissued", "state NOT IN ('gathering', 'draft') OR payment = 'unpaid'"),
    _check("invoices", "paid", "(payment = 'paid') = (paid_at IS NOT NULL)"),
    _check("invoices", "ended", "(state IN ('void', 'uncollectible')) = (ended_at IS NOT NULL)"),
    _check("invoices", "credit", "(payment = 'credit') = (total < 0 AND number IS NOT NULL)"),
    _key("invoices", "organization_id, account_id", "accounts", "organization_id, id"),
    "CONSTRAINT invoices_organization_id_id_key UNIQUE (organization_id, id)",
    _key("invoices", "organization_id, corrects", "invoices", "organization_id, id"),
    "CONSTRAINT invoices_organization_id_series_sequence_key UNIQUE (organization_id, series, sequence)",
)
_LINES = _table(
    "invoice_lines",
    "invoice_id uuid NOT NULL",
    "position integer NOT NULL",
    "id uuid NOT NULL",
    "cause text NOT NULL",
    "kind text NOT NULL",
    "description text NOT NULL",
    "subscription_id uuid",
    "plan_version_id uuid",
    "charge_code text",
    "undoes text",
    "service_start timestamptz",
    "service_end timestamptz",
    "part_start timestamptz",
    "part_end timestamptz",
    "quantity numeric NOT NULL",
    "unit_price numeric",
    "unrounded numeric NOT NULL",
    "amount numeric NOT NULL",
    "discount numeric NOT NULL",
    "tax numeric NOT NULL",
    "tax_included numeric NOT NULL",
    "tax_codes jsonb NOT NULL",
    "rated jsonb NOT NULL",
    "meter_id uuid",
    "meter_code text",
    "events bigint",
    "digest text",
    "prices jsonb NOT NULL",
    "factors jsonb NOT NULL",
    "metered_at timestamptz",
    _check("invoice_lines", "position", "position BETWEEN 1 AND 1000"),
    _check("invoice_lines", "cause", "length(cause) BETWEEN 1 AND 300"),
    _check("invoice_lines", "kind", "kind IN ('charge', 'credit', 'setup', 'commitment', 'late', 'item')"),
    _check("invoice_lines", "description", "length(description) BETWEEN 1 AND 500"),
    _check("invoice_lines", "names", "length(charge_code) <= 64 AND length(undoes) <= 300 AND length(meter_code) <= 64"),
    _check("invoice_lines", "service", "(service_start IS NULL) = (service_end IS NULL) AND service_start < service_end"),
    _check("invoice_lines", "part", "(part_start IS NULL) = (part_end IS NULL) AND part_start < part_end"),
    _check("invoice_lines", "rated", "pg_column_size(rated) <= 65536 AND pg_column_size(tax_codes) <= 2048"),
    _check("invoice_lines", "versions", "pg_column_size(prices) <= 8192 AND pg_column_size(factors) <= 8192"),
    _check("invoice_lines", "events", "events >= 0"),
    _check("invoice_lines", "digest", "digest ~ '^[0-9a-f]{64}$'"),
    _key("invoice_lines", "organization_id, invoice_id", "invoices", "organization_id, id"),
    "CONSTRAINT invoice_lines_pkey PRIMARY KEY (organization_id, invoice_id, position)",
    "CONSTRAINT invoice_lines_organization_id_cause_key UNIQUE (organization_id, cause)",
)
_DOCUMENTS = _table(
    "invoice_documents",
    "invoice_id uuid NOT NULL",
    "content bytea NOT NULL",
    "sha256 bytea NOT NULL",
    "made_at timestamptz NOT NULL",
    _check("invoice_documents", "content", "octet_length(content) BETWEEN 1 AND 5242880"),
    _check("invoice_documents", "sha256", "sha256 = sha256(content)"),
    _key("invoice_documents", "organization_id, invoice_id", "invoices", "organization_id, id"),
    "CONSTRAINT invoice_documents_pkey PRIMARY KEY (organization_id, invoice_id)",
)
_LATE = _table(
    "late_usage",
    "id uuid CONSTRAINT late_usage_pkey PRIMARY KEY",
    "cause text NOT NULL",
    "invoice_id uuid NOT NULL",
    "account_id uuid NOT NULL",
    "decision text NOT NULL",
    "quantity_before numeric NOT NULL",
    "quantity_after numeric NOT NULL",
    "amount numeric NOT NULL",
    "currency text NOT NULL",
    "events bigint NOT NULL",
    "digest text NOT NULL",
    "found_at timestamptz NOT NULL",
    _check("late_usage", "decision", "decision IN ('next_invoice', 'correction', 'ignore_and_report')"),
    _check("late_usage", "cause", "length(cause) BETWEEN 1 AND 300"),
    _check("late_usage", "currency", "currency ~ '^[A-Z]{3}$'"),
    _check("late_usage", "events", "events >= 0"),
    _check("late_usage", "digest", "digest ~ '^[0-9a-f]{64}$'"),
    _key("late_usage", "organization_id, invoice_id", "invoices", "organization_id, id"),
)
_FAILURES = _table(
    "billing_failures",
    "id uuid CONSTRAINT billing_failures_pkey PRIMARY KEY",
    "account_id uuid NOT NULL",
    "invoice_id uuid",
    "step text NOT NULL",
    "code text NOT NULL",
    "detail text NOT NULL",
    "attempts integer NOT NULL",
    "first_failed_at timestamptz NOT NULL",
    "last_failed_at timestamptz NOT NULL",
    _check("billing_failures", "step", "step IN ('rate', 'collect', 'print')"),
    _check("billing_failures", "code", "length(code) BETWEEN 1 AND 100"),
    _check("billing_failures", "detail", "length(detail) BETWEEN 1 AND 1000"),
    _check("billing_failures", "attempts", "attempts > 0"),
    _key("billing_failures", "organization_id, account_id", "accounts", "organization_id, id"),
    _key("billing_failures", "organization_id, invoice_id", "invoices", "organization_id, id"),
)
_COUNTS_ON = """
    CREATE FUNCTION keep_invoice_series() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.issued <> 0 THEN
                RAISE EXCEPTION 'a series begins with nothing issued' USING ERRCODE = 'restrict_violation';
            END IF;
        ELSIF (NEW.organization_id, NEW.code) IS DISTINCT FROM (OLD.organization_id, OLD.code) OR NEW.issued < OLD.issued
            OR (OLD.issued > 0 AND (NEW.prefix, NEW.padding) IS DISTINCT FROM (OLD.prefix, OLD.padding)) THEN
            RAISE EXCEPTION 'a series of numbers only goes on' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""
# What issuing fixes, in one row value: whatever is in it never changes afterwards.
_FIXED = (
    "id account_id currency origin subtotal discount tax total taxes lines discounts tax_treatment tax_rounding locale zone terms_days "
    "billed_at collects_until corrects memo series sequence number issued_at due_on seller buyer created_at organization_id"
)


def _row(which: str, columns: str) -> str:
    return "(" + ", ".join(f"{which}.{column}" for column in columns.split()) + ")"


# The same table as ``types.invoices.TRANSITIONS``. When a draft is issued, its lines are what its totals say; a line that is being added
# meanwhile holds the row (below), so this waits for it and then sees it.
_KEPT = f"""
    CREATE FUNCTION keep_invoice() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
        found record;
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.state NOT IN ('gathering', 'draft') THEN
                RAISE EXCEPTION 'an invoice begins as a draft' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END IF;
        IF TG_OP = 'DELETE' THEN
            IF OLD.state NOT IN ('gathering', 'draft') THEN
                RAISE EXCEPTION 'an issued invoice stays' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN OLD;
        END IF;
        IF OLD.payment = 'paid' THEN
            RAISE EXCEPTION 'a paid invoice never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state <> OLD.state AND NOT (
            (OLD.state = 'gathering' AND NEW.state = 'draft')
            OR (OLD.state = 'draft' AND NEW.state = 'issued')
            OR (OLD.state = 'issued' AND NEW.state IN ('void', 'uncollectible'))
            OR (OLD.state = 'uncollectible' AND NEW.state = 'void')
        ) THEN
            RAISE EXCEPTION 'an invoice that is % does not become %', OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.state = 'void' THEN
            RAISE EXCEPTION 'a void invoice never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.state IN ('gathering', 'draft') THEN
            IF {_row("NEW", "organization_id id account_id currency origin created_at")}
                IS DISTINCT FROM {_row("OLD", "organization_id id account_id currency origin created_at")} THEN
                RAISE EXCEPTION 'whose invoice it is never changes' USING ERRCODE = 'restrict_violation';
            END IF;
            IF NEW.state = 'issued' THEN
                SELECT count(*) AS lines, sum(l.amount) AS amount, sum(l.discount) AS discount, sum(l.tax) AS tax INTO found
                FROM invoice_lines l WHERE l.organization_id = NEW.organization_id AND l.invoice_id = NEW.id;
                IF (found.lines, found.amount, found.discount, found.tax) IS DISTINCT FROM
                    (NEW.lines, NEW.subtotal, NEW.discount, NEW.tax) THEN
                    RAISE EXCEPTION 'the lines of an invoice add up to it' USING ERRCODE = 'restrict_violation';
                END IF;
                IF NEW.payment <> (CASE sign(NEW.total) WHEN 1 THEN 'unpaid' WHEN -1 THEN 'credit' ELSE 'paid' END) THEN
                    RAISE EXCEPTION 'nothing is paid that was not issued' USING ERRCODE = 'restrict_violation';
                END IF;
            END IF;
            RETURN NEW;
        END IF;
        IF {_row("NEW", _FIXED)} IS DISTINCT FROM {_row("OLD", _FIXED)} THEN
            RAISE EXCEPTION 'an issued invoice never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.payment <> OLD.payment AND NOT (
            NEW.state = OLD.state
            AND ((OLD.payment IN ('unpaid', 'failed') AND NEW.payment = 'paid')
                OR (OLD.payment = 'unpaid' AND NEW.payment = 'failed' AND OLD.state = 'issued'))
        ) THEN
            RAISE EXCEPTION 'a payment that is % does not become %', OLD.payment, NEW.payment USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state = OLD.state AND NEW.ended_at IS DISTINCT FROM OLD.ended_at THEN
            RAISE EXCEPTION 'when an invoice ended never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.payment = 'credit' AND NEW.state = 'uncollectible' THEN
            RAISE EXCEPTION 'nothing is owed on it' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END
    $body$
"""
# The lines of what is issued stay. Who adds one holds the invoice's row until the transaction ends, so it can't be issued meanwhile.
_LINES_ADDED = """
    CREATE FUNCTION keep_invoice_lines() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
        stands text;
    BEGIN
        FOR stands IN
            SELECT i.state FROM invoices i
            WHERE i.organization_id = current_organization() AND i.id IN (SELECT f.invoice_id FROM fresh f)
            FOR SHARE
        LOOP
            IF stands NOT IN ('gathering', 'draft') THEN
                RAISE EXCEPTION 'an issued invoice never changes' USING ERRCODE = 'restrict_violation';
            END IF;
        END LOOP;
        RETURN NULL;
    END
    $body$
"""
_LINE_CHANGED = """
    CREATE FUNCTION keep_invoice_line() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
        stands text;
    BEGIN
        SELECT i.state INTO stands FROM invoices i WHERE i.organization_id = OLD.organization_id AND i.id = OLD.invoice_id FOR SHARE;
        IF stands IS NULL OR stands NOT IN ('gathering', 'draft') THEN
            RAISE EXCEPTION 'an issued invoice never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        IF (NEW.organization_id, NEW.id, NEW.cause) IS DISTINCT FROM (OLD.organization_id, OLD.id, OLD.cause) THEN
            RAISE EXCEPTION 'what a line is for never changes' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.invoice_id <> OLD.invoice_id THEN
            SELECT i.state INTO stands FROM invoices i WHERE i.organization_id = NEW.organization_id AND i.id = NEW.invoice_id FOR SHARE;
            IF stands IS NULL OR stands NOT IN ('gathering', 'draft') THEN
                RAISE EXCEPTION 'an issued invoice never changes' USING ERRCODE = 'restrict_violation';
            END IF;
        END IF;
        RETURN NEW;
    END
    $body$
"""
_STATEMENTS: tuple[str, ...] = (
    _SERIES,
    *ddl.tenant_policy("invoice_series"),
    *ddl.grant_app("invoice_series", "SELECT", "INSERT", "UPDATE"),
    _COUNTS_ON,
    "CREATE TRIGGER counts_on BEFORE INSERT OR UPDATE ON invoice_series FOR EACH ROW EXECUTE FUNCTION keep_invoice_series()",
    "CREATE TRIGGER no_delete BEFORE DELETE ON invoice_series FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON invoice_series FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    _SETTINGS,
    *ddl.tenant_policy("seller_settings"),
    *ddl.grant_app("seller_settings", "SELECT", "INSERT", "UPDATE"),
    _INVOICES,
    "CREATE INDEX invoices_organization_id_account_id_idx ON invoices (organization_id, account_id, id)",
    "CREATE UNIQUE INDEX invoices_gathering_idx ON invoices (organization_id, account_id, currency) WHERE state = 'gathering'",
    "CREATE INDEX invoices_collecting_idx ON invoices (organization_id, collects_until) WHERE state = 'draft'",
    *ddl.tenant_policy("invoices"),
    *ddl.bulk_policy("invoices"),
    *ddl.grant_app("invoices", "SELECT", "INSERT", "UPDATE", "DELETE"),
    _LINES,
    """
    CREATE INDEX invoice_lines_subscription_idx ON invoice_lines (organization_id, subscription_id, service_end)
    WHERE subscription_id IS NOT NULL
    """,
    "CREATE INDEX invoice_lines_late_idx ON invoice_lines (organization_id, undoes) WHERE undoes IS NOT NULL",
    "CREATE INDEX invoice_lines_metered_idx ON invoice_lines (organization_id, service_end) WHERE meter_id IS NOT NULL",
    *ddl.tenant_policy("invoice_lines"),
    *ddl.bulk_policy("invoice_lines"),
    *ddl.grant_app("invoice_lines", "SELECT", "INSERT", "UPDATE", "DELETE"),
    _KEPT,
    "CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION keep_invoice()",
    "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    _LINES_ADDED,
    """
    CREATE TRIGGER keep_added AFTER INSERT ON invoice_lines REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_invoice_lines()
    """,
    _LINE_CHANGED,
    "CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON invoice_lines FOR EACH ROW EXECUTE FUNCTION keep_invoice_line()",
    "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON invoice_lines FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    _DOCUMENTS,
    *ddl.tenant_policy("invoice_documents"),
    *ddl.grant_app("invoice_documents", "SELECT", "INSERT"),
    *ddl.append_only("invoice_documents"),
    _LATE,
    "CREATE INDEX late_usage_organization_id_cause_idx ON late_usage (organization_id, cause, id)",
    *ddl.tenant_policy("late_usage"),
    *ddl.grant_app("late_usage", "SELECT", "INSERT"),
    *ddl.append_only("late_usage"),
    _FAILURES,
    """
    CREATE UNIQUE INDEX billing_failures_organization_id_step_idx
    ON billing_failures (organization_id, step, account_id, invoice_id) NULLS NOT DISTINCT
    """,
    *ddl.tenant_policy("billing_failures"),
    *ddl.grant_app("billing_failures", "SELECT", "INSERT", "UPDATE", "DELETE"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
