"""JWTs of an issuer: what is genuine is taken, every known forgery is refused, and the issuer is asked no more than needed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwk, jwt
from joserfc.jws import JWSRegistry

from carbonledger.adapters import jwks
from carbonledger.domains.identity import types
from carbonledger.infra import http, settings
from carbonledger.kernel import errors

ISSUER, AUDIENCE = "https://issuer.example.com", "carbonledger"
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
RSA = jwk.RSAKey.generate_key(2048, {"kid": "rsa"})
EC = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
ED = jwk.OKPKey.generate_key("Ed25519", {"kid": "ed"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "other"})


class Issuer:
    """Serves a key set, and counts how often it is asked."""

    def __init__(self, *keys: jwk.Key) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.fault: errors.Fault | None = None
        self.served: bytes | None = None

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return self.served or json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()


def verifier(issuer: Issuer, *algorithms: str) -> jwks.IssuerTokens:
    allowed = frozenset(algorithms or ("RS256", "ES256", "EdDSA"))
    return jwks.IssuerTokens(issuer.fetch, issuer=ISSUER, audience=AUDIENCE, algorithms=allowed)


def sign(key: jwk.Key, algorithm: str, *, header: dict[str, Any] | None = None, **changed: Any) -> str:
    seconds = int(AT.timestamp())
    claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user_1", "iat": seconds, "nbf": seconds, "exp": seconds + 60}
    claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    whole = {"alg": algorithm, "kid": key.kid, **(header or {})}
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, claims, key, registry=registry)


def by_hand(header: dict[str, Any], claims: bytes = b"{}", signature: bytes = b"x") -> str:
    parts = (json.dumps(header).encode(), claims, signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def refused(tokens: jwks.IssuerTokens, token: str, *, at: datetime = AT) -> str:
    with pytest.raises(types.CredentialsMissing) as failure:
        await tokens.verify(token, at=at)
    return str(failure.value)


@pytest.mark.parametrize("key, algorithm", [(RSA, "RS256"), (EC, "ES256")])
async def test_a_genuine_token_is_taken(key: jwk.Key, algorithm: str) -> None:
    claims = await verifier(Issuer(RSA, EC, ED)).verify(sign(key, algorithm), at=AT)
    assert claims["sub"] == "user_1"


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
async def test_ed25519_is_taken_under_its_old_name_and_its_new_one(name: str) -> None:
    header = {"alg": name, "kid": "ed"}
    signed = sign(ED, "Ed25519", header={"alg": "Ed25519"})
    # The signature covers the header, so the old name needs a signature of its own.
    body = f"{base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b'=').decode()}.{signed.split('.')[1]}"
    private = serialization.load_pem_private_key(ED.as_pem(private=True), None)
    signature = base64.urlsafe_b64encode(private.sign(body.encode())).rstrip(b"=").decode()  # type: ignore[union-attr, call-arg]
    claims = await verifier(Issuer(ED), "EdDSA", "Ed25519").verify(f"{body}.{signature}", at=AT)
    assert claims["sub"] == "user_1"


@pytest.mark.parametrize(
    "changed, at_s, taken",
    [
        ({}, 0, True),
        ({}, 60 + 59, True),  # run out, within the leeway
        ({}, 60 + 60, False),
        ({}, -60, True),  # not yet valid, within the leeway
        ({}, -61, False),
        ({"exp": None}, 0, False),  # a token without end is none
        ({"exp": "soon"}, 0, False),
        ({"exp": True}, 0, False),
        ({"nbf": None, "iat": None}, 0, True),
        ({"iat": int(AT.timestamp()) + 61}, 0, False),  # issued in the future
        ({"iss": "https://issuer.example.com/"}, 0, False),
        ({"iss": None}, 0, False),
        ({"aud": "somebody else"}, 0, False),
        ({"aud": None}, 0, False),
        ({"aud": ["somebody else", AUDIENCE]}, 0, True),
        ({"aud": []}, 0, False),
        ({"aud": {"carbonledger": 1}}, 0, False),
        ({"sub": None}, 0, False),
        ({"sub": 7}, 0, False),
    ],
)
async def test_issuer_audience_and_time_are_checked(changed: dict[str, Any], at_s: int, taken: bool) -> None:
    token, at = sign(RSA, "RS256", **changed), AT + timedelta(seconds=at_s)
    if taken:
        assert await verifier(Issuer(RSA)).verify(token, at=at)
    else:
        await refused(verifier(Issuer(RSA)), token, at=at)


async def test_no_algorithm_at_all_is_refused() -> None:
    claims = json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": AT.timestamp() + 60}).encode()
    for name in ("none", "None", "NONE", ""):
        assert "algorithm" in await refused(verifier(Issuer(RSA)), by_hand({"alg": name, "kid": "rsa"}, claims, b""))


async def test_a_public_key_is_no_secret_for_hs256() -> None:
    claims = json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": AT.timestamp() + 60}).encode()
    unsigned = by_hand({"alg": "HS256", "kid": "rsa"}, claims).rpartition(".")[0]
    mac = hmac.new(RSA.as_pem(private=False), unsigned.encode(), hashlib.sha256).digest()
    token = f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert "algorithm" in await refused(verifier(Issuer(RSA)), token)


@pytest.mark.parametrize("name", ["HS256", "none", "dir", "RS1"])
def test_the_settings_cannot_allow_what_is_not_asymmetric(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        verifier(Issuer(RSA), "RS256", name)


async def test_an_algorithm_that_is_not_pinned_is_refused_though_the_key_would_do() -> None:
    assert "algorithm" in await refused(verifier(Issuer(RSA), "RS256"), sign(RSA, "RS512"))


async def test_a_key_is_used_for_its_own_sort_of_algorithm_only() -> None:
    assert "key" in await refused(verifier(Issuer(RSA, EC)), sign(EC, "ES256", header={"kid": "rsa"}))
    bound = jwk.RSAKey.import_key(RSA.as_dict(private=True), {"kid": "bound", "alg": "RS512"})
    assert "key" in await refused(verifier(Issuer(bound)), sign(RSA, "RS256", header={"kid": "bound"}))


async def test_a_signature_of_another_key_under_a_known_id_is_refused() -> None:
    assert "signature" in await refused(verifier(Issuer(RSA)), sign(OTHER, "RS256", header={"kid": "rsa"}))


async def test_a_changed_claim_is_refused() -> None:
    header, claims, signature = sign(RSA, "RS256").split(".")
    changed = base64.urlsafe_b64encode(base64.urlsafe_b64decode(claims + "==").replace(b"user_1", b"user_2")).rstrip(b"=").decode()
    assert "signature" in await refused(verifier(Issuer(RSA)), f"{header}.{changed}.{signature}")


async def test_a_key_that_the_token_brings_itself_is_not_looked_at() -> None:
    own = {"jwk": OTHER.as_dict(private=False), "jku": "https://evil.example.com/jwks.json", "kid": "rsa"}
    issuer = Issuer(RSA)
    assert "signature" in await refused(verifier(issuer), sign(OTHER, "RS256", header=own))
    assert issuer.asked == 1


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}, {"b64": False}])
async def test_a_header_that_demands_something_is_refused(header: dict[str, Any]) -> None:
    assert "not done here" in await refused(verifier(Issuer(RSA)), by_hand({"alg": "RS256", "kid": "rsa", **header}))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b.c",
        "ä.ö.ü",
        "e30.e30.e30",
        "W10.e30.e30",  # a header that is a list
        "bnVsbA.e30.e30",
        by_hand({"alg": ["RS256"], "kid": "rsa"}),
        by_hand({"alg": "RS256", "kid": ["rsa"]}),
        by_hand({"alg": "RS256", "kid": "rsa", "x": "y" * 5000}),
        "W" * 3000 + ".e30.e30",
        base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30",
    ],
)
async def test_what_is_no_token_is_refused_in_bounded_time(token: str) -> None:
    await refused(verifier(Issuer(RSA)), token)


async def test_a_payload_that_nests_without_end_is_refused() -> None:
    private = RSA.private_key
    assert private is not None
    body = f"{by_hand({'alg': 'RS256', 'kid': 'rsa'}).split('.')[0]}.{base64.urlsafe_b64encode(b'[' * 60_000).decode()}"
    signature = private.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    token = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    await refused(verifier(Issuer(RSA)), token)


async def test_keys_are_kept_for_an_hour_and_fetched_again_after_it() -> None:
    issuer = Issuer(RSA)
    tokens = verifier(issuer)
    for minutes in (0, 30, 59):
        await tokens.verify(sign(RSA, "RS256", exp=int(AT.timestamp()) + 9999), at=AT + timedelta(minutes=minutes))
    assert issuer.asked == 1
    await tokens.verify(sign(RSA, "RS256", exp=int(AT.timestamp()) + 9999), at=AT + timedelta(minutes=60))
    assert issuer.asked == 2


async def test_a_rotated_key_is_found_at_once_and_the_old_one_ends_with_it() -> None:
    issuer = Issuer(RSA)
    tokens = verifier(issuer)
    await tokens.verify(sign(RSA, "RS256"), at=AT)
    issuer.keys = [OTHER]
    later = AT + timedelta(seconds=30)
    assert await tokens.verify(sign(OTHER, "RS256"), at=later)
    assert issuer.asked == 2
    assert "key" in await refused(tokens, sign(RSA, "RS256"), at=later)


async def test_made_up_key_ids_do_not_hammer_the_issuer() -> None:
    issuer = Issuer(RSA)
    tokens = verifier(issuer)
    for number in range(1_000):
        await refused(tokens, by_hand({"alg": "RS256", "kid": f"made-up-{number}"}))
    assert issuer.asked == 1
    await refused(tokens, by_hand({"alg": "RS256", "kid": "made-up"}), at=AT + timedelta(seconds=10))
    assert issuer.asked == 2
    assert await tokens.verify(sign(RSA, "RS256"), at=AT)


async def test_while_the_issuer_is_down_kept_keys_serve_and_unknown_ones_are_a_503() -> None:
    issuer = Issuer(RSA)
    tokens = verifier(issuer)
    issuer.fault = http.ConnectFailed("jwks: GET issuer.example.com: no connection")
    with pytest.raises(types.IssuerUnavailable) as failure:
        await tokens.verify(sign(RSA, "RS256"), at=AT)
    assert failure.value.kind is errors.Kind.UNAVAILABLE
    with pytest.raises(types.IssuerUnavailable):
        await tokens.verify(sign(RSA, "RS256"), at=AT)
    assert issuer.asked == 1  # the second did not ask again so soon
    issuer.fault = None
    assert await tokens.verify(sign(RSA, "RS256"), at=AT + timedelta(seconds=11))
    issuer.fault = http.ConnectFailed("jwks: GET issuer.example.com: no connection")
    assert await tokens.verify(sign(RSA, "RS256"), at=AT + timedelta(seconds=30))


@pytest.mark.parametrize(
    "served",
    [b" ", b"<html>", b"[]", b'{"keys": {}}', b'{"keys": null}', b"[" * 100_000, b'{"keys": [' + b"1," * 200 + b"1]}"],
)
async def test_what_is_no_key_set_is_a_503(served: bytes) -> None:
    issuer = Issuer()
    issuer.served = served
    with pytest.raises(types.IssuerUnavailable):
        await verifier(issuer).verify(sign(RSA, "RS256"), at=AT)


async def test_keys_that_are_not_for_us_do_not_take_the_others_away() -> None:
    strange: list[Any] = [
        7,
        None,
        {},
        {"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"},  # a secret among public keys
        {"kty": "RSA", "kid": "rsa", "use": "enc", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"},  # a modulus that anybody factors
        {"kty": "RSA", "kid": "x"},
        {"kty": "EC", "kid": "y", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "AKP", "kid": "z", "alg": "ML-DSA-44", "pub": "AA"},
    ]
    issuer = Issuer()
    issuer.served = json.dumps({"keys": [*strange, RSA.as_dict(private=False)]}).encode()
    assert await verifier(issuer).verify(sign(RSA, "RS256"), at=AT)


async def test_a_token_without_key_id_is_taken_where_there_is_one_key_only() -> None:
    token = sign(RSA, "RS256", header={"kid": None})
    assert await verifier(Issuer(RSA)).verify(token, at=AT)
    await refused(verifier(Issuer(RSA, OTHER)), token)


def test_without_an_issuer_nobody_is_trusted() -> None:
    assert jwks.trust(settings.Settings(), http.Client("jwks")) is None


def test_an_algorithm_that_cannot_be_allowed_is_named_at_the_start() -> None:
    configuration = settings.Settings.model_validate({"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_algorithms": "HS256"})
    with pytest.raises(settings.SettingsInvalid, match="HS256"):
        jwks.trust(configuration, http.Client("jwks"))
