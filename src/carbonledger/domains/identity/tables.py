"""Tables of identity. ``organizations`` is the root of every tenant row, so its own tenant column is ``id``.

People are not a tenant's: one may be a member of several organizations. What is theirs alone (``users``, ``passwords``, ``sessions``,
``one_use_tokens``) is kept by policies on the user of the transaction (``carbonledger.user_id``) instead; of another's row an
organization sees only a member's ``users`` row, never a password, session or token.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from carbonledger.infra import columns

_ROLES = "role IN ('owner', 'admin', 'billing', 'viewer')"
_PERSONAL = "belongs to a person, who may be a member of several organizations; policies keep it to the user of the transaction"

organizations = Table(
    "organizations",
    columns.metadata,
    Column("id", Uuid, primary_key=True),
    columns.text("name"),
    columns.text("external_id", nullable=True),
    columns.text("tier", default="'free'"),
    columns.text("time_zone", default="'UTC'"),
    columns.text("currency", default="'USD'"),
    Column("is_house", Boolean, nullable=False, server_default=text("false")),
    Column("is_sandbox", Boolean, nullable=False, server_default=text("false")),
    columns.instant("clock_at", nullable=True),
    columns.instant("clock_target", nullable=True),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("length(external_id) BETWEEN 1 AND 200", name="external_id"),
    CheckConstraint("tier IN ('free', 'starter', 'growth', 'scale', 'enterprise')", name="tier"),
    CheckConstraint("length(time_zone) BETWEEN 1 AND 64", name="time_zone"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("is_sandbox = (clock_at IS NOT NULL)", name="clock"),
    CheckConstraint("clock_target >= clock_at", name="clock_target"),
    CheckConstraint("is_sandbox OR clock_target IS NULL", name="clock_target_is_sandbox"),
    CheckConstraint("NOT (is_house AND is_sandbox)", name="house_is_real"),
    Index("organizations_house_idx", "is_house", unique=True, postgresql_where=text("is_house")),
    Index("organizations_external_id_idx", "external_id", unique=True),
    info={columns.TENANT: True, columns.TENANT_COLUMN: "id"},
)

entitlements = columns.tenant_table(
    "entitlements",
    columns.text("name"),
    columns.text("kind"),
    columns.integer("quota", nullable=True),
    Column("enabled", Boolean, nullable=True),
    columns.instant("updated_at"),
    PrimaryKeyConstraint("organization_id", "name"),
    CheckConstraint("length(name) BETWEEN 1 AND 60", name="name"),
    CheckConstraint(
        "(kind = 'quota' AND enabled IS NULL AND (quota IS NULL OR quota >= 0))"
        " OR (kind = 'feature' AND enabled IS NOT NULL AND quota IS NULL)",
        name="kind",
    ),
)

users = columns.global_table(
    "users",
    columns.id_column(),
    columns.text("email", nullable=True),
    columns.text("name", nullable=True),
    columns.text("locale", nullable=True),
    columns.instant("verified_at", nullable=True),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    columns.instant("erased_at", nullable=True),
    CheckConstraint("length(email) BETWEEN 3 AND 254", name="email"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("length(locale) BETWEEN 2 AND 35", name="locale"),
    CheckConstraint("(email IS NULL) = (erased_at IS NOT NULL)", name="erased"),
    CheckConstraint("erased_at IS NULL OR (name IS NULL AND locale IS NULL)", name="erased_whole"),
    Index("users_email_idx", "email", unique=True),
    reason=_PERSONAL,
)

passwords = columns.global_table(
    "passwords",
    Column("user_id", Uuid, ForeignKey("users.id"), primary_key=True),
    columns.text("hash"),
    columns.instant("changed_at"),
    CheckConstraint("hash LIKE '$argon2id$%' AND length(hash) <= 200", name="hash"),
    reason=_PERSONAL,
)

members = columns.tenant_table(
    "members",
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False),
    columns.text("role"),
    columns.instant("created_at"),
    columns.instant("updated_at"),
    PrimaryKeyConstraint("organization_id", "user_id"),
    CheckConstraint(_ROLES, name="role"),
    Index("members_user_id_idx", "user_id"),
    lookup=("organization_id", "user_id", "role", "created_at"),
)

invitations = columns.tenant_table(
    "invitations",
    columns.id_column(),
    columns.text("email", nullable=True),
    columns.text("role"),
    Column("token_hash", LargeBinary, nullable=True),
    columns.text("state", default="'pending'"),
    Column("invited_by", Uuid, nullable=True),
    Column("accepted_by", Uuid, nullable=True),
    columns.instant("created_at"),
    columns.instant("expires_at"),
    columns.instant("ended_at", nullable=True),
    CheckConstraint("length(email) BETWEEN 3 AND 254", name="email"),
    CheckConstraint(_ROLES, name="role"),
    CheckConstraint("length(token_hash) = 32", name="token_hash"),
    # An ended invitation keeps no address and no token: nothing personal outlives its purpose.
    CheckConstraint(
        "(state = 'pending' AND email IS NOT NULL AND ended_at IS NULL AND accepted_by IS NULL)"
        " OR (state IN ('accepted', 'revoked') AND email IS NULL AND token_hash IS NULL AND ended_at IS NOT NULL"
        " AND (accepted_by IS NOT NULL) = (state = 'accepted'))",
        name="state",
    ),
    Index("invitations_token_hash_idx", "token_hash", unique=True),
    Index("invitations_organization_id_email_idx", "organization_id", "email", unique=True),
    Index("invitations_organization_id_id_idx", "organization_id", "id"),
    lookup=("id", "organization_id", "email", "role", "token_hash", "state", "expires_at"),
)

sessions = columns.global_table(
    "sessions",
    columns.id_column(),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False),
    Column("organization_id", Uuid, ForeignKey("organizations.id"), nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    columns.text("user_agent", nullable=True),
    columns.text("address", nullable=True),
    columns.instant("created_at"),
    columns.instant("seen_at"),
    columns.instant("expires_at"),
    CheckConstraint("length(token_hash) = 32", name="token_hash"),
    CheckConstraint("length(user_agent) <= 300", name="user_agent"),
    CheckConstraint("length(address) <= 45", name="address"),
    CheckConstraint("expires_at > created_at", name="expires_at"),
    Index("sessions_token_hash_idx", "token_hash", unique=True),
    Index("sessions_user_id_idx", "user_id"),
    Index("sessions_expires_at_idx", "expires_at"),
    reason=_PERSONAL,
)

one_use_tokens = columns.global_table(
    "one_use_tokens",
    columns.id_column(),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False),
    columns.text("purpose"),
    Column("token_hash", LargeBinary, nullable=False),
    columns.text("state", default="'unused'"),
    columns.instant("created_at"),
    columns.instant("expires_at"),
    CheckConstraint("purpose IN ('verify_email', 'reset_password', 'sign_in')", name="purpose"),
    CheckConstraint("length(token_hash) = 32", name="token_hash"),
    CheckConstraint("state IN ('unused', 'used', 'withdrawn')", name="state"),
    Index("one_use_tokens_token_hash_idx", "token_hash", unique=True),
    Index("one_use_tokens_user_id_idx", "user_id"),
    Index("one_use_tokens_expires_at_idx", "expires_at"),
    reason=_PERSONAL,
)

api_keys = columns.tenant_table(
    "api_keys",
    columns.id_column(),
    columns.text("label"),
    columns.text("prefix"),
    columns.text("last_four"),
    Column("token_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_by", Uuid, nullable=True),
    columns.instant("created_at"),
    columns.instant("expires_at", nullable=True),
    columns.instant("last_used_at", nullable=True),
    columns.instant("revoked_at", nullable=True),
    CheckConstraint("length(label) BETWEEN 1 AND 100", name="label"),
    CheckConstraint("prefix ~ '^cl_(live|test)_[0-9A-Za-z]{4}$'", name="prefix"),
    CheckConstraint("length(last_four) = 4", name="last_four"),
    CheckConstraint("length(token_hash) = 32", name="token_hash"),
    CheckConstraint("cardinality(scopes) BETWEEN 1 AND 200", name="scopes"),
    CheckConstraint("expires_at > created_at", name="expires_at"),
    Index("api_keys_token_hash_idx", "token_hash", unique=True),
    Index("api_keys_organization_id_id_idx", "organization_id", "id"),
    lookup=("id", "organization_id", "token_hash", "scopes", "expires_at", "last_used_at", "revoked_at"),
)

attempt_tallies = columns.global_table(
    "attempt_tallies",
    Column("key", LargeBinary, primary_key=True),
    Column("count", Integer, nullable=False),
    columns.instant("last_at"),
    CheckConstraint("length(key) = 32", name="key"),
    CheckConstraint("count >= 0", name="count"),
    Index("attempt_tallies_last_at_idx", "last_at"),
    reason="tallies of attempts (to sign in, to have letters sent) by the hash of an e-mail or address, before anybody is known",
)

clerk_messages = columns.global_table(
    "clerk_messages",
    columns.text("id"),
    columns.instant("received_at"),
    PrimaryKeyConstraint("id"),
    CheckConstraint("length(id) BETWEEN 1 AND 200", name="id"),
    Index("clerk_messages_received_at_idx", "received_at"),
    reason="ids of Clerk's messages that were already done; they arrive before a tenant is known",
)
