"""Users, members, keys, sessions and one-use tokens."""

from __future__ import annotations

from alembic import op

from carbonledger.infra import ddl

revision = "0003"
down_revision = "0002"

_ORGANIZATIONS = (
    "ALTER TABLE organizations ADD COLUMN clock_target timestamptz"
    " CONSTRAINT organizations_clock_target_check CHECK (clock_target >= clock_at)",
    "ALTER TABLE organizations ADD CONSTRAINT organizations_clock_target_is_sandbox_check CHECK (is_sandbox OR clock_target IS NULL)",
    *ddl.lookup_policy("organizations", "id", "external_id", "name", "tier", "is_house", "is_sandbox", "clock_at", "time_zone"),
)

_ENTITLEMENTS = (
    """
    CREATE TABLE entitlements (
        organization_id uuid NOT NULL CONSTRAINT entitlements_organization_id_fkey REFERENCES organizations (id),
        name text NOT NULL CONSTRAINT entitlements_name_check CHECK (length(name) BETWEEN 1 AND 60),
        kind text NOT NULL,
        quota bigint,
        enabled boolean,
        updated_at timestamptz NOT NULL,
        CONSTRAINT entitlements_pkey PRIMARY KEY (organization_id, name),
        CONSTRAINT entitlements_kind_check CHECK (
            (kind = 'quota' AND enabled IS NULL AND (quota IS NULL OR quota >= 0))
            OR (kind = 'feature' AND enabled IS NOT NULL AND quota IS NULL)
        )
    )
    """,
    *ddl.tenant_policy("entitlements"),
    *ddl.grant_app("entitlements", "SELECT", "INSERT", "UPDATE", "DELETE"),
)

# --- people: each row is kept to the user of the transaction, as a tenant's is to its organization

_USER_OF_TRANSACTION = (
    """
    CREATE FUNCTION current_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $body$ SELECT nullif(current_setting('carbonledger.user_id', true), '')::uuid $body$
    """,
)


def _personal_policy(table: str, *, column: str = "user_id") -> list[str]:
    own = f"{column} = current_user_id()"
    entered = ddl.is_user(ddl.MAINTENANCE)
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY own ON {table} TO {ddl.APP} USING ({own}) WITH CHECK ({own})",
        f"CREATE POLICY maintenance ON {table} TO {ddl.MAINTENANCE} USING ({entered}) WITH CHECK ({entered})",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ddl.MAINTENANCE}",
    ]


