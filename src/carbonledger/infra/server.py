"""The PostgreSQL server that an installation stands on: reaching it, its version, and how safe the service's role is.

Owns: one clear sentence for every way in which a server can't be had, the versions we run on, and the rule that the running service may
neither bypass row-level security nor own a table. It does not own the pool (``infra.db``), the schema (``infra.migrations``) or the
embedded server (``infra.postgres``).
"""

from __future__ import annotations

import contextlib
import os
import socket
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from carbonledger.infra import ddl
from carbonledger.infra.postgres import passwords
from carbonledger.kernel import errors

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

MAJOR_MIN, MAJOR_MAX = 15, 18  # older lacks what we use; newer was not tested
CONNECT_TIMEOUT_S = 10
# Classes of what is wrong with what we ask for: feature not supported, data, authorization, catalog name, schema name, access rule.
_REFUSALS = ("0A", "22", "28", "3D", "3F", "42")
_MAJOR = 10_000  # server_version_num is major * 10000 + minor
_SET_SINCE = 16  # grants say since then whether a role may be entered and whether its rights are inherited


class ServerUnreachable(errors.Unavailable):
    """The database server can't be reached."""

    code = "server_unreachable"


class ServerRefused(errors.Fault):
    """The database server refuses the address, the user or the database that the settings name."""

    kind = errors.Kind.INVALID
    code = "server_refused"


class ServerUnsupported(errors.Fault):
    """The version of the database server is not supported."""

    kind = errors.Kind.INVALID
    code = "server_unsupported"


class RoleUnsafe(errors.Fault):
    """The service's database role could reach past row-level security."""

    kind = errors.Kind.INVALID
    code = "role_unsafe"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a connection may do: ``role`` acts, ``login`` is who logged in and could act again."""

    login: str
    role: str
    is_superuser: bool
    bypasses_policies: bool
    owns_tables: bool
    sees_every_tenant: bool
    serves: bool
    """Whether it has the rights of the running service."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What makes the role unsafe, in words; empty if it is safe."""
        found = {
            "is a superuser": self.is_superuser,
            "bypasses row-level security": self.bypasses_policies,
            "owns tables": self.owns_tables,
            f"may enter {ddl.MAINTENANCE}, which sees every organization": self.sees_every_tenant,
        }
        return tuple(words for words, unsafe in found.items() if unsafe)


def place(dsn: str) -> str:
    """Return where a DSN leads, for people: host, port and database, never the password."""
    parts = urllib.parse.urlsplit(dsn)
    query = dict(urllib.parse.parse_qsl(parts.query))
    host = query.get("host") or parts.hostname or "localhost"
    try:
        port = "" if host.startswith("/") else f":{query.get('port') or parts.port or 5432}"
    except ValueError:  # the port is no number; the connection says so
        port = ""
    return f"{host}{port}{parts.path or '/'}"


@contextlib.asynccontextmanager
async def connected(dsn: str, *, role: str | None = None) -> AsyncIterator[Connection]:
    """Open one connection, entering ``role``, and close it again. Raises ``ServerUnreachable`` or ``ServerRefused`` with the remedy."""
    session = {"application_name": "carbonledger-cli", "timezone": "UTC", "search_path": "public"}
    if role is not None:
        session["role"] = role
    try:
        conn = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=session)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as error:
        raise unreachable(error, dsn) from error
    try:
        yield conn
    finally:
        await conn.close(timeout=CONNECT_TIMEOUT_S)


def unreachable(error: Exception, dsn: str) -> errors.Fault:
    """Return the fault that says what a failed connection means and what to do."""
    where = place(dsn)
    match error:
        case asyncpg.InvalidCatalogNameError():
            fault: errors.Fault = ServerRefused(f"The server has no such database ({where}); make it (createdb), or correct DATABASE_URL.")
        case asyncpg.InvalidAuthorizationSpecificationError():
            user = urllib.parse.urlsplit(dsn).username
            fault = ServerRefused(f"The server at {where} refuses the user {user!r} or the password; correct DATABASE_URL.")
        case asyncpg.InvalidParameterValueError():  # the role to be entered is not there: no migration has made it
            fault = ServerRefused(f"The database at {where} is not prepared ({error}); run: carbonledger migrate.")
        case asyncpg.PostgresError() if (error.sqlstate or "").startswith(_REFUSALS):
            fault = ServerRefused(f"The server at {where} refuses the connection: {error}.")
        # All else passes: it starts, stops, recovers, is full, can't fork, or has ended in the middle of the log-in.
        case asyncpg.PostgresError() | asyncpg.InternalClientError():
            fault = ServerUnreachable(f"The server at {where} takes no connection now ({error}); wait and try again.")
        case asyncpg.InterfaceError() if not isinstance(error, ValueError):
            fault = ServerUnreachable(f"The server at {where} takes no connection now ({error}); wait and try again.")
        case socket.gaierror():
            fault = ServerUnreachable(f"The host of {where} is unknown; check the network and its name server, or correct DATABASE_URL.")
        case OSError():
            why = os.strerror(error.errno) if error.errno else str(error) or f"no answer within {CONNECT_TIMEOUT_S} s"
            fault = ServerUnreachable(f"Nothing answers at {where} ({why}); start PostgreSQL there, or correct DATABASE_URL.")
        case _:  # an address that can't be read: its text may hold the password, so it is not repeated
            fault = ServerRefused("DATABASE_URL is not an address of PostgreSQL; write postgresql://user:password@host:5432/database.")
    return fault


