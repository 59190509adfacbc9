"""Random strings we hand out (API keys, one-use links, sessions) and the digest we keep of them.

A digest is plain SHA-256: every string made here holds 256 random bits, so there is nothing to guess and nothing to salt. A password
is another thing and goes through argon2 in ``domains.identity``.

Stored format, never to change: the digest is SHA-256 over the whole string, prefix included, in UTF-8.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string

from carbonledger.kernel.secret import SecretText

API_KEY_LIVE = "cl_live_"
API_KEY_TEST = "cl_test_"  # keys of sandbox organizations

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_CHARS = 43  # 62^43 is just above 2^256
# 32 to 64: an operator may bring the first key (CARBONLEDGER_BOOTSTRAP_API_KEY), ours are 43.
_API_KEY = re.compile(r"cl_(?:live|test)_[0-9A-Za-z]{32,64}", re.ASCII)


def new_token() -> SecretText:
    """Return 256 random bits as 43 letters and digits."""
    return SecretText("".join(secrets.choice(_BASE62) for _ in range(_RANDOM_CHARS)))


def new_api_key(*, sandbox: bool) -> SecretText:
    """Return a fresh API key, with the prefix that says whether it belongs to a sandbox organization."""
    return SecretText((API_KEY_TEST if sandbox else API_KEY_LIVE) + new_token().reveal())


def is_api_key(text: str) -> bool:
    """Say whether ``text`` has the shape of an API key; anything else needs no look-up."""
    return _API_KEY.fullmatch(text) is not None


def digest(token: SecretText | str) -> bytes:
    """Return the 32 bytes that are stored in place of a high-entropy ``token``."""
    text = token.reveal() if isinstance(token, SecretText) else token
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()  # what a client sent may hold a lone surrogate


def same(left: bytes, right: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(left, right)
