"""Sealing: only the right row with the right key opens, and any change shows."""

from __future__ import annotations

import base64
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.infra import crypto

ORGANIZATION = UUID("01890000-0000-7000-8000-000000000001")
OTHER = UUID("01890000-0000-7000-8000-000000000002")
SECRET_ID = UUID("01890000-0000-7000-8000-0000000000aa")
PURPOSE = "llm_key"
SECRET = crypto.SecretText("sk-proj-0123456789abcdefghij")

OLD = crypto.generate_key()
NEW = crypto.generate_key()
RING_OLD = crypto.parse_keys(OLD)
RING_NEW = crypto.parse_keys(NEW)
RING_BOTH = crypto.parse_keys(crypto.SecretText(f"{NEW.reveal()}\n{OLD.reveal()}"))


def seal(ring: crypto.KeyRing = RING_OLD, secret: crypto.SecretText = SECRET) -> str:
    return crypto.Sealer(ring).seal(secret, organization_id=ORGANIZATION, secret_id=SECRET_ID, purpose=PURPOSE)


def unseal(sealed: str, ring: crypto.KeyRing = RING_OLD) -> crypto.SecretText:
    return crypto.Sealer(ring).open(sealed, organization_id=ORGANIZATION, secret_id=SECRET_ID, purpose=PURPOSE)


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
def test_what_was_sealed_opens(text: str) -> None:
    assert unseal(seal(secret=crypto.SecretText(text))).reveal() == text


@given(content=st.binary(max_size=300))
def test_bytes_open_as_they_were(content: bytes) -> None:
    sealer = crypto.Sealer(RING_OLD)
    sealed = sealer.seal_bytes(content, organization_id=None, secret_id="a", purpose="b")
    assert sealer.open_bytes(sealed, organization_id=None, secret_id="a", purpose="b") == content


def test_the_token_inside_is_plain_fernet_that_any_fernet_opens() -> None:
    _, fingerprint, token = seal().split(".")
    assert fingerprint == RING_OLD.current
    assert Fernet(OLD.reveal()).decrypt(token).endswith(SECRET.reveal().encode())


def test_two_sealings_of_one_secret_differ() -> None:
    assert seal() != seal()


def test_nothing_of_the_secret_is_in_the_sealed_text() -> None:
    sealed = seal()
    raw = base64.urlsafe_b64decode(sealed.split(".")[2])
    assert SECRET.reveal() not in sealed
    assert SECRET.reveal().encode() not in raw
    assert ORGANIZATION.bytes not in raw


def test_changing_any_character_fails() -> None:
    sealed = seal()
    for place, character in enumerate(sealed):
        for other in {chr(ord(character) ^ 1), chr(ord(character) ^ 0x20), "A" if character != "A" else "B", "\n", "=", "é"} - {character}:
            with pytest.raises(crypto.SealFault) as caught:
                unseal(sealed[:place] + other + sealed[place + 1 :])
            assert SECRET.reveal() not in f"{caught.value!r} {caught.value}"


def test_flipping_any_bit_of_the_token_is_tampering() -> None:
    layout, fingerprint, token = seal().split(".")
    raw = base64.urlsafe_b64decode(token)
    for place in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(crypto.SealTampered):
            unseal(f"{layout}.{fingerprint}.{base64.urlsafe_b64encode(changed).decode()}")


@given(cut=st.integers(min_value=0, max_value=len(seal()) - 1))
def test_a_part_of_it_fails(cut: int) -> None:
    sealed = seal()
    with pytest.raises(crypto.SealFault):
        unseal(sealed[:cut])


@given(text=st.text(max_size=200))
def test_what_was_never_sealed_fails(text: str) -> None:
    with pytest.raises(crypto.SealFault):
        unseal(text)


@pytest.mark.parametrize("extra", ["\n", " ", "=", "A", "====", "\0"])
def test_nothing_may_be_added(extra: str) -> None:
    with pytest.raises(crypto.SealFault):
        unseal(seal() + extra)
    with pytest.raises(crypto.SealFault):
        unseal(extra + seal())


@pytest.mark.parametrize(
    "organization_id, secret_id, purpose",
    [
        (OTHER, SECRET_ID, PURPOSE),  # another tenant's row
        (None, SECRET_ID, PURPOSE),  # the installation's
        (ORGANIZATION, OTHER, PURPOSE),  # another row of the same tenant
        (ORGANIZATION, SECRET_ID, "slack_token"),  # the same row, used for something else
        (SECRET_ID, ORGANIZATION, PURPOSE),  # the same ids, swapped
        (ORGANIZATION, f"{SECRET_ID}{PURPOSE}", ""),  # the same characters, cut elsewhere
        (ORGANIZATION, f'{SECRET_ID}", "{PURPOSE}', ""),  # and with the separators of what is hashed
    ],
)
def test_a_moved_row_does_not_open(organization_id: UUID | None, secret_id: UUID | str, purpose: str) -> None:
    with pytest.raises(crypto.SealForeign) as caught:
        crypto.Sealer(RING_OLD).open(seal(), organization_id=organization_id, secret_id=secret_id, purpose=purpose)
    assert SECRET.reveal() not in str(caught.value)