async def version(conn: Connection) -> str:
    """Return the server's version, such as "18.4". Raises ``ServerUnsupported``."""
    text: str = (await conn.fetchval("SHOW server_version")).split()[0]
    major = int(await conn.fetchval("SHOW server_version_num")) // _MAJOR
    if not MAJOR_MIN <= major <= MAJOR_MAX:
        raise ServerUnsupported(f"The server is PostgreSQL {text}; Carbon Ledger runs on {MAJOR_MIN} to {MAJOR_MAX}. Use one of these.")
    return text


async def now(conn: Connection) -> datetime:
    """Return what time the server thinks it is."""
    told: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return told


_STANDING = f"""
SELECT session_user::text AS login, current_user::text AS role, r.rolsuper AS is_superuser, r.rolbypassrls AS bypasses_policies,
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE pg_has_role(r.oid, c.relowner, 'MEMBER') AND c.relkind IN ('r', 'p') AND n.nspname = 'public') AS owns_tables,
       NOT r.rolsuper AND coalesce(pg_has_role(r.oid, (SELECT oid FROM pg_roles WHERE rolname = '{ddl.MAINTENANCE}'), 'MEMBER'), false)
           AS sees_every_tenant,
       coalesce(pg_has_role(r.oid, (SELECT oid FROM pg_roles WHERE rolname = '{ddl.APP}'), 'USAGE'), false) AS serves
FROM pg_roles r WHERE r.rolname = current_user
"""


async def standing(conn: Connection) -> Standing:
    """Return what the connection's role may do."""
    [row] = await conn.fetch(_STANDING)
    return Standing(**row)


async def require_safe(conn: Connection) -> None:
    """Raise ``RoleUnsafe`` if the connection's role could see or change more than one organization's rows."""
    found = await standing(conn)
    if found.faults:
        raise RoleUnsafe(
            f"The service would run as {found.role}, which {' and '.join(found.faults)}; give it a login of its own in "
            f"CARBONLEDGER_APP_DATABASE_URL: CREATE ROLE name LOGIN PASSWORD '…' IN ROLE {ddl.APP}."
        )
    if not found.serves:
        raise RoleUnsafe(f"The service would run as {found.role}, which lacks the rights of the service: GRANT {ddl.APP} TO {found.role}.")


async def allow_entering(conn: Connection) -> None:
    """Let the owner enter the service's role, where the service has no login of its own. Raises ``ServerRefused``."""
    modern = await _major(conn) >= _SET_SINCE
    if await conn.fetchval("SELECT pg_has_role(current_user, $1, $2)", ddl.APP, "SET" if modern else "MEMBER"):
        return
    try:
        await conn.execute(f"GRANT {ddl.APP} TO CURRENT_USER" + (" WITH INHERIT FALSE, SET TRUE" if modern else ""))
    except asyncpg.InsufficientPrivilegeError as error:
        user = await conn.fetchval("SELECT current_user")
        raise ServerRefused(f"The user {user} may not enter the role {ddl.APP}; as a superuser run: GRANT {ddl.APP} TO {user}.") from error


async def ensure_login(conn: Connection, app_dsn: str) -> bool:
    """Make the service's login from its address unless it can log in already; True if it was made.

    An owner who may not make roles leaves that to the server's administrator: the connection then says what is missing.
    """
    parts = urllib.parse.urlsplit(app_dsn)
    name, password = urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")
    present = await conn.fetchrow("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", name)
    may = await conn.fetchval("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
    if not name or not password or not may or (present is not None and present["rolcanlogin"]):
        return False
    if present is not None and name != ddl.APP:
        return False  # somebody else's group: not ours to turn into a login
    verb = "CREATE ROLE" if present is None else "ALTER ROLE"
    group = f"IN ROLE {ddl.APP}" if present is None and name != ddl.APP else ""
    # The server gets the verifier, so the password itself is in no statement log. Identifiers and literals are quoted by the server.
    quoted = await conn.fetchval("SELECT format('%I LOGIN PASSWORD %L', $1::text, $2::text)", name, passwords.verifier(password))
    try:
        await conn.execute(f"{verb} {quoted} {group}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise ServerRefused(
            f"The login {name} of CARBONLEDGER_APP_DATABASE_URL can't be made ({error}); as a superuser run: "
            f"CREATE ROLE {name} LOGIN PASSWORD '…' IN ROLE {ddl.APP}."
        ) from error
    return True


async def _major(conn: Connection) -> int:
    return int(await conn.fetchval("SHOW server_version_num")) // _MAJOR
