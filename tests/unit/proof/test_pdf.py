"""A PDF proves its receipt by the bundle attached to it and by the seal over all its bytes; hostile files end quickly."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger_proof import canonical, errors, pdf, verify
from tests.unit.proof import worlds

FIXTURES = Path(__file__).parents[2] / "fixtures" / "proof"
PDF = (FIXTURES / "receipt.pdf").read_bytes()
UNSEALED = pdf._SEALED.sub(pdf.PLACEHOLDER.encode(), PDF)
BUNDLE = (FIXTURES / "carbon-ledger-bundle.json").read_bytes()


def failed(data: bytes) -> list[str]:
    return [check.name for check in verify.file(data).checks if not check.ok]


def test_a_pdf_verifies_by_itself() -> None:
    report = verify.file(PDF)
    assert report.ok
    assert report.checks[0].name == "page"
    assert verify.PAGE in report.trust
    assert pdf.attachments(PDF) == (pdf.Attachment("carbon-ledger-bundle.json", BUNDLE),)
    assert verify.document(PDF, trusted_keys=worlds.KEYS).ok


def test_sealing_moves_no_byte() -> None:
    assert len(UNSEALED) == len(PDF)
    assert pdf.sealed(UNSEALED, worlds.RECEIPT_SIGN) == PDF
    assert UNSEALED.count(pdf.PLACEHOLDER.encode()) == 2  # in the document's information and in its XMP


def test_every_byte_of_the_pdf_counts() -> None:
    for place in range(len(PDF)):
        changed = bytearray(PDF)
        changed[place] ^= 1 << place % 8
        with pytest.raises(errors.ProofError):
            pdf.verify(bytes(changed), worlds.RECEIPT_PUBLIC)


def test_a_changed_page_around_a_true_bundle_fails_as_the_page() -> None:
    place = PDF.index(b"/Title(Carbon receipt)")
    assert failed(PDF[:place] + b"/Title(Carbon rebates)" + PDF[place + 22 :]) == ["page"]
    assert failed(UNSEALED) == ["page"]


def test_a_pdf_is_sealed_once() -> None:
    for wrong in (PDF, b"%PDF-1.7 without a placeholder"):
        with pytest.raises(errors.PdfInvalid):
            pdf.sealed(wrong, worlds.RECEIPT_SIGN)


def test_a_pdf_that_was_appended_to_is_refused() -> None:
    later = PDF + b"\n1 0 obj\n<<>>\nendobj\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Root 1 0 R/Prev 10>>\nstartxref\n100\n%%EOF\n"
    assert not verify.file(later).ok
    with pytest.raises(errors.PdfInvalid):
        pdf.attachments(later)


def small(catalog: bytes, *objects: bytes, trailer: bytes = b"<</Root 1 0 R>>") -> bytes:
    """The smallest PDF with these objects, the catalog first."""
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate((catalog, *objects), 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return data + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n%s\nstartxref\n%d\n%%%%EOF" % (len(offsets) + 1, table, trailer, len(data))


NAMES = b"<</Names<</EmbeddedFiles<</Names[(a.json) 2 0 R]>>>>>>"
TWO_NAMES = b"<</Names<</EmbeddedFiles<</Names[(a.json) 2 0 R (b.json) 2 0 R]>>>>>>"
FILE = b"<</EF<</F 3 0 R>>>>"


def stream(content: bytes, extra: bytes = b"/Filter/FlateDecode", length: int | None = None) -> bytes:
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content) if length is None else length, extra, content)


def test_what_is_attached_is_read() -> None:
    assert pdf.attachments(small(NAMES, FILE, stream(zlib.compress(b"{}")))) == (pdf.Attachment("a.json", b"{}"),)
    assert pdf.attachments(small(NAMES, FILE, stream(b"{}", b""))) == (pdf.Attachment("a.json", b"{}"),)
    assert pdf.attachments(small(b"<</Type/Catalog>>")) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.7",
        b"%PDF-1.7\nstartxref\n99999999\n%%EOF",
        b"%PDF-1.7\nxref\n0 999999\ntrailer<<>>startxref\n9\n%%EOF",
        small(NAMES, FILE, stream(zlib.compress(bytes(canonical.BYTES_MAX + 1)))),  # a bomb
        small(TWO_NAMES, FILE, stream(zlib.compress(bytes(canonical.BYTES_MAX - 1)))),  # one bomb under two names
        small(TWO_NAMES, FILE, stream(bytes(canonical.BYTES_MAX - 1), b"")),
        small(NAMES, FILE, stream(zlib.compress(bytes(100))[:-5])),
        small(NAMES, FILE, stream(b"not deflated")),
        small(NAMES, FILE, stream(b"{}", b"", length=1)),
        small(NAMES, FILE, stream(b"{}", b"", length=10_000_000)),
        small(NAMES, FILE, stream(b"{}", b"/Filter[/ASCIIHexDecode/FlateDecode]")),
        small(NAMES, FILE, b"<</Length 4 0 R>>\nstream\n{}\nendstream"),
        small(NAMES, b"<<>>"),
        small(NAMES, b"<</EF<</F 2 0 R>>>>"),  # its own content
        small(NAMES, b"<</EF<</F 9 0 R>>>>"),
        small(NAMES),
        small(b"<</EmbeddedFiles<</Names[" + b"(a)1 0 R" * 101 + b"]>>>>"),
        small(NAMES, FILE, stream(b""), trailer=b"<</Root 1 0 R/Encrypt 2 0 R>>"),
        small(NAMES, FILE, stream(b""), trailer=b"<<>>"),
        small(NAMES, FILE, stream(b""), trailer=b"<</Root 0 0 R>>"),
        small(b"(" * 300_000),
        small(b"/EmbeddedFiles<</Names[(a)9 0 R" * 6_000),  # searches that a careless reader does not finish
        small(b"/EmbeddedFiles<</Names[(a)9 0 R" + b"(\\(" * 60_000),
    ],
    ids=range(24),
)
def test_hostile_files_are_refused(data: bytes) -> None:
    with pytest.raises(errors.PdfInvalid):
        pdf.attachments(data)
    assert not verify.file(data).ok


def test_two_bundles_in_a_pdf_are_refused() -> None:
    names = b"<</Names<</EmbeddedFiles<</Names[(carbon-ledger-bundle.json)2 0 R(carbon-ledger-bundle.json)2 0 R]>>>>>>"
    twice = small(names, FILE, stream(BUNDLE, b""))
    assert verify.file(twice).checks[0].text == "It holds no carbon-ledger-bundle.json, or more than one."


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PDF) - 1), st.binary(max_size=8))
def test_a_damaged_pdf_never_raises(place: int, inserted: bytes) -> None:
    damaged = PDF[:place] + inserted + PDF[place + len(inserted) :]
    assert not verify.file(damaged).ok or damaged == PDF
    verify.file(PDF[:place] + inserted)
