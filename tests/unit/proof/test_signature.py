"""Ed25519 passes RFC 8032 and Wycheproof, and refuses what some verifiers accept: small order, other encodings, another kind."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger_proof import errors, signature
from tests.unit.proof import vectors

WYCHEPROOF = vectors.load("wycheproof_ed25519.json")
CASES = [(group["publicKey"]["pk"], case) for group in WYCHEPROOF["testGroups"] for case in group["tests"]]
P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
SEED = bytes(range(32))


@pytest.mark.parametrize("case", vectors.load("rfc8032.json"), ids=lambda case: case["name"])
def test_rfc_8032(case: dict[str, str]) -> None:
    public, sign = signature.signer(bytes.fromhex(case["seed"]))
    message = bytes.fromhex(case["message"])
    assert public.raw.hex() == case["public"]
    assert sign(message).hex() == case["signature"]
    public.verify(bytes.fromhex(case["signature"]), message)


def verifies(key: str, message: str, made: str) -> bool:
    try:
        signature.PublicKey(bytes.fromhex(key)).verify(bytes.fromhex(made), bytes.fromhex(message))
    except (errors.KeyInvalid, errors.SignatureInvalid):
        return False
    return True


@pytest.mark.parametrize("key,case", CASES, ids=[str(case["tcId"]) for _, case in CASES])
def test_wycheproof(key: str, case: dict[str, Any]) -> None:
    """What Wycheproof leaves open: a key of small order is refused here, one with such a part beside a large one is left to the library."""
    if "MixedOrderPublicKey" not in case["flags"] or case["result"] != "acceptable":
        assert verifies(key, case["msg"], case["sig"]) is (case["result"] == "valid")


def test_wycheproof_is_whole() -> None:
    assert len(CASES) == WYCHEPROOF["numberOfTests"] == 210


# The curve by hand: -x^2 + y^2 = 1 + d x^2 y^2 over 2^255 - 19 (RFC 8032, section 5.1).
Point = tuple[int, int]


def add(left: Point, right: Point) -> Point:
    (x1, y1), (x2, y2) = left, right
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, P - 2, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, P - 2, P) % P,
    )


def double(point: Point, times: int) -> Point:
    for _ in range(times):
        point = add(point, point)
    return point


def x_of(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x * x % P == square else None


def small_order_points() -> set[Point]:
    """The eight points of order 1, 2, 4 or 8: the multiples of a point of order 8, found by halving down from arbitrary points."""
    order = 2**252 + 27742317777372353535851937790883648493
    for y in range(2, 100):
        x = x_of(y)
        if x is None:
            continue
        point, multiple, scalar = (x, y), (0, 1), order
        while scalar:
            multiple = add(multiple, point) if scalar & 1 else multiple
            point, scalar = add(point, point), scalar >> 1
        if double(multiple, 2) != (0, 1):
            found, at = set(), (0, 1)
            for _ in range(8):
                found.add(at)
                at = add(at, multiple)
            return found
    raise AssertionError("no point of order 8")


def encodings() -> list[str]:
    """Every 32 bytes that lenient readers take for a point of small order: y or y + p, with either sign bit."""
    return [
        (y | sign << 255).to_bytes(32, "little").hex()
        for _, canonical_y in small_order_points()
        for y in (canonical_y, canonical_y + P)
        if y < 2**255
        for sign in (0, 1)
    ]


def test_every_encoding_of_a_point_of_small_order_is_refused_as_key_and_in_a_signature() -> None:
    public, sign = signature.signer(SEED)
    rest = sign(b"message")[32:]
    points = encodings()
    assert len(small_order_points()) == 8
    for encoded in points:
        with pytest.raises(errors.KeyInvalid):
            signature.PublicKey(bytes.fromhex(encoded))
        with pytest.raises(errors.SignatureInvalid):
            public.verify(bytes.fromhex(encoded) + rest, b"message")


@pytest.mark.parametrize("y", [P, P + 1, P + 3, 2**255 - 1])
def test_a_second_encoding_of_a_point_is_refused(y: int) -> None:
    for sign in (0, 1):
        with pytest.raises(errors.KeyInvalid):
            signature.PublicKey((y | sign << 255).to_bytes(32, "little"))


def test_a_scalar_beyond_the_order_is_refused() -> None:
    public, sign = signature.signer(SEED)
    made = sign(b"message")
    order = 2**252 + 27742317777372353535851937790883648493
    moved = (int.from_bytes(made[32:], "little") + order).to_bytes(32, "little")
    with pytest.raises(errors.SignatureInvalid):
        public.verify(made[:32] + moved, b"message")


def test_a_signature_over_one_kind_of_statement_fits_no_other() -> None:
    public, sign = signature.signer(SEED)
    made = signature.sign(signature.RECEIPT, {"a": 1}, sign)
    signature.verify(signature.RECEIPT, b'{"a":1}', made, public)
    assert sign(b'carbon-ledger/receipt/v1\n{"a":1}') == signature.from_base64url(made, 64)
    for domain in signature.DOMAINS - {signature.RECEIPT}:
        with pytest.raises(errors.SignatureInvalid):
            signature.verify(domain, b'{"a":1}', made, public)
    with pytest.raises(errors.SignatureInvalid):
        signature.message("carbon-ledger/receipt/v2", b"")


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """RFC 8037, appendix A.3."""
    public = signature.PublicKey(signature.from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", 32))
    assert public.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("text", ["", "AAA", "AAAA", "AAA=", "AA+A", "AA/A", "AAB", "A A", "ÄÄÄ", "AAAAA"])
def test_base64url_has_one_form(text: str) -> None:
    if text == "AAA":
        assert signature.from_base64url(text, 2) == b"\x00\x00"
        return
    with pytest.raises(errors.SignatureInvalid):
        signature.from_base64url(text, 2)
