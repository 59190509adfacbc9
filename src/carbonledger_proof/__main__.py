"""``python -m carbonledger_proof FILE``: verifies a receipt's bundle, PDF or event proof, or an audit pack, and says what was checked.

The exit code is 0 only if all of it holds. This module alone reads files.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from carbonledger_proof import errors, keys, manifest, measures, pack, pdf, statement, verify

FAILED, UNUSABLE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the file that the arguments name, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m carbonledger_proof", description="Verify a carbon receipt or an audit pack offline.")
    parser.add_argument("file", type=pathlib.Path, help="a bundle (JSON), a receipt's PDF, the proof of an event, or an audit pack (zip)")
    parser.add_argument(
        "--keys", type=pathlib.Path, help="the issuer's list of keys (jwks.json), got from the issuer and not with the file"
    )
    chosen = parser.parse_args(arguments)
    try:
        trusted = None if chosen.keys is None else keys.pinned(_read(chosen.keys))
        report = check(chosen.file, trusted_keys=trusted)
    except (OSError, errors.ProofError) as error:
        print(f"It can't be read: {error}", file=sys.stderr)
        return UNUSABLE
    print("\n".join(lines(report)))
    return 0 if report.ok else FAILED


def check(path: pathlib.Path, *, trusted_keys: keys.KeySet | None = None) -> verify.Report:
    """Verify the file at a path, whatever kind it is of. A pack is read a stretch at a time, whatever its size. Raises ``OSError``."""
    with path.open("rb") as file:
        if file.read(len(pack.MAGIC)) != pack.MAGIC:
            return verify.file(_read(path), trusted_keys=trusted_keys)

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return pack.check(read_at, file.seek(0, 2), trusted_keys=trusted_keys)


def lines(report: verify.Report) -> list[str]:
    """Return a report as lines of text: each check, the figures if all hold, what trust remains, and the verdict."""
    width = max(len(check.name) for check in report.checks)
    told = [f"{'ok    ' if check.ok else 'FAILED'} {check.name:<{width}}  {check.text}" for check in report.checks]
    figures: list[str] = []
    if report.ok and report.receipt is not None:
        figures = _figures(report.receipt)
    elif report.ok and report.manifest is not None:
        figures = _contents(report.manifest)
    return [*told, "", *figures, *report.trust, "", _verdict(report)]


def _verdict(report: verify.Report) -> str:
    if not report.ok:
        return "NOT VERIFIED: do not rely on this file."
    if report.is_test:
        return f"VERIFIED as a TEST {'receipt' if report.manifest is None else 'pack'}: all checks hold, and it stands for nothing real."
    return "VERIFIED: all checks hold."


def _figures(receipt: statement.Receipt) -> list[str]:
    period = receipt.period
    told = [
        f"Receipt       {receipt.serial}, issued {receipt.issued_at:%Y-%m-%d %H:%M:%S} UTC by {receipt.issuer}",
        f"Organization  {receipt.organization}",
        f"Period        {period.month} ({period.zone}): {period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M} UTC",
    ]
    told += [f"Gross CO2e    scope {entry.scope.value}, {entry.basis.value}: {_grams(entry.co2e_mg)}" for entry in receipt.gross]
    told += [f"Events        {_count(receipt.events.count)}"]
    compensation = receipt.compensation
    if compensation is None:
        told.append("Compensated   nothing")
    elif not compensation.required_mg:
        told.append("Compensated   nothing, as no emissions are stated")
    else:
        share = f"{compensation.share_bp / 100:g} % of {compensation.bound.value}, {compensation.basis.value}"
        told.append(f"Compensated   {_gram(compensation.required_mg)} ({share})")
    told += [
        f"  {one.registry} {one.block}: {_gram(one.to_mg - one.from_mg)} ({one.kind.value}), {one.retirement_url}"
        for one in receipt.allocations
    ]
    return [*told, "", receipt.wording, ""]


def _contents(said: manifest.Manifest) -> list[str]:
    period = said.period
    told = [
        f"Audit pack    {said.number} for {period.month}, made {said.made_at:%Y-%m-%d %H:%M:%S} UTC by {said.issuer}",
        f"Organization  {said.organization}",
        f"Period        {period.month} ({period.zone}): {period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M} UTC",
        f"Events        {_count(said.events.count)}",
    ]
    told += [f"Receipt       {one.serial}: {one.state.value}" for one in said.receipts]
    return [*told, f"Files         {len(said.files)}", ""]


def _count(events: int) -> str:
    return f"{events:,}" if events else "none: no usage was recorded in this period"


def _grams(range_: measures.Range | None) -> str:
    return "unknown" if range_ is None else f"{_gram(range_.low)} to {_gram(range_.high)}, mid {_gram(range_.mid)}"


def _gram(mg: int) -> str:
    sign, (whole, part) = "-" if mg < 0 else "", divmod(abs(mg), 1000)
    return f"{sign}{whole:,}.{part:03d} g"


def _read(path: pathlib.Path) -> bytes:
    with path.open("rb") as file:
        return file.read(pdf.BYTES_MAX + 1)


if __name__ == "__main__":
    sys.exit(main())