_USERS = (
    """
    CREATE TABLE users (
        id uuid CONSTRAINT users_pkey PRIMARY KEY,
        email text CONSTRAINT users_email_check CHECK (length(email) BETWEEN 3 AND 254),
        name text CONSTRAINT users_name_check CHECK (length(name) BETWEEN 1 AND 200),
        locale text CONSTRAINT users_locale_check CHECK (length(locale) BETWEEN 2 AND 35),
        verified_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        erased_at timestamptz,
        CONSTRAINT users_erased_check CHECK ((email IS NULL) = (erased_at IS NOT NULL)),
        CONSTRAINT users_erased_whole_check CHECK (erased_at IS NULL OR (name IS NULL AND locale IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX users_email_idx ON users (email)",
    *_personal_policy("users", column="id"),
    *ddl.grant_app("users", "SELECT", "INSERT", "UPDATE"),
    *ddl.lookup_policy("users", "id", "email", "verified_at"),
    """
    CREATE TABLE passwords (
        user_id uuid CONSTRAINT passwords_pkey PRIMARY KEY CONSTRAINT passwords_user_id_fkey REFERENCES users (id),
        hash text NOT NULL CONSTRAINT passwords_hash_check CHECK (hash LIKE '$argon2id$%' AND length(hash) <= 200),
        changed_at timestamptz NOT NULL
    )
    """,
    *_personal_policy("passwords"),
    *ddl.grant_app("passwords", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.lookup_policy("passwords", "user_id", "hash"),
    """
    CREATE TABLE sessions (
        id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES users (id),
        organization_id uuid NOT NULL CONSTRAINT sessions_organization_id_fkey REFERENCES organizations (id),
        token_hash bytea NOT NULL CONSTRAINT sessions_token_hash_check CHECK (length(token_hash) = 32),
        user_agent text CONSTRAINT sessions_user_agent_check CHECK (length(user_agent) <= 300),
        address text CONSTRAINT sessions_address_check CHECK (length(address) <= 45),
        created_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT sessions_expires_at_check CHECK (expires_at > created_at)
    )
    """,
    "CREATE UNIQUE INDEX sessions_token_hash_idx ON sessions (token_hash)",
    "CREATE INDEX sessions_user_id_idx ON sessions (user_id)",
    "CREATE INDEX sessions_expires_at_idx ON sessions (expires_at)",
    *_personal_policy("sessions"),
    *ddl.grant_app("sessions", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.lookup_policy("sessions", "id", "user_id", "organization_id", "token_hash", "created_at", "seen_at", "expires_at"),
    """
    CREATE TABLE one_use_tokens (
        id uuid CONSTRAINT one_use_tokens_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT one_use_tokens_user_id_fkey REFERENCES users (id),
        purpose text NOT NULL
            CONSTRAINT one_use_tokens_purpose_check CHECK (purpose IN ('verify_email', 'reset_password', 'sign_in')),
        token_hash bytea NOT NULL CONSTRAINT one_use_tokens_token_hash_check CHECK (length(token_hash) = 32),
        state text NOT NULL DEFAULT 'unused'
            CONSTRAINT one_use_tokens_state_check CHECK (state IN ('unused', 'used', 'withdrawn')),
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX one_use_tokens_token_hash_idx ON one_use_tokens (token_hash)",
    "CREATE INDEX one_use_tokens_user_id_idx ON one_use_tokens (user_id)",
    "CREATE INDEX one_use_tokens_expires_at_idx ON one_use_tokens (expires_at)",
    *_personal_policy("one_use_tokens"),
    *ddl.grant_app("one_use_tokens", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.lookup_policy("one_use_tokens", "id", "user_id", "purpose", "token_hash", "state", "expires_at"),
)

_MEMBERS = (
    """
    CREATE TABLE members (
        organization_id uuid NOT NULL CONSTRAINT members_organization_id_fkey REFERENCES organizations (id),
        user_id uuid NOT NULL CONSTRAINT members_user_id_fkey REFERENCES users (id),
        role text NOT NULL CONSTRAINT members_role_check CHECK (role IN ('owner', 'admin', 'billing', 'viewer')),
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT members_pkey PRIMARY KEY (organization_id, user_id)
    )
    """,
    "CREATE INDEX members_user_id_idx ON members (user_id)",
    *ddl.tenant_policy("members"),
    *ddl.grant_app("members", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.lookup_policy("members", "organization_id", "user_id", "role", "created_at"),
    # An organization sees who its members are; changing the row stays with the person.
    f"""
    CREATE POLICY member ON users FOR SELECT TO {ddl.APP} USING (
        EXISTS (SELECT FROM members m WHERE m.user_id = users.id AND m.organization_id = current_organization())
    )
    """,
    """
    CREATE TABLE invitations (
        organization_id uuid NOT NULL CONSTRAINT invitations_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT invitations_pkey PRIMARY KEY,
        email text CONSTRAINT invitations_email_check CHECK (length(email) BETWEEN 3 AND 254),
        role text NOT NULL CONSTRAINT invitations_role_check CHECK (role IN ('owner', 'admin', 'billing', 'viewer')),
        token_hash bytea CONSTRAINT invitations_token_hash_check CHECK (length(token_hash) = 32),
        state text NOT NULL DEFAULT 'pending',
        invited_by uuid,
        accepted_by uuid,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ended_at timestamptz,
        CONSTRAINT invitations_state_check CHECK (
            (state = 'pending' AND email IS NOT NULL AND ended_at IS NULL AND accepted_by IS NULL)
            OR (state IN ('accepted', 'revoked') AND email IS NULL AND token_hash IS NULL AND ended_at IS NOT NULL
                AND (accepted_by IS NOT NULL) = (state = 'accepted'))
        )
    )
    """,
    "CREATE UNIQUE INDEX invitations_token_hash_idx ON invitations (token_hash)",
    "CREATE UNIQUE INDEX invitations_organization_id_email_idx ON invitations (organization_id, email)",
    "CREATE INDEX invitations_organization_id_id_idx ON invitations (organization_id, id)",
    *ddl.tenant_policy("invitations"),
    *ddl.grant_app("invitations", "SELECT", "INSERT", "UPDATE"),
    *ddl.lookup_policy("invitations", "id", "organization_id", "email", "role", "token_hash", "state", "expires_at"),
    # For forget_invitations() alone: it ends what is addressed to the user of the transaction.
    f"CREATE POLICY forget ON invitations FOR UPDATE TO {ddl.LOOKUP} USING ({ddl.is_user(ddl.LOOKUP)}) WITH CHECK (state = 'revoked')",
    f"GRANT UPDATE (state, email, token_hash, ended_at) ON invitations TO {ddl.LOOKUP}",
)

_API_KEYS = (
    """
    CREATE TABLE api_keys (
        organization_id uuid NOT NULL CONSTRAINT api_keys_organization_id_fkey REFERENCES organizations (id),
        id uuid CONSTRAINT api_keys_pkey PRIMARY KEY,
        label text NOT NULL CONSTRAINT api_keys_label_check CHECK (length(label) BETWEEN 1 AND 100),
        prefix text NOT NULL CONSTRAINT api_keys_prefix_check CHECK (prefix ~ '^cl_(live|test)_[0-9A-Za-z]{4}$'),
        last_four text NOT NULL CONSTRAINT api_keys_last_four_check CHECK (length(last_four) = 4),
        token_hash bytea NOT NULL CONSTRAINT api_keys_token_hash_check CHECK (length(token_hash) = 32),
        scopes text[] NOT NULL CONSTRAINT api_keys_scopes_check CHECK (cardinality(scopes) BETWEEN 1 AND 200),
        created_by uuid,
        created_at timestamptz NOT NULL,
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz,
        CONSTRAINT api_keys_expires_at_check CHECK (expires_at > created_at)
    )
    """,
    "CREATE UNIQUE INDEX api_keys_token_hash_idx ON api_keys (token_hash)",
    "CREATE INDEX api_keys_organization_id_id_idx ON api_keys (organization_id, id)",
    *ddl.tenant_policy("api_keys"),
    *ddl.grant_app("api_keys", "SELECT", "INSERT"),
    f"GRANT UPDATE (label, revoked_at) ON api_keys TO {ddl.APP}",
    *ddl.lookup_policy("api_keys", "id", "organization_id", "token_hash", "scopes", "expires_at", "last_used_at", "revoked_at"),
    # For touch_credentials() alone: it writes when a key or a session was last seen, of many organizations in one statement.
    f"CREATE POLICY touch ON api_keys FOR UPDATE TO {ddl.LOOKUP} USING ({ddl.is_user(ddl.LOOKUP)})",
    f"GRANT UPDATE (last_used_at) ON api_keys TO {ddl.LOOKUP}",
    f"CREATE POLICY touch ON sessions FOR UPDATE TO {ddl.LOOKUP} USING ({ddl.is_user(ddl.LOOKUP)})",
    f"GRANT UPDATE (seen_at) ON sessions TO {ddl.LOOKUP}",
)

_GLOBAL = (
    """
    CREATE TABLE attempt_tallies (
        key bytea CONSTRAINT attempt_tallies_pkey PRIMARY KEY CONSTRAINT attempt_tallies_key_check CHECK (length(key) = 32),
        count integer NOT NULL CONSTRAINT attempt_tallies_count_check CHECK (count >= 0),
        last_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX attempt_tallies_last_at_idx ON attempt_tallies (last_at)",
    """
    CREATE TABLE clerk_messages (
        id text CONSTRAINT clerk_messages_pkey PRIMARY KEY CONSTRAINT clerk_messages_id_check CHECK (length(id) BETWEEN 1 AND 200),
        received_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX clerk_messages_received_at_idx ON clerk_messages (received_at)",
    *ddl.grant_app("attempt_tallies", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *ddl.grant_app("clerk_messages", "SELECT", "INSERT", "DELETE"),
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_tallies, clerk_messages TO {ddl.MAINTENANCE}",
)

_FACTS = "tier text, is_house boolean, is_sandbox boolean, clock_at timestamptz, time_zone text"
_FACTS_OF_O = "o.tier, o.is_house, o.is_sandbox, o.clock_at, o.time_zone"

_LOOKUPS = (
    # Credentials: what an edge needs to know about who calls, in one query.
    *ddl.lookup_function(
        "key_by_hash(given bytea)",
        f"TABLE (id uuid, organization_id uuid, scopes text[], expires_at timestamptz, last_used_at timestamptz, {_FACTS})",
        f"""
        SELECT k.id, k.organization_id, k.scopes, k.expires_at, k.last_used_at, {_FACTS_OF_O}
        FROM public.api_keys k JOIN public.organizations o ON o.id = k.organization_id
        WHERE k.token_hash = given AND k.revoked_at IS NULL
        """,
    ),
    *ddl.lookup_function(
        "session_by_hash(given bytea)",
        "TABLE (id uuid, user_id uuid, organization_id uuid, created_at timestamptz, seen_at timestamptz, expires_at timestamptz,"
        f" role text, {_FACTS})",
        f"""
        SELECT s.id, s.user_id, s.organization_id, s.created_at, s.seen_at, s.expires_at, m.role, {_FACTS_OF_O}
        FROM public.sessions s
        JOIN public.members m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
        JOIN public.organizations o ON o.id = s.organization_id
        WHERE s.token_hash = given
        """,
    ),
    # The caller's word for an organization is its own id or the issuer's; an id wins, so no external id can pose as one.
    *ddl.lookup_function(
        "organization_by_claim(given text)",
        f"TABLE (organization_id uuid, {_FACTS})",
        f"""
        SELECT o.id, {_FACTS_OF_O} FROM public.organizations o
        WHERE o.id::text = given OR o.external_id = given ORDER BY o.id::text = given DESC LIMIT 1
        """,
    ),
    *ddl.lookup_function("house_organization()", "uuid", "SELECT o.id FROM public.organizations o WHERE o.is_house"),
    # People, before they are known.
    *ddl.lookup_function(
        "password_by_email(given text)",
        "TABLE (user_id uuid, verified_at timestamptz, hash text)",
        """
        SELECT u.id, u.verified_at, p.hash FROM public.users u LEFT JOIN public.passwords p ON p.user_id = u.id WHERE u.email = given
        """,
    ),
    *ddl.lookup_function("user_by_email(given text)", "uuid", "SELECT u.id FROM public.users u WHERE u.email = given"),
    *ddl.lookup_function(
        "organizations_of_current_user()",
        "TABLE (organization_id uuid, name text, role text, is_house boolean, is_sandbox boolean)",
        """
        SELECT o.id, o.name, m.role, o.is_house, o.is_sandbox
        FROM public.members m JOIN public.organizations o ON o.id = m.organization_id
        WHERE m.user_id = public.current_user_id() ORDER BY m.created_at, o.id
        """,
    ),
    *ddl.lookup_function(
        "token_by_hash(given bytea)",
        "TABLE (id uuid, user_id uuid, purpose text, state text, expires_at timestamptz)",
        "SELECT t.id, t.user_id, t.purpose, t.state, t.expires_at FROM public.one_use_tokens t WHERE t.token_hash = given",
    ),
    *ddl.lookup_function(
        "invitation_by_hash(given bytea)",
        "TABLE (id uuid, organization_id uuid, organization_name text, email text, role text, state text, expires_at timestamptz)",
        """
        SELECT i.id, i.organization_id, o.name, i.email, i.role, i.state, i.expires_at
        FROM public.invitations i JOIN public.organizations o ON o.id = i.organization_id WHERE i.token_hash = given
        """,
    ),
    # Whose sessions and links have run out, for the job that deletes them, user by user.
    *ddl.lookup_function(
        "users_with_expired(before timestamptz, at_most integer)",
        "TABLE (user_id uuid)",
        """
        SELECT e.user_id FROM (
            SELECT s.user_id FROM public.sessions s WHERE s.expires_at < before
            UNION SELECT t.user_id FROM public.one_use_tokens t WHERE t.expires_at < before
        ) e LIMIT at_most
        """,
    ),
    # The two that write: each one column, or only what is addressed to the user of the transaction.
    *ddl.lookup_function(
        "touch_credentials(key_ids uuid[], session_ids uuid[], seen timestamptz)",
        "void",
        """
        UPDATE public.api_keys k SET last_used_at = seen WHERE k.id = ANY (key_ids) AND coalesce(k.last_used_at < seen, true);
        UPDATE public.sessions s SET seen_at = seen WHERE s.id = ANY (session_ids) AND s.seen_at < seen
        """,
        volatility="VOLATILE",
    ),
    *ddl.lookup_function(
        "forget_invitations(forgotten timestamptz)",
        "void",
        """
        UPDATE public.invitations i SET state = 'revoked', email = NULL, token_hash = NULL, ended_at = forgotten
        WHERE i.state = 'pending' AND i.email = (SELECT u.email FROM public.users u WHERE u.id = public.current_user_id())
        """,
        volatility="VOLATILE",
    ),
)


def upgrade() -> None:
    """Run every statement in one transaction."""
    for statement in (*_ORGANIZATIONS, *_ENTITLEMENTS, *_USER_OF_TRANSACTION, *_USERS, *_MEMBERS, *_API_KEYS, *_GLOBAL, *_LOOKUPS):
        op.execute(statement)
