"""The passwords of the embedded server's roles.

Owns: the roles, their password files and the SCRAM verifiers that PostgreSQL stores in place of passwords.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from typing import Literal

from carbonledger.infra.postgres import faults
from carbonledger.infra.postgres import folder as folders

Role = Literal["app", "owner", "superuser"]

LOGINS: dict[Role, str] = {"superuser": "postgres", "owner": "carbonledger_owner", "app": "carbonledger_app"}
DATABASE = "carbonledger"

# PostgreSQL's own count (SCRAM_SHA_256_DEFAULT_ITERATIONS, RFC 7677 section 4); the passwords are random, so more buys nothing.
_ITERATIONS = 4096
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Passwords:
    superuser: str = dataclasses.field(repr=False)
    owner: str = dataclasses.field(repr=False)
    app: str = dataclasses.field(repr=False)

    def of(self, role: Role) -> str:
        return {"superuser": self.superuser, "owner": self.owner, "app": self.app}[role]

    def fingerprint(self) -> str:
        """Return a digest that tells these passwords from others; they are random and long, so it gives nothing away."""
        return hashlib.sha256(f"{self.superuser}\n{self.owner}\n{self.app}".encode()).hexdigest()


def load_or_make(folder: folders.Folder) -> Passwords:
    """Read the three passwords, making those that are missing."""
    folders.make_private(folder.secrets)
    return Passwords(**{role: _one(folder, role) for role in LOGINS})


def load(folder: folders.Folder) -> Passwords:
    """Read the passwords that a supervisor has made."""
    missing = [str(folder.secrets / role) for role in LOGINS if not (folder.secrets / role).exists()]
    if missing:
        detail = f"The password file {missing[0]} is missing; end all users of the database and start again, and it is made anew."
        raise faults.PostgresFault(detail)
    return Passwords(**{role: (folder.secrets / role).read_text(encoding="utf-8").strip() for role in LOGINS})


def _one(folder: folders.Folder, role: Role) -> str:
    path = folder.secrets / role
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    password = secrets.token_urlsafe(32)
    fresh = folder.secrets / f"{role}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(password + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    return password


def verifier(password: str, *, salt: bytes | None = None) -> str:
    """Return what PostgreSQL stores for a SCRAM-SHA-256 password (RFC 5803), so that the password itself is in no statement."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
