"""The session's CSRF token as a page carries it: under a mask that differs each time.

Pages are compressed. A secret that stood in them as it is could be guessed from their length by whoever makes a browser load pages with
text of their choice (BREACH); under a new mask there is nothing to guess.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

FIELD: Final = "csrf_token"


def masked(token: str) -> str:
    """Return the token under a new mask."""
    plain = token.encode()
    mask = secrets.token_bytes(len(plain))
    return base64.urlsafe_b64encode(mask + _mixed(plain, mask)).decode()


def unmasked(given: str) -> str:
    """Return the token that was masked; of anything else, text that is no token."""
    try:
        raw = base64.urlsafe_b64decode(given.encode())
        half = len(raw) // 2
        return _mixed(raw[half:], raw[:half]).decode()
    except (binascii.Error, ValueError):
        return ""


def _mixed(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
