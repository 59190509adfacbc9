"""An audit pack verifies as a whole or not at all: any byte changed, and any file exchanged, added or left out, fails a named check."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from carbonledger_proof import __main__ as command
from carbonledger_proof import archive, bundle, canonical, errors, keys, manifest, pack, serials, signature, statement, verify
from tests.unit.proof import packs, worlds

DATA = packs.packed()
MANIFEST = packs.manifest_of(packs.files())


def failed(report: verify.Report) -> list[str]:
    return [check.name for check in report.checks if not check.ok]


def test_a_pack_verifies_and_says_what_was_checked_and_what_was_not() -> None:
    report = pack.in_memory(DATA)
    assert report.ok, failed(report)
    assert tuple(check.name for check in report.checks) == pack.CHECKS
    assert report.manifest == MANIFEST
    assert worlds.RECEIPT_KEY.kid in report.trust[0]
    assert pack.FIGURES in report.trust
    assert "adds to that of 3" in report.checks[-1].text
    assert pack.in_memory(DATA, trusted_keys=worlds.KEYS).trust[0] == verify.PINNED_PACK


def test_every_byte_of_the_manifest_counts() -> None:
    data = MANIFEST.encode()
    survivors = []
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with contextlib.suppress(errors.ProofError):
            manifest.check_seal(bytes(changed), manifest.read(bytes(changed)), worlds.KEYS)
            survivors.append(place)
    assert not survivors


def test_a_byte_changed_in_any_file_fails() -> None:
    plan = archive.read(lambda offset, length: DATA[offset : offset + length], len(DATA))
    for start, entry in zip(plan.starts, plan.entries, strict=True):
        for place in {start, start + entry.size // 2, start + entry.size - 1} if entry.size else ():
            changed = bytearray(DATA)
            changed[place] ^= 1 << place % 8
            report = pack.in_memory(bytes(changed))
            assert "files" in failed(report), entry.name


def test_a_file_that_is_exchanged_with_its_checksum_fails_by_its_hash() -> None:
    some = packs.files()
    honest = packs.manifest_of(some).encode()
    for name in some:
        data = packs.zipped({manifest.FILE_NAME: honest, **dict(sorted({**some, name: some[name] + b" "}.items()))})
        assert "files" in failed(pack.in_memory(data)), name


def test_a_file_that_is_left_out_added_or_moved_fails() -> None:
    some = dict(sorted(packs.files().items()))
    honest = packs.manifest_of(some).encode()
    for changed in (
        {name: content for name, content in some.items() if name != "events.csv"},
        {**some, "zzz.csv": b"x"},
        dict(reversed(some.items())),
    ):
        assert "files" in failed(pack.in_memory(packs.zipped({manifest.FILE_NAME: honest, **changed})))
    assert "files" in failed(pack.in_memory(packs.zipped({**some, manifest.FILE_NAME: honest}))), "the manifest comes first"
    assert failed(pack.in_memory(packs.zipped(some)))[0] == "format", "there is none"


def test_a_seal_by_another_key_or_out_of_its_time_fails() -> None:
    some = packs.files()
    public, sign = signature.signer(b"\x09" * 32)
    foreign = manifest.sealed(MANIFEST, kid=public.kid, sign=sign).encode()
    assert failed(pack.in_memory(packs.zipped({manifest.FILE_NAME: foreign, **dict(sorted(some.items()))}))) == ["seal"]
    late = packs.MADE.replace(year=2027)
    assert failed(pack.in_memory(packs.packed(made_at=late))) == ["seal"]
    log_key = manifest.sealed(MANIFEST, kid=worlds.LOG_KEY.kid, sign=worlds.LOG_SIGN).encode()
    assert failed(pack.in_memory(packs.zipped({manifest.FILE_NAME: log_key, **dict(sorted(some.items()))}))) == ["seal"]
    others = keys.KeySet((dataclasses.replace(worlds.RECEIPT_KEY, public=public), worlds.LOG_KEY))
    assert "seal" in failed(pack.in_memory(DATA, trusted_keys=others))


def test_a_signature_of_a_bundle_is_none_of_a_manifest() -> None:
    """Every kind of statement is signed under a name of its own."""
    data = canonical.read(MANIFEST.encode())
    assert isinstance(data, dict)
    unsealed = bundle.sealed_part(bundle.parts_of(data))
    made = signature.to_base64url(worlds.RECEIPT_SIGN(signature.message(signature.BUNDLE, unsealed)))
    forged = dataclasses.replace(MANIFEST, seal=bundle.Seal(kid=worlds.RECEIPT_KEY.kid, signature=made)).encode()
    assert failed(pack.in_memory(packs.zipped({manifest.FILE_NAME: forged, **dict(sorted(packs.files().items()))}))) == ["seal"]


OTHER_SERIAL = serials.make(worlds.SECRET, month=worlds.MONTH, counter=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"receipts": ()},
        {"receipts": (manifest.Stated(serial=packs.SERIAL, state=bundle.State.REVOKED),)},
        {"receipts": (manifest.Stated(serial=OTHER_SERIAL, state=bundle.State.VALID),)},
        {"organization": "ff" * 32},
        {"test": True},
        {"events": statement.Events(root="00" * 32, count=3)},
        {"issuer": "elsewhere.example/log"},
    ],
)
def test_receipts_that_are_not_of_the_pack_fail(changes: dict[str, Any]) -> None:
    assert "receipts" in failed(pack.in_memory(packs.packed(**changes)))


def test_receipts_that_do_not_verify_fail() -> None:
    bad = worlds.world().bundled(signature="A" * 86).encode()
    for name, content in (("bundle.json", bad), ("receipt.pdf", packs.PAGE + b"\n"), ("receipt.json", b"{}")):
        some = {**packs.files(), f"{packs.FOLDER}/{name}": content}
        assert failed(pack.in_memory(packs.packed(some))) == ["receipts"], name


def test_one_that_was_superseded_is_in_the_pack_and_said_to_be() -> None:
    ended = bundle.Status(state=bundle.State.SUPERSEDED, by=OTHER_SERIAL)
    some = {**packs.files(), f"{packs.FOLDER}/bundle.json": worlds.world().bundled(status=ended).encode()}
    stated = (manifest.Stated(serial=packs.SERIAL, state=bundle.State.SUPERSEDED),)
    report = pack.in_memory(packs.packed(some, receipts=stated))
    # The page of the fixture has the bundle of before, so that it stands otherwise than the manifest says.
    assert failed(report) == ["receipts"]
    assert "receipt.pdf" in report.checks[4].text
    assert failed(pack.in_memory(packs.packed(some))) == ["receipts"]


@pytest.mark.parametrize(
    "name, change",
    [
        (pack.CONSISTENCY, b'{"new":7,"old":2,"path":[],"schema":"carbon-ledger/consistency/v1"}'),
        (pack.CONSISTENCY, b'{"new":7,"old":0,"path":[],"schema":"carbon-ledger/consistency/v1"}'),
        (pack.CONSISTENCY, b'{"new": 7}'),
        (pack.CONSISTENCY, b"x" * 70_000),
        (pack.EARLIER, worlds.signed_checkpoint([worlds.lot()] * 3).encode()),
        (pack.CHECKPOINT, b"ledger.example/log\n7\nAAAA\n"),
        (pack.CHECKPOINT, b""),
    ],
)
def test_a_log_that_did_not_only_grow_fails(name: str, change: bytes) -> None:
    assert failed(pack.in_memory(packs.packed({**packs.files(), name: change}))) == ["log"]


def test_the_first_pack_has_no_earlier_checkpoint() -> None:
    some = packs.files()
    new = json.loads(some[pack.CONSISTENCY])["new"]
    del some[pack.EARLIER]
    assert failed(pack.in_memory(packs.packed({**some}))) == ["log"]
    some[pack.CONSISTENCY] = pack.Consistency(old=0, new=new, path=()).encode()
    assert pack.in_memory(packs.packed(some)).ok


@pytest.mark.parametrize("twice", [b'"number":1,"number":1', b'"number":1,"number":2'])
def test_a_manifest_with_a_name_twice_is_refused(twice: bytes) -> None:
    data = MANIFEST.encode().replace(b'"number":1', twice)
    report = pack.in_memory(packs.zipped({manifest.FILE_NAME: data, **dict(sorted(packs.files().items()))}))
    assert failed(report) == ["format", "seal", "files", "receipts", "log"]


def test_the_command_says_it_in_words_and_reads_a_stretch_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(DATA)
    assert command.main([str(file)]) == 0
    told = capsys.readouterr().out
    assert "ok     files" in told
    assert "Audit pack    1 for 2026-11" in told
    assert f"Receipt       {packs.SERIAL}: valid" in told
    assert told.endswith("VERIFIED: all checks hold.\n")
    file.write_bytes(DATA[:-1])
    assert command.main([str(file)]) == 1
    assert "NOT VERIFIED" in capsys.readouterr().out


def test_a_large_file_is_hashed_without_being_held() -> None:
    some = {**packs.files(), "events.csv": b"id\n" * 2_000_000}
    data = packs.packed(some)
    longest = 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal longest
        longest = max(longest, length)
        return data[offset : offset + length]

    assert pack.check(read_at, len(data)).ok
    assert longest <= 1 << 20
