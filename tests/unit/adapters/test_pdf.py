"""The receipt's PDF: one page whatever is in it, the same bytes each time, and its own proof inside."""

from __future__ import annotations

import dataclasses
import re

import pytest

from carbonledger.adapters import pdf
from carbonledger.domains.receipts.core import sheet
from carbonledger.domains.receipts.types import printing
from carbonledger_proof import bundle as bundles
from carbonledger_proof import pdf as sealing
from carbonledger_proof import verify
from tests.unit.proof import worlds

BUNDLE = worlds.world().bundled()
SHEET = sheet.sheet(BUNDLE, organization="Acme Robotics", verify_url=f"https://ledger.example/receipts/verify/{BUNDLE.receipt.serial}")


MADE_UP = tuple(dataclasses.replace(one, registry="sandbox") for one in BUNDLE.receipt.allocations)
TEST = sheet.sheet(worlds.world(test=True, allocations=MADE_UP).bundled(), organization="Acme Robotics", verify_url=SHEET.verify_url)


def printed(given: printing.Sheet = SHEET) -> bytes:
    return pdf.TypstPrinter().printed(given, bundle=BUNDLE.encode())


def pages(content: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", content))


def test_the_same_receipt_gives_the_same_bytes() -> None:
    assert printed() == printed()


def test_the_bundle_is_attached_as_pdf_a_3_wants_it() -> None:
    content = printed()

    (attached,) = sealing.attachments(content)
    assert (attached.name, attached.content) == (bundles.FILE_NAME, BUNDLE.encode())
    assert b"<pdfaid:part>3</pdfaid:part>" in content
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in content


def test_the_page_alone_verifies_once_it_is_sealed() -> None:
    report = verify.document(sealing.sealed(printed(), worlds.RECEIPT_SIGN))

    assert report.ok, report


def test_a_page_that_was_not_sealed_does_not_verify() -> None:
    assert not verify.document(printed()).ok


def test_a_test_receipt_is_another_page_of_one() -> None:
    content = printed(TEST)
    assert pages(content) == 1
    # The watermark is the one thing that is transparent, and the only one of that size: its graphics state stands in the file.
    assert b"/ca 0.12" in content
    assert b"/ca 0.12" not in printed()


@pytest.mark.parametrize("text", ["名前 \u202e 🎉", "#panic[x] \\ $x$ <label> @cite", '"]; #import "x"', "W" * 500])
def test_hostile_names_stay_text_on_one_page(text: str) -> None:
    name = sheet.seen(text)
    figure = printing.Figure(name, name, name)
    row = printing.ProjectRow(name, "1 kg CO₂e", "0.4 to 3 kg CO₂e", "1.00 USD")
    credit = printing.CreditRow(name, sheet.seen(text, most=64), name, name, "1,000,000,000 to 1,010,000,000 mg", "10 kg CO₂e")
    full = dataclasses.replace(
        SHEET,
        is_test=True,
        parties=(figure,) * 3,
        standing=f"{TEST.standing} This receipt was revoked and is no longer valid.",
        projects=(row,) * sheet.PROJECTS_MAX,
        adjustments=("October 2026: -2 g CO₂e from 1,200 events more, after receipt CL-202610-AAAAA.",) * (sheet.ADJUSTMENTS_MAX + 1),
        credits=(credit,) * sheet.CREDITS_MAX,
    )

    assert pages(printed(full)) == 1
