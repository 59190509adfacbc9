"""The verifier that PostgreSQL stores in place of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac

from carbonledger.infra.postgres import passwords

# RFC 7677, section 3: the example exchange of SCRAM-SHA-256 for the user "user" and the password "pencil".
_SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
_AUTH_MESSAGE = (
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
_CLIENT_PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
_SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_verifier_accepts_the_proof_of_the_rfc_and_signs_as_it_does() -> None:
    mechanism, head, keys = passwords.verifier("pencil", salt=base64.b64decode(_SALT)).split("$")
    stored_key, server_key = (base64.b64decode(key) for key in keys.split(":"))
    assert (mechanism, head) == ("SCRAM-SHA-256", f"4096:{_SALT}")

    client_signature = hmac.digest(stored_key, _AUTH_MESSAGE.encode(), "sha256")
    client_key = bytes(a ^ b for a, b in zip(base64.b64decode(_CLIENT_PROOF), client_signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key
    assert hmac.digest(server_key, _AUTH_MESSAGE.encode(), "sha256") == base64.b64decode(_SERVER_SIGNATURE)


def test_two_verifiers_of_one_password_share_no_salt() -> None:
    assert passwords.verifier("pencil") != passwords.verifier("pencil")


def test_passwords_do_not_show() -> None:
    words = passwords.Passwords(superuser="secret-1", owner="secret-2", app="secret-3")
    assert "secret" not in repr(words)
    assert words.of("owner") == "secret-2"


def test_a_change_of_any_password_changes_the_fingerprint() -> None:
    prints = {passwords.Passwords(*words).fingerprint() for words in [("a", "b", "c"), ("x", "b", "c"), ("a", "x", "c"), ("a", "b", "x")]}
    assert len(prints) == 4
