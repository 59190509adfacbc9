"""What a database holds, as far as a dump vouches for it: rows by table, and everything that protects them.

Owns: the questions to PostgreSQL's catalog that are asked when a dump is taken and again after it is restored. The answers are compared
as text, so each is in one canonical form.
"""

from __future__ import annotations

from carbonledger.infra import ddl

COUNTS = """
SELECT format('SELECT %L AS name, count(*) AS rows FROM public.%I', c.relname, c.relname)
FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname
"""
"""Gives one statement for each table; partitions count, their parents hold nothing."""

# Only the look-up functions act with their owner's rights (``infra.ddl``): so they are found after a restore gave them to its own user.
GIVE_FUNCTIONS = f"""
SELECT format('ALTER FUNCTION %s OWNER TO {ddl.LOOKUP}', p.oid::regprocedure)
FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
"""

# Grants to the owner itself are left out: a restore may give everything to another owner.
PROTECTION = """
SELECT replace(line, chr(10), ' ') AS line FROM (
    SELECT format('table %s security=%s forced=%s', c.relname, c.relrowsecurity, c.relforcerowsecurity)
    FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  UNION ALL
    SELECT format('policy %s %s %s %s %s using=%s check=%s', p.tablename, p.policyname, p.permissive, p.roles, p.cmd, p.qual, p.with_check)
    FROM pg_catalog.pg_policies p WHERE p.schemaname = 'public'
  UNION ALL
    SELECT format('grant %s %s %s to %s', c.relkind, c.relname, a.privilege_type, coalesce(r.rolname, 'public'))
    FROM pg_catalog.pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner
  UNION ALL
    SELECT format('grant column %s.%s %s to %s', c.relname, t.attname, a.privilege_type, coalesce(r.rolname, 'public'))
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid
    CROSS JOIN LATERAL aclexplode(t.attacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner
  UNION ALL
    SELECT format('grant schema %s to %s', a.privilege_type, coalesce(r.rolname, 'public'))
    FROM pg_catalog.pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE n.nspname = 'public' AND a.grantee <> n.nspowner
  UNION ALL
    SELECT format('function %s definer=%s settings=%s owner=%s', p.oid::regprocedure, p.prosecdef, p.proconfig,
                  CASE WHEN p.prosecdef THEN pg_get_userbyid(p.proowner) END)
    FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'public'::regnamespace
  UNION ALL
    SELECT format('grant function %s %s to %s', p.oid::regprocedure, a.privilege_type, coalesce(r.rolname, 'public'))
    FROM pg_catalog.pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE p.pronamespace = 'public'::regnamespace AND a.grantee <> p.proowner
  UNION ALL
    SELECT format('trigger %s enabled=%s %s', c.relname, t.tgenabled, pg_get_triggerdef(t.oid))
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
) AS found (line) ORDER BY line COLLATE "C"
"""

ROLE = ddl.MAINTENANCE
"""The role that sees every row, entered for the counts and by ``pg_dump``."""
