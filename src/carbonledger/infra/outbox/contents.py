"""What may stand in an event's ``before`` and ``after``: plain bounded JSON without personal fields and without secrets. Pure.

Names of fields are the programmer's, so a forbidden one raises. Values may be a user's (a label, a reason), so one that looks like an
address or a credential is replaced instead: nobody's input may fail the business transaction that it describes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from carbonledger.infra import redact
from carbonledger.infra.outbox import types
from carbonledger.infra.queue import failures, wire

SIDE_MAX_BYTES = 16_384  # a change, not a document; the database's own bound is twice that because its text has spaces
_DEPTH_MAX = 8

# A field is refused when its name is one of these or ends in "_" and one of them: `email`, `billing_email`, but not `email_verified_at`.
PERSONAL = frozenset(
    {"email", "mail", "full_name", "first_name", "last_name", "given_name", "family_name", "display_name", "phone", "phone_number"}
    | {"street", "postal_code", "date_of_birth", "ip", "ip_address", "remote_address", "user_agent", "iban", "card_number"}
)
SECRET = frozenset(
    {"password", "passphrase", "secret", "token", "api_key", "private_key", "credential", "credentials", "authorization", "cookie"}
    | {"password_hash", "key_hash", "token_hash", "sealed", "ciphertext", "plaintext"}
)
# Of a person even a plain `name` is personal.
PEOPLE = frozenset({"user", "member", "invitation"})


def plain(side: str, change: Mapping[str, Any] | None, *, target_type: str) -> Any:  # noqa: ANN401 - JSON
    """Return ``change`` as it may be kept (None: nothing). Raises ``EventRefused`` with the place, never the value."""
    if change is None:
        return None
    try:
        raw = wire.to_json(dict(change))
    except TypeError as error:
        raise types.EventRefused(f"{side} is not JSON: {error}.") from None
    if len(raw) > SIDE_MAX_BYTES:
        raise types.EventRefused(f"{side} has {len(raw)} bytes, more than {SIDE_MAX_BYTES}. Name what changed, not the whole.")
    return _clean(json.loads(raw), side, is_person=target_type in PEOPLE, depth=0)


def _clean(value: Any, path: str, *, is_person: bool, depth: int) -> Any:  # noqa: ANN401 - JSON
    if depth > _DEPTH_MAX:
        raise types.EventRefused(f"{path} is nested more than {_DEPTH_MAX} deep.")
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner is not None and (reason := refusal(key, is_person=is_person)):
                raise types.EventRefused(f"{path}.{key} {reason}. People appear by id, secrets never.")
        return {key: _clean(inner, f"{path}.{key}", is_person=is_person, depth=depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner, f"{path}[{index}]", is_person=is_person, depth=depth + 1) for index, inner in enumerate(value)]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    return failures.without_people(value).replace("\0", "")  # PostgreSQL's jsonb takes no NUL


@functools.lru_cache(maxsize=4096)  # names of fields are the programmer's: there are some hundreds
def refusal(name: str, *, is_person: bool) -> str | None:
    """Return why a field of this name may not be kept, or None."""
    word = name.lower().replace("-", "_")
    if _ends_in(word, PERSONAL) or (is_person and word == "name"):
        return "is a personal field"
    return "is a secret" if _ends_in(word, SECRET) or redact.is_secret_name(name) else None


def _ends_in(word: str, forbidden: frozenset[str]) -> bool:
    parts = word.split("_")
    return any("_".join(parts[start:]) in forbidden for start in range(len(parts)))
