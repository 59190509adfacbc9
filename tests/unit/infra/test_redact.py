"""What looks like a credential never reaches a log; what only resembles one does."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import enum
import uuid
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.infra import crypto, redact

R = redact.REDACTED
X = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"  # 32 characters as keys have them
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"  # RFC 7515, appendix A.1 in shape
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----"
# A token as Fernet makes it (version byte, time, IV, ciphertext, HMAC), with bytes that stay the same: workers name cases by their values.
FERNET = base64.urlsafe_b64encode(b"\x80" + bytes(8) + bytes(range(64))).decode()
BASIC = base64.b64encode(b"user:pass").decode()

# Built from parts, so that no scanner takes this file for a leak.
BY_SHAPE = {
    "openai old": "sk-" + X,
    "openai project": "sk-proj-" + X + "_-" + X,
    "openai admin": "sk-admin-" + X,
    "openai service account": "sk-svcacct-" + X,
    "openai with a name": "sk-None-" + X,
    "anthropic": "sk-ant-api03-" + X + "-" + X + "AA",
    "anthropic admin": "sk-ant-admin01-" + X,
    "openrouter": "sk-or-v1-" + "0f" * 32,
    "stripe secret": "sk_" + "live_" + X,
    "stripe test": "sk_" + "test_" + X,
    "stripe restricted": "rk_" + "live_" + X,
    "stripe publishable": "pk_" + "live_" + X,
    "webhook secret": "whsec_" + base64.b64encode(bytes(range(24))).decode(),
    "slack bot": "xoxb-" + "123456789012-1234567890123-" + X,
    "slack user": "xoxp-" + "123456789012-" + X,
    "slack refresh": "xoxe.xoxp-" + "1-" + X,
    "slack app": "xapp-" + "1-A0123456789-1234567890123-" + X,
    "aws long-lived id": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws temporary id": "ASIA" + "IOSFODNN7EXAMPLE",
    "google key": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "google token": "ya29." + X + "_" + X,
    "github": "ghp_" + X + "abcd",
    "github app": "ghs_" + X + "abcd",
    "github fine-grained": "github" + "_pat_" + "11ABCDEFG0" + X,
    "whatsapp": "EAA" + X + X,
    "jwt": JWT,
    "jwe": "eyJhbGciOiJSU0EtT0FFUCJ9.." + X + "." + X + "." + X,
    "fernet": FERNET,
    "ours": "cl_" + "live_" + X,
    "ours of a sandbox": "cl_" + "test_" + X,
    "pem": PEM,
    "pem cut off": PEM[:60],
    "pem of rsa": PEM.replace("PRIVATE", "RSA PRIVATE"),
    "pem of openssh": PEM.replace("PRIVATE", "OPENSSH PRIVATE"),
}


@pytest.mark.parametrize("credential", BY_SHAPE.values(), ids=BY_SHAPE.keys())
@pytest.mark.parametrize("around", ["{}", "key {} refused", '"{}"', "({})", "a={}", "x/{}/y", "{}."], ids=lambda around: around or "alone")
def test_a_credential_is_known_by_its_shape_wherever_it_stands(around: str, credential: str) -> None:
    redacted = redact.redact_text(around.format(credential))
    assert R in redacted
    assert all(part not in redacted for part in (credential[-16:], credential[8:30]))
    assert redacted.startswith(around.partition("{}")[0])


def test_a_sealed_text_goes_but_its_keys_fingerprint_stays() -> None:
    ring = crypto.parse_keys(crypto.generate_key())
    sealed = crypto.Sealer(ring).seal(crypto.SecretText("x"), organization_id=None, secret_id="a", purpose="b")
    assert redact.redact_text(f"row holds {sealed}") == f"row holds cl1.{ring.current}.{R}"


BY_WORDS = {
    # as key and value in a text
    "password=hunter2": f"password={R}",
    "password = hunter2 next": f"password = {R} next",
    "PASSWORD=hunter2&user=me": f"PASSWORD={R}&user=me",
    "password: hunter": f"password: {R}",  # a password may look like a word
    "pwd=x": f"pwd={R}",
    "passphrase='a b c', x": f"passphrase='{R}', x",
    'passwd="a \\" b" and': f'passwd="{R}" and',
    "password=b0b": f"password={R}",  # the b is no prefix of bytes
    "password=b'b0b'": f"password=b'{R}'",
    "client_secret=abc": f"client_secret={R}",
    "api_key: a1b2c3d4e5": f"api_key: {R}",
    "api-key=abc;": f"api-key={R};",
    "apikey=abc": f"apikey={R}",
    "x-api-key: a1b2c3d4e5f6": f"x-api-key: {R}",
    "token=abc": f"token={R}",
    "refresh_token => abc": f"refresh_token => {R}",
    "Token: 9f86d081884c7d65": f"Token: {R}",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": f"aws_secret_access_key = {R}",
    "SecretAccessKey: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": f"SecretAccessKey: {R}",
    # in JSON, JSON inside JSON, and the repr of an object
    '{"password": "a b, c", "n": 1}': f'{{"password": "{R}", "n": 1}}',
    '{"access_token":"abc"}': f'{{"access_token":"{R}"}}',
    '"{\\"client_secret\\": \\"abc def\\", \\"n\\": 1}"': f'"{{\\"client_secret\\": \\"{R}\\", \\"n\\": 1}}"',
    "{'api_key': 'abc', 'n': 1}": f"{{'api_key': '{R}', 'n': 1}}",
    "Login(user='me', password='it is', n=1)": f"Login(user='me', password='{R}', n=1)",
    # headers
    "Authorization: Bearer abc": f"Authorization: {R}",
    "authorization=Basic " + BASIC: f"authorization={R}",
    'Authorization: Digest username="me", response="abc"': f"Authorization: {R}",
    "{'authorization': 'Bearer abc', 'a': 'b'}": f"{{'authorization': '{R}', 'a': 'b'}}",
    "[(b'authorization', b'Bearer abc'), (b'a', b'b')]": f"[(b'authorization', b'{R}'), (b'a', b'b')]",
    "Cookie: session=abc; theme=dark": f"Cookie: {R}",
    "set-cookie: __Host-session=abc; Path=/": f"set-cookie: {R}",
    "Set-Cookie: a=b\r\nX: y": f"Set-Cookie: {R}\r\nX: y",
    "proxy-authorization: Basic abc": f"proxy-authorization: {R}",
    # schemes on their own
    "sent bearer abc12345 to": f"sent bearer {R} to",
    "Bearer abcdefghijklmnopqrstuvwx": f"Bearer {R}",
    f"basic {BASIC}": f"basic {R}",
    # addresses
    "postgresql://me:pw@db:5432/x": f"postgresql://{R}@db:5432/x",
    "redis://:pw@cache/0": f"redis://{R}@cache/0",
    "smtp://me:p@ss@mail:587": f"smtp://{R}@mail:587",  # an @ that nobody escaped
    f"https://{X}@example.com/": f"https://{R}@example.com/",
    "https://e.com/reset?token=abc&n=1": f"https://e.com/reset?token={R}&n=1",
    "https://e.com/callback?code=abc&state=1": f"https://e.com/callback?code={R}&state=1",
    "https://e.com/v1?key=abc#top": f"https://e.com/v1?key={R}#top",
    "https://b.s3.amazonaws.com/o?X-Amz-Signature=ab&X-Amz-Date=1": f"https://b.s3.amazonaws.com/o?X-Amz-Signature={R}&X-Amz-Date=1",
    "https://a.blob.core.windows.net/o?sv=1&sig=ab%3D": f"https://a.blob.core.windows.net/o?sv=1&sig={R}",
    "https://hooks.slack.com/services/T0/B0/abc is gone": f"https://hooks.slack.com/services/{R} is gone",
}


@pytest.mark.parametrize("text, expected", BY_WORDS.items(), ids=BY_WORDS.keys())
def test_a_credential_is_known_by_the_words_before_it(text: str, expected: str) -> None:
    assert redact.redact_text(text) == expected


STAYS = [
    # ids and digests
    "0189f7ea-ae2c-7809-8aeb-b819cf5e9e7f",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "request 0189f7ea-ae2c-7809-8aeb-b819cf5e9e7f took 12 ms",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",  # traceparent
    "receipt CL-202611-AB3DE",
    "key 8f14e45fceea167a is the newest",  # a fingerprint
    # what the product counts
    "tokens: 1234567890",
    "uncached_input=12000000 cached_input=5 output=70",
    '{"max_tokens": 4096, "input_tokens": 123456789}',
    "token_count=123456789",
    "time_per_output_token 0.012",
    "price 0.0000025 USD per token",
    # models and places
    "claude-sonnet-4-5-20250929",
    "gpt-4o-mini-2024-07-18",
    "anthropic/claude-3.5-sonnet:beta",
    "asia-northeast1",
    # words that resemble
    "risk-adjusted-return-of-2026",
    "task-0123456789abcdef0123",
    "disk-usage-0123456789-high",
    "the basic subscription and the basic plan",
    "bearer authentication is required",
    "invalid token: expired",
    "secret: not found",
    "token: None",
    "password=None",
    "api_key=null",
    "idempotency_key=0189f7ea",
    "dedupe_key: poll-0189f7ea12",
    "secret_id=0189f7ea",
    "access_key_id=none",
    "cl_live_ and 32 to 64 letters or digits",
    "keys begin with sk-",
    "https://example.com/a@b",  # an @ in the path
    "mail to a@example.com",
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "",
    "ok",
]


@pytest.mark.parametrize("text", STAYS)
def test_what_only_resembles_a_credential_stays(text: str) -> None:
    assert redact.redact_text(text) == text


@pytest.mark.parametrize(
    "name, secret",
    [
        ("password", True),
        ("new_password", True),
        ("dbPassword", True),
        ("password_hash", True),
        ("PASSWORD", True),
        ("secret", True),
        ("client-secret", True),
        ("clientSecret", True),
        ("token", True),
        ("access_token", True),
        ("X-Csrf-Token", True),
        ("api_key", True),
        ("apiKey", True),
        ("APIKey", True),
        ("apikey", True),
        ("x-api-key", True),
        ("private_key", True),
        ("vault_keys", True),
        ("Authorization", True),
        ("Set-Cookie", True),
        ("credentials", True),
        ("tokens", False),
        ("max_tokens", False),
        ("token_type", False),
        ("token_count", False),
        ("secret_id", False),
        ("api_key_id", False),
        ("key_hint", False),
        ("key", False),
        ("idempotency_key", False),
        ("dedupe_key", False),
        ("price_key", False),
        ("password_changed_at", False),
        ("organization_id", False),
        ("author", False),
        ("", False),
        ("__", False),
    ],
)
def test_a_field_is_judged_by_its_name(name: str, secret: bool) -> None:
    assert redact.is_secret_name(name) is secret


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: str
    z: int


class Leaky:
    def __repr__(self) -> str:
        return "Leaky(password='hunter2')"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_nested_value_is_redacted_in_every_corner() -> None:
    value = {
        "headers": [("Authorization", "Bearer abc"), (b"cookie", b"a=b"), ("accept", "*/*")],
        "body": {"password": "hunter2", "user": "me", "deep": [{"note": "sk-" + X}]},
        "raw": b"token=abc",
        "tuple": ("cl_live_" + X, 1, 2),
        "set": {"cl_live_" + X},
        "cl_live_" + X: "as a name",
        "credentials": {"a": ["anything"]},
        "error": ValueError("key sk-" + X),
        "leaky": Leaky(),
        "wrapped": crypto.SecretText("x"),
        "pin": 1234,
    }
    assert redact.redact(value) == {
        "headers": [("Authorization", R), (b"cookie", R.encode()), ("accept", "*/*")],
        "body": {"password": R, "user": "me", "deep": [{"note": R}]},
        "raw": f"token={R}".encode(),
        "tuple": (R, 1, 2),
        "set": {R},
        R: "as a name",
        "credentials": R,
        "error": f"ValueError: key {R}",
        "leaky": f"Leaky(password='{R}')",
        "wrapped": R,
        "pin": R,
    }


def test_what_holds_no_credential_keeps_its_type() -> None:
    value = {
        "tokens": {"uncached_input": 5},
        "time_per_output_token": 0.25,
        "token": None,
        "password": None,
        "secret": True,
        "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "cost": decimal.Decimal("0.10"),
        "id": uuid.UUID(int=1),
        "colour": Colour.RED,
        "list": [1, "a", None],
    }
    assert redact.redact(value) == value
    assert redact.redact(value)["colour"] is Colour.RED


def test_a_structure_that_holds_itself_ends() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert redact.TOO_DEEP in repr(redact.redact(loop))


def test_an_object_that_can_not_be_shown_says_so() -> None:
    assert redact.redact({"a": Broken()}) == {"a": "[Broken without repr: RuntimeError]"}


def test_the_processor_redacts_by_field_and_leaves_structlogs_own() -> None:
    record = Leaky()
    event = {"event": "calling with sk-" + X, "api_key": "plain", "_record": record}
    assert redact.processor(None, "info", event) == {"event": f"calling with {R}", "api_key": R, "_record": record}


@given(text=st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact.redact_text(text)
    assert redact.redact_text(once) == once


@pytest.mark.parametrize("text", [*BY_WORDS, *BY_SHAPE.values()])
def test_redacting_a_credential_twice_changes_nothing_more(text: str) -> None:
    once = redact.redact_text(text)
    assert redact.redact_text(once) == once


HOSTILE = [
    "eyJ",
    "-eyJ",
    "sk-",
    "token=",
    "token:",
    "password: ",
    "a://",
    "://a",
    "bearer ",
    "basic a",
    "-----BEGIN PRIVATE KEY",
    '"secret": "',
    "\\",
    "?sig=",
    "xox",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("end", ["", "\n", "@", "=", '"'], ids=repr)
def test_hostile_text_takes_linear_work_and_hides_nothing(piece: str, end: str) -> None:
    # 300 kB: linear work is done at once, quadratic work would hit the time-out of the whole run
    redacted = redact.redact_text(piece * (300_000 // len(piece)) + end + " password=hunter2")
    assert "hunter2" not in redacted
