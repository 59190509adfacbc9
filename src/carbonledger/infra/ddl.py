"""SQL that migrations repeat: tenant policies, grants, look-up functions.

Migrations are history, so what is here may gain functions but never change what an old one writes.

Roles: ``carbonledger_app`` runs the service and owns nothing; ``carbonledger_lookup`` owns the SECURITY DEFINER functions and reads
only the columns granted to it; ``carbonledger_maintenance`` sees all rows and is entered by ``SET ROLE`` for dumps and operators.
"""

from __future__ import annotations

APP = "carbonledger_app"
LOOKUP = "carbonledger_lookup"
MAINTENANCE = "carbonledger_maintenance"
TENANT_SETTING = "carbonledger.organization_id"


def is_user(role: str) -> str:
    """Return the condition that the transaction acts as ``role`` itself.

    Policies reach everybody who inherits from their role, which before PostgreSQL 16 every member does; so each policy that shows more than
    one tenant asks this as well, and a member must enter the role by SET ROLE.
    """
    return f"current_user = '{role}'"


def tenant_policy(table: str, *, column: str = "organization_id") -> list[str]:
    """Return the statements that keep ``table`` to the organization of the transaction (none set: no rows), owner included."""
    mine = f"{column} = current_organization()"
    entered = is_user(MAINTENANCE)
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO {APP} USING ({mine}) WITH CHECK ({mine})",
        f"CREATE POLICY maintenance ON {table} TO {MAINTENANCE} USING ({entered}) WITH CHECK ({entered})",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {MAINTENANCE}",
    ]


def bulk_policy(table: str, *, column: str = "organization_id") -> list[str]:
    """Return the statement that has ``tenant_policy`` ask once for the organization that new rows must have, not for each row."""
    return [f"ALTER POLICY tenant ON {table} WITH CHECK ({column} = (SELECT current_organization()))"]


def partition_policy(table: str) -> list[str]:
    """Return the statements that close a partition to all but dumps and operators, who read it by itself; the rest goes by its parent."""
    entered = is_user(MAINTENANCE)
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY maintenance ON {table} TO {MAINTENANCE} USING ({entered}) WITH CHECK ({entered})",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {MAINTENANCE}",
    ]


def grant_app(table: str, *rights: str) -> list[str]:
    """Grant the running service these rights; an append-only table gets no UPDATE or DELETE."""
    return [f"GRANT {', '.join(rights)} ON {table} TO {APP}"]


def lookup_policy(table: str, *columns: str) -> list[str]:
    """Let the look-up functions read these columns of every organization, and nothing else."""
    return [
        f"CREATE POLICY lookup ON {table} FOR SELECT TO {LOOKUP} USING ({is_user(LOOKUP)})",
        f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {LOOKUP}",
    ]


def lookup_function(signature: str, returns: str, body: str, *, volatility: str = "STABLE") -> list[str]:
    """Return the statements of a SECURITY DEFINER function that runs before a tenant is known.

    ``signature`` is ``name(argument type, …)``. The search path is fixed, the public may not call it, and its owner is the look-up role.
    """
    return [
        f"GRANT CREATE ON SCHEMA public TO {LOOKUP}",
        f"CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE sql {volatility} SECURITY DEFINER "
        f"SET search_path = pg_catalog, public, pg_temp AS $body$ {body} $body$",
        # Rights first: afterwards the function is another's, and a grant of what one does not own only warns.
        f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {signature} TO {APP}",
        f"ALTER FUNCTION {signature} OWNER TO {LOOKUP}",
        f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP}",
    ]


def append_only(table: str) -> list[str]:
    """Refuse UPDATE, DELETE and TRUNCATE of ``table`` to everybody, the owner included."""
    return [
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]
