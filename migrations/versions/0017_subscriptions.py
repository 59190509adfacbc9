"""Subscriptions: their facts, which nobody changes, and the row by which one is found when something is due."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0017"
down_revision = "0016"

_SUBSCRIPTIONS = """
    CREATE TABLE subscriptions (
        organization_id uuid NOT NULL CONSTRAINT subscriptions_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT subscriptions_pkey PRIMARY KEY,
        account_id uuid NOT NULL,
        external_id text CONSTRAINT subscriptions_external_id_check CHECK (length(external_id) BETWEEN 1 AND 200),
        name text CONSTRAINT subscriptions_name_check CHECK (length(name) BETWEEN 1 AND 200),
        currency text NOT NULL CONSTRAINT subscriptions_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
        metadata jsonb NOT NULL,
        plan_id uuid NOT NULL,
        status text NOT NULL CONSTRAINT subscriptions_status_check
            CHECK (status IN ('scheduled', 'trialing', 'incomplete', 'active', 'past_due', 'paused', 'canceled', 'ended')),
        advanced_until timestamptz NOT NULL,
        next_due_at timestamptz,
        billable_at timestamptz,
        billed_until timestamptz,
        claimed_until timestamptz,
        billed_facts integer NOT NULL DEFAULT 0,
        facts integer NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT subscriptions_billed_facts_check CHECK (billed_facts BETWEEN 0 AND facts),
        CONSTRAINT subscriptions_organization_id_id_key UNIQUE (organization_id, id),
        CONSTRAINT subscriptions_organization_id_external_id_key UNIQUE (organization_id, external_id),
        CONSTRAINT subscriptions_organization_id_account_id_fkey FOREIGN KEY (organization_id, account_id)
            REFERENCES accounts (organization_id, id),
        CONSTRAINT subscriptions_organization_id_plan_id_fkey FOREIGN KEY (organization_id, plan_id) REFERENCES plans (organization_id, id)
    )
"""
_FACTS = """
    CREATE TABLE subscription_facts (
        organization_id uuid NOT NULL CONSTRAINT subscription_facts_organization_id_fkey REFERENCES organizations (id),
        subscription_id uuid NOT NULL,
        number integer NOT NULL CONSTRAINT subscription_facts_number_check CHECK (number BETWEEN 1 AND 10000),
        kind text NOT NULL CONSTRAINT subscription_facts_kind_check
            CHECK (kind IN ('started', 'trial_ended', 'plan_changed', 'quantity_changed', 'zone_changed', 'paused', 'resumed', 'past_due',
                'settled', 'canceled', 'ended', 'reactivated', 'withdrawn')),
        effective_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL,
        planned boolean NOT NULL,
        actor_kind text NOT NULL,
        actor_id uuid,
        plan_version_id uuid,
        overrides jsonb,
        quantity integer CONSTRAINT subscription_facts_quantity_check CHECK (quantity BETWEEN 0 AND 1000000000),
        proration text CONSTRAINT subscription_facts_proration_check CHECK (proration IN ('day', 'second', 'none')),
        zone text CONSTRAINT subscription_facts_zone_check CHECK (length(zone) BETWEEN 1 AND 64),
        anchor date,
        trialing boolean NOT NULL,
        payment_first boolean NOT NULL,
        credit boolean,
        withdraws integer,
        reason text CONSTRAINT subscription_facts_reason_check CHECK (length(reason) BETWEEN 1 AND 500),
        CONSTRAINT subscription_facts_pkey PRIMARY KEY (organization_id, subscription_id, number),
        CONSTRAINT subscription_facts_first_check CHECK ((kind = 'started') = (number = 1)),
        CONSTRAINT subscription_facts_plan_version_id_check
            CHECK ((kind IN ('started', 'plan_changed')) = (plan_version_id IS NOT NULL)),
        CONSTRAINT subscription_facts_withdraws_check CHECK ((kind = 'withdrawn') = (withdraws IS NOT NULL) AND withdraws < number),
        CONSTRAINT subscription_facts_organization_id_subscription_id_fkey FOREIGN KEY (organization_id, subscription_id)
            REFERENCES subscriptions (organization_id, id),
        CONSTRAINT subscription_facts_organization_id_plan_version_id_fkey FOREIGN KEY (organization_id, plan_version_id)
            REFERENCES plan_versions (organization_id, id)
    )
"""
_STATEMENTS: tuple[str, ...] = (
    _SUBSCRIPTIONS,
    "CREATE INDEX subscriptions_organization_id_account_id_id_idx ON subscriptions (organization_id, account_id, id)",
    "CREATE INDEX subscriptions_organization_id_plan_id_id_idx ON subscriptions (organization_id, plan_id, id)",
    "CREATE INDEX subscriptions_due_idx ON subscriptions (organization_id, next_due_at) WHERE next_due_at IS NOT NULL",
    "CREATE INDEX subscriptions_billable_idx ON subscriptions (organization_id, billable_at, account_id) WHERE billable_at IS NOT NULL",
    *ddl.tenant_policy("subscriptions"),
    # Who takes it, in which currency, never changes; the rest follows from facts.
    *ddl.grant_app(
        "subscriptions",
        "SELECT",
        "INSERT",
        "UPDATE (name, metadata, plan_id, status, advanced_until, next_due_at, billable_at, billed_until, claimed_until, billed_facts,"
        " facts, updated_at)",
    ),
    _FACTS,
    *ddl.tenant_policy("subscription_facts"),
    *ddl.grant_app("subscription_facts", "SELECT", "INSERT"),
    *ddl.append_only("subscription_facts"),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in _STATEMENTS:
        op.execute(statement)
