"""Clerk's webhook: messages that Svix signs, in the scheme of Standard Webhooks under header names of its own.

Source: https://docs.svix.com/receiving/verifying-payloads/how-manual (signature over ``id.timestamp.body``, five minutes of tolerance).
"""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import standardwebhooks

from carbonledger.domains.identity import types
from carbonledger.infra import settings

_HEADERS: Final = ("id", "timestamp", "signature")
_ID_MAX_CHARS: Final = 200
_STAMP_MAX_CHARS: Final = 12
_SIGNATURES_MAX_CHARS: Final = 1000
_TOLERANCE_S: Final = 300


class SvixMessages:
    """A ``types.MessageVerifier`` for one secret."""

    def __init__(self, secret: str) -> None:
        """``secret`` is ``whsec_…``. Raises ``ValueError`` for one that can't be read."""
        try:
            self._webhook = standardwebhooks.Webhook(secret)
        except (binascii.Error, RuntimeError, standardwebhooks.webhooks.EmptyWebhookSecretError) as error:
            raise ValueError("is not whsec_ and base64") from error

    def verify(self, body: bytes, *, headers: Mapping[str, str], at: datetime) -> types.SignedMessage:
        """Return the message that the headers (by lower-case name) sign. Raises ``SignatureRefused``; which part is wrong stays unsaid."""
        message_id, stamp, signatures = (headers.get(f"svix-{name}", "") for name in _HEADERS)
        if not (0 < len(message_id) <= _ID_MAX_CHARS and message_id.isascii() and message_id.isprintable()):
            raise types.SignatureRefused
        if not (0 < len(stamp) <= _STAMP_MAX_CHARS and stamp.isascii() and stamp.isdigit()) or len(signatures) > _SIGNATURES_MAX_CHARS:
            raise types.SignatureRefused
        if abs(int(stamp) - at.timestamp()) > _TOLERANCE_S:
            raise types.SignatureRefused("It is too old, or from the future.")
        # The library signs; its own check reads the clock of the process, which no test could move.
        try:
            expected = self._webhook.sign(message_id, datetime.fromtimestamp(int(stamp), UTC), body.decode())
        except UnicodeDecodeError:
            raise types.SignatureRefused from None
        # Several while a secret is rotated. All are compared, so that time does not tell which one came near.
        if not sum(hmac.compare_digest(given.encode(errors="replace"), expected.encode()) for given in signatures.split(" ")):
            raise types.SignatureRefused
        return types.SignedMessage(id=message_id, body=body)


def messages(configuration: settings.Settings) -> SvixMessages | None:
    """Return what checks Clerk's messages, or None where no secret is set. Raises ``SettingsInvalid``."""
    if configuration.clerk_webhook_secret is None:
        return None
    try:
        return SvixMessages(configuration.clerk_webhook_secret.get_secret_value())
    except ValueError as error:
        raise settings.SettingsInvalid(f"CARBONLEDGER_CLERK_WEBHOOK_SECRET {error}.") from None
