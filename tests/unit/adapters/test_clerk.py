"""Clerk's signed messages, against a published vector and everything that can be wrong with a signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from carbonledger.adapters import clerk
from carbonledger.domains.identity import types
from carbonledger.infra import settings

# The worked example of Svix: https://docs.svix.com/receiving/verifying-payloads/how-manual
SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
BODY = b'{"event_type":"ping","data":{"success":true}}'
ID, STAMP = "msg_loFOjxBNrRLzqYUf", "1731705121"
SIGNATURE = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
AT = datetime.fromtimestamp(int(STAMP), UTC)


def headers(**changed: str) -> dict[str, str]:
    return {"svix-id": ID, "svix-timestamp": STAMP, "svix-signature": SIGNATURE} | {
        f"svix-{name}": value for name, value in changed.items()
    }


def signature(body: bytes, *, message_id: str = ID, stamp: str = STAMP, secret: str = SECRET) -> str:
    """A second program: what Svix's page says, in three lines."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def test_the_published_example_is_genuine() -> None:
    message = clerk.SvixMessages(SECRET).verify(BODY, headers=headers(), at=AT)
    assert (message.id, message.body) == (ID, BODY)


@pytest.mark.parametrize("since_s", [-300, 0, 300])
def test_a_message_of_now_is_taken(since_s: int) -> None:
    assert clerk.SvixMessages(SECRET).verify(BODY, headers=headers(), at=AT + timedelta(seconds=since_s)).id == ID


@pytest.mark.parametrize("since_s", [-301, 301, 86_400])
def test_a_message_of_another_time_is_refused(since_s: int) -> None:
    with pytest.raises(types.SignatureRefused):
        clerk.SvixMessages(SECRET).verify(BODY, headers=headers(), at=AT + timedelta(seconds=since_s))


def test_one_of_several_signatures_is_enough_while_a_secret_is_rotated() -> None:
    several = f"v1,{'A' * 43}= v2,whatever {SIGNATURE}"
    assert clerk.SvixMessages(SECRET).verify(BODY, headers=headers(signature=several), at=AT).id == ID


@pytest.mark.parametrize(
    "changed",
    [
        {"signature": ""},
        {"signature": "v1,"},
        {"signature": "v1"},
        {"signature": SIGNATURE.replace("v1,", "v2,")},
        {"signature": SIGNATURE.replace("r", "s", 1)},
        {"signature": "v1," + "ä" * 43},
        {"signature": "v1," + "A" * 2000},
        {"signature": signature(BODY, secret="whsec_" + base64.b64encode(b"another secret of 24 byt").decode())},
        {"id": ""},
        {"id": "msg_other"},
        {"id": "m" * 201},
        {"id": "msg\n"},
        {"id": "msg_ä"},
        {"timestamp": ""},
        {"timestamp": "now"},
        {"timestamp": "-1"},
        {"timestamp": "1731705121.5"},
        {"timestamp": "١٧٣١٧٠٥١٢١"},  # digits, but not ASCII's
        {"timestamp": "9" * 400},
        {"timestamp": str(int(STAMP) + 1)},
    ],
)
def test_whatever_is_not_signed_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(types.SignatureRefused):
        clerk.SvixMessages(SECRET).verify(BODY, headers=headers(**changed), at=AT)


@pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
def test_a_missing_header_is_refused(name: str) -> None:
    fewer = headers()
    del fewer[name]
    with pytest.raises(types.SignatureRefused):
        clerk.SvixMessages(SECRET).verify(BODY, headers=fewer, at=AT)


def test_a_changed_byte_is_refused() -> None:
    with pytest.raises(types.SignatureRefused):
        clerk.SvixMessages(SECRET).verify(BODY.replace(b"true", b"false"), headers=headers(), at=AT)


def test_a_body_that_is_no_text_is_refused() -> None:
    body = b"\xff\xfe"
    with pytest.raises(types.SignatureRefused):
        clerk.SvixMessages(SECRET).verify(body, headers=headers(signature=signature(body)), at=AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!"])
def test_a_secret_that_is_none_is_named_at_the_start(secret: str) -> None:
    configuration = settings.Settings.model_validate({"clerk_webhook_secret": secret})
    with pytest.raises(settings.SettingsInvalid, match="CLERK_WEBHOOK_SECRET"):
        clerk.messages(configuration)


def test_without_a_secret_there_is_nothing_to_check_with() -> None:
    assert clerk.messages(settings.Settings()) is None
