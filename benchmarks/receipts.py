"""What a receipt costs: signed, proven, rendered and sealed; and verified.

`dev.py bench receipts` makes a receipt of an ordinary size (20 projects, 3 allocations) as the jobs do, but for the database: statement,
signature, inclusion proof in a log of a million leaves, sealed bundle, page by typst, sealed PDF. Together that is to take 50 ms, and
verifying the bundle 2 ms. Times are of the processor, medians of rounds, as ratios beside their limits.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from benchmarks import proof
from carbonledger.adapters import pdf as printing
from carbonledger.domains.receipts.core import sheet
from carbonledger_proof import bundle, leaves, pdf, statement, verify

LEAVES = 1_000_000
MAKE_MS, VERIFY_MS = 50.0, 2.0
ADDRESS = "https://ledger.example/receipts/verify"


def rendered(made: bundle.Bundle) -> bytes:
    """Return the sealed PDF of a bundle."""
    page = sheet.sheet(made, organization="Example Ltd", verify_url=f"{ADDRESS}/{made.receipt.serial}")
    return pdf.sealed(printing.TypstPrinter().printed(page, bundle=made.encode()), proof.RECEIPT_SIGN)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=LEAVES, help="of the log (1,000,000)")
    chosen = parser.parse_args(argv)
    given = proof.receipt()
    tree = proof.Tiles(chosen.leaves, leaves.leaf_hash(leaves.of_receipt(given)))
    whole = proof.made(given, tree)
    file, document = whole.encode(), rendered(whole)
    for content in (file, document):
        if not verify.file(content).ok:
            raise SystemExit("what was made does not verify")
    print(f"{os.cpu_count()} cores, one used; medians of {proof.ROUNDS} rounds; a log of {tree.size:,} leaves")
    print(f"a bundle of {len(file):,} bytes, a PDF of {len(document):,} bytes")
    proof.told("sign", proof.millis(lambda: statement.signed(given, proof.RECEIPT_SIGN), 20), MAKE_MS)
    proof.told("sign, prove and seal", proof.millis(lambda: proof.made(given, tree), 20), MAKE_MS)
    proof.told("sign, prove, seal and render", proof.millis(lambda: rendered(proof.made(given, tree)), 5), MAKE_MS)
    proof.told("verify the bundle", proof.millis(lambda: verify.file(file), 50), VERIFY_MS)
    print(f"and the PDF with it: {proof.millis(lambda: verify.file(document), 50):.3f} ms")


if __name__ == "__main__":
    main()
