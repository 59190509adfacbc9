"""Decisions of the vault about values it may look at for a moment: hints and problems of a key.

Pure: a value comes in, words about it go out, and never the value itself.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from uuid import UUID

from carbonledger.domains.vault import types
from carbonledger.kernel.errors import Problem

_PROVIDER = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
_GUESSABLE_BELOW = 20  # characters; every known provider's keys are longer, and a digest of a shorter one could be searched for
_HINT_CHARS = 4


def hint(key: str) -> str | None:
    """Return the last four characters of a key of at least 12, else None."""
    return key[-_HINT_CHARS:] if len(key) >= types.HINT_FROM else None


def digest(organization_id: UUID, provider: str, key: str) -> bytes | None:
    """Return the SHA-256 by which the same key is known again within one organization, or None for a key short enough to guess."""
    if len(key) < _GUESSABLE_BELOW:
        return None
    return hashlib.sha256(b"\x00".join((organization_id.bytes, provider.encode(), key.encode()))).digest()


def key_problems(provider: str, label: str, key: str) -> tuple[Problem, ...]:
    """Return everything wrong with a new key: provider is a short slug, label 1 to 100 printable characters, key 1 to 1,024 visible."""
    problems = list(value_problems(key))
    if not _PROVIDER.fullmatch(provider):
        problems.append(Problem("/provider", "pattern", "Lower-case letters, digits, - and _, at most 40, such as openai."))
    if not 1 <= len(label) <= types.LABEL_MAX or label != label.strip() or any(unicodedata.category(char)[0] == "C" for char in label):
        problems.append(Problem("/label", "length", "1 to 100 printable characters, without spaces at the ends."))
    return tuple(problems)


def value_problems(key: str) -> tuple[Problem, ...]:
    """Return what is wrong with a key's value, without showing any of it."""
    if not 1 <= len(key) <= types.KEY_MAX:
        return (Problem("/api_key", "length", "1 to 1,024 characters."),)
    if not key.isascii() or not all("!" <= char <= "~" for char in key):
        return (Problem("/api_key", "characters", "Visible ASCII only: no spaces, no line ends. Was it copied with something around it?"),)
    return ()
