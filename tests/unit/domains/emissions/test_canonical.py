"""Canonical JSON: numbers without loss, one spelling, and what has two spellings refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import canonical


def test_the_digest_of_the_shipped_set_never_changes() -> None:
    # SHA-256 of what the library rfc8785 0.1.4 (Trail of Bits) makes of the file: not computed by our own code.
    document = canonical.parsed(data.factor_set("1.0"))
    assert canonical.digest(document) == "9a5eb3e79bc9bf5a2ea7c83977fcb23970a9ee518cdaeaae600b7a9f59aeb702"


SPELLINGS = [
    # document, canonical form as RFC 8785 defines it
    (b'{"b": 1, "a": [ ]}', b'{"a":[],"b":1}'),  # sorted, no blanks
    (b"[1.0, 1e2, 0.50, -0, -0.0, 7.5e-05]", b"[1,100,0.5,0,0,0.000075]"),  # one spelling of a number
    (b'[true, false, null, ""]', b'[true,false,null,""]'),
    ('["€", "\\u20ac", "\\/", "\\u000f", "\\n"]'.encode(), '["€","€","/","\\u000f","\\n"]'.encode()),  # 3.2.2.2
    ('{"\ufb33": 1, "\U0001f600": 2}'.encode(), '{"\U0001f600":2,"\ufb33":1}'.encode()),  # 3.2.3: sorted by UTF-16 units, not code points
]


@pytest.mark.parametrize("document, form", SPELLINGS)
def test_spelling_table(document: bytes, form: bytes) -> None:
    assert canonical.canonical(canonical.parsed(document)) == form


def test_no_digit_is_lost() -> None:
    assert canonical.parsed(b"[0.1, 384.4, 250]") == [Decimal("0.1"), Decimal("384.4"), 250]


REFUSED = [
    # document, what is said of it
    (b"", "not JSON"),
    (b"\xff", "not JSON"),
    (b"{} {}", "not JSON"),
    (b"[NaN]", "NaN is not a JSON number"),
    (b"[-Infinity]", "-Infinity is not a JSON number"),
    (b'{"low": 1, "low": 2}', "'low' is there twice"),  # a reader takes the first, another the last
    (b"[0.1234567]", "has more than"),  # JCS would write an exponent, or a double lose it
    (b"[1234567890123456]", "has more than"),
    (b"[1e-7]", "has more than"),
    (b"[1e999999999]", "out of bounds"),
    (b"[1e99999999999999999999]", "out of bounds"),
    (b"[" * 100_000, "not JSON"),
    (b"0" * (canonical.BYTES_MAX + 1), "at most"),
]


@pytest.mark.parametrize("document, said", REFUSED, ids=range(len(REFUSED)))
def test_what_can_be_read_in_two_ways_is_refused(document: bytes, said: str) -> None:
    with pytest.raises(types.FactorSetInvalid, match=said):
        canonical.parsed(document)


@pytest.mark.parametrize("document, said", [(b'["\\ud800"]', "surrogate"), (b"[" * 40 + b"]" * 40, "nested")])
def test_what_has_no_canonical_form_is_refused(document: bytes, said: str) -> None:
    with pytest.raises(types.FactorSetInvalid, match=said):
        canonical.digest(canonical.parsed(document))