def test_a_key_we_do_not_have_is_named_by_its_fingerprint() -> None:
    with pytest.raises(crypto.SealKeyUnknown, match=RING_OLD.current):
        unseal(seal(), RING_NEW)


def test_an_unknown_name_of_a_key_is_shown_only_if_it_looks_like_one() -> None:
    with pytest.raises(crypto.SealKeyUnknown) as caught:
        unseal("cl1.my-secret-text.gAAAAA==")
    assert "my-secret-text" not in str(caught.value)


def test_the_right_name_with_another_keys_token_is_tampering() -> None:
    stolen = f"cl1.{RING_NEW.current}.{seal().split('.')[2]}"
    with pytest.raises(crypto.SealTampered):
        unseal(stolen, RING_BOTH)


def test_bytes_that_are_no_text_do_not_open_as_text() -> None:
    sealer = crypto.Sealer(RING_OLD)
    sealed = sealer.seal_bytes(b"\xff\xfe", organization_id=None, secret_id="a", purpose="b")
    with pytest.raises(crypto.SealTampered) as caught:
        sealer.open(sealed, organization_id=None, secret_id="a", purpose="b")
    assert caught.value.__cause__ is None


def test_a_fernet_token_that_no_sealer_wrote_is_refused() -> None:
    foreign = Fernet(OLD.reveal()).encrypt(b"short").decode()
    with pytest.raises(crypto.SealTampered, match="layout"):
        unseal(f"cl1.{RING_OLD.current}.{foreign}")


def test_too_large_or_unwritable_secrets_are_refused_before_sealing() -> None:
    sealer = crypto.Sealer(RING_OLD)
    with pytest.raises(ValueError, match="may hold"):
        sealer.seal_bytes(bytes(4 * 2**20 + 1), organization_id=None, secret_id="a", purpose="b")
    with pytest.raises(ValueError, match="lone surrogate") as caught:
        sealer.seal(crypto.SecretText("abc\ud800"), organization_id=None, secret_id="a", purpose="b")
    assert caught.value.__cause__ is None


def test_rotation_seals_by_the_newest_key_and_keeps_the_row() -> None:
    sealed = seal(RING_OLD)
    sealer = crypto.Sealer(RING_BOTH)
    assert not sealer.is_current(sealed)
    assert unseal(sealed, RING_BOTH) == SECRET  # served meanwhile
    rotated = sealer.rotate(sealed)
    assert sealer.is_current(rotated)
    assert rotated.startswith(sealer.current_prefix())
    assert unseal(rotated, RING_NEW) == SECRET  # the old key can go
    with pytest.raises(crypto.SealForeign):
        crypto.Sealer(RING_NEW).open(rotated, organization_id=OTHER, secret_id=SECRET_ID, purpose=PURPOSE)


def test_rotation_refuses_what_opening_refuses() -> None:
    sealer = crypto.Sealer(RING_NEW)
    with pytest.raises(crypto.SealKeyUnknown):
        sealer.rotate(seal(RING_OLD))
    sealed = seal(RING_NEW)
    with pytest.raises(crypto.SealTampered):
        sealer.rotate(sealed[:-6] + "AAAAA=")
    with pytest.raises(crypto.SealTampered):
        sealer.is_current("nonsense")


def test_key_of_names_the_key() -> None:
    assert crypto.key_of(seal(RING_BOTH)) == RING_NEW.current


def test_a_sealer_on_a_file_follows_a_rotation_while_serving(tmp_path: Path) -> None:
    path = tmp_path / "vault.keys"
    crypto.open_or_create(path)
    serving = crypto.Sealer(crypto.KeyFile(path))
    before = serving.seal(SECRET, organization_id=ORGANIZATION, secret_id=SECRET_ID, purpose=PURPOSE)
    crypto.prepend_key(path)  # by another process
    assert not serving.is_current(before)
    after = serving.rotate(before)
    crypto.retain_newest_key(path)
    assert serving.open(after, organization_id=ORGANIZATION, secret_id=SECRET_ID, purpose=PURPOSE) == SECRET
    with pytest.raises(crypto.SealKeyUnknown):
        serving.open(before, organization_id=ORGANIZATION, secret_id=SECRET_ID, purpose=PURPOSE)
