"""``verify``: a file is checked offline; a serial is asked for, and what comes is checked here all the same, trusting no answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import orjson
import typer

from carbonledger_client import errors, settings, transport
from carbonledger_client.commands import console
from carbonledger_proof import __main__ as proof
from carbonledger_proof import canonical, keys, pdf, serials, verify
from carbonledger_proof import errors as proof_errors

_PATH = "/v1/public/receipts/verify/"
_ABSENT = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked on the command line."""

    target: str
    keys: Path | None
    url: str | None
    as_json: bool


def run(request: Request) -> None:
    """Verify, print what was checked, and end with 0 only if all of it holds."""
    with console.speaking():
        trusted = _pinned(request.keys)
        report, asked = _report(request, trusted)
        if asked is not None and report.receipt is not None and report.receipt.serial != asked:
            raise errors.Garbled(f"Asked for receipt {asked}, the server answers with {report.receipt.serial}.")
    if request.as_json:
        checks = [{"name": one.name, "ok": one.ok, "text": one.text} for one in report.checks]
        receipt, said = report.receipt, report.manifest
        told: dict[str, object] = {"serial": None if receipt is None else receipt.serial, "test": None}
        if receipt is not None or said is not None:
            told["test"] = report.is_test
        if said is not None:
            told |= {"month": said.period.month, "number": said.number, "receipts": [one.serial for one in said.receipts]}
        console.json({"ok": report.ok, **told, "checks": checks, "trust": list(report.trust)})
    else:
        typer.echo("\n".join(proof.lines(report)))
    if not report.ok:
        raise typer.Exit(console.Code.FOUND)


def _report(request: Request, trusted: keys.KeySet | None) -> tuple[verify.Report, str | None]:
    """Return what was checked, and the serial that it has to be of, if one was asked for."""
    place = Path(request.target)
    if place.is_file():
        try:
            return proof.check(place, trusted_keys=trusted), None
        except OSError as error:
            raise errors.Misused(f"{place} can't be read: {error.strerror}.") from error
    try:
        serial = serials.parse(request.target)
    except proof_errors.SerialInvalid as error:
        raise errors.Misused(f"{request.target} is no file here, and no serial of a receipt (CL-YYYYMM-XXXXX).") from error
    content = _fetched(settings.url(request.url, os.environ), serial)
    return verify.file(content, trusted_keys=trusted), serial


def _fetched(address: str, serial: str) -> bytes:
    """Return the bundle of a receipt as a file. Raises ``Unreachable``, ``Refused``, ``Misused``."""
    link = transport.Transport(address, {"user-agent": "carbonledger-client"}, sleep=console.wait)
    try:
        answer = link.send("GET", _PATH + serial, repeatable=True)
    finally:
        link.close()
    if answer.status == _ABSENT:
        raise errors.Misused(f"{address} knows no receipt {serial}.")
    if answer.status != 200:  # noqa: PLR2004 - found
        raise errors.Unreachable(f"{address} answers {answer.status}. Try again later.")
    try:
        bundle = orjson.loads(answer.body)["bundle"]
        if bundle is None:
            raise errors.Unreachable(f"Receipt {serial} was issued a moment ago; its proof is there in some seconds.")
        return canonical.write(bundle)
    except (orjson.JSONDecodeError, KeyError, TypeError, proof_errors.ProofError) as error:
        raise errors.Garbled(f"{address} answers something else than a receipt.") from error


def _pinned(place: Path | None) -> keys.KeySet | None:
    if place is None:
        return None
    try:
        return keys.pinned(_read(place))
    except proof_errors.ProofError as error:
        raise errors.Misused(f"The keys in {place} can't be read: {error}") from error


def _read(place: Path) -> bytes:
    try:
        with place.open("rb") as file:
            return file.read(pdf.BYTES_MAX + 1)
    except OSError as error:
        raise errors.Misused(f"{place} can't be read: {error.strerror}.") from error
