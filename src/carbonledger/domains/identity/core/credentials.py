"""What may be shown of a key, the form of a token, and the token that a session's unsafe requests repeat.

Making and hashing them is ``infra.crypto``'s.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

_TOKEN = re.compile(r"[0-9A-Za-z]{43}")  # crypto.new_token
_SHOWN_CHARS = len("cl_live_") + 4


def is_token(text: str) -> bool:
    """Say whether the text has the form of a session's or a link's token; nothing else is worth a look-up."""
    return _TOKEN.fullmatch(text) is not None


def shown_parts(key: str) -> tuple[str, str]:
    """Return what of a key may be shown for ever: its prefix with four characters, and its last four.

    Of the 32 characters or more that a key has, at least 24 stay hidden: 142 bits.
    """
    return key[:_SHOWN_CHARS], key[-4:]


def csrf_token(session_token: str) -> str:
    """Return the token that a session's unsafe requests repeat: bound to the session, and of no use to sign in."""
    mac = hmac.new(session_token.encode(), b"carbonledger csrf", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
