"""``python -m carbonledger_proof FILE`` says in words what was checked, and ends with 0 only if all of it holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from carbonledger_proof import __main__ as command
from carbonledger_proof import canonical, keys, verify
from tests.unit.proof import worlds

FIXTURES = Path(__file__).parents[2] / "fixtures" / "proof"


@pytest.fixture(name="jwks")
def _jwks(tmp_path: Path) -> str:
    path = tmp_path / "jwks.json"
    path.write_bytes(canonical.write(worlds.KEYS.to_json()))
    return str(path)


@pytest.mark.parametrize("name", ["carbon-ledger-bundle.json", "receipt.pdf", "event-proof.json"])
def test_files_of_every_kind_that_verified_once_still_do(name: str, jwks: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(FIXTURES / name)]) == 0
    told = capsys.readouterr().out
    assert "VERIFIED: all checks hold." in told
    assert "FAILED" not in told
    assert "The keys came with the bundle." in told
    assert "scope 3, location: 400.000 g to 3,600.000 g, mid 1,200.000 g" in told
    assert "scope 3, market: unknown" in told
    assert "3,600.000 g (100 % of high, location)" in told
    assert "compensation claim" in told
    assert command.main([str(FIXTURES / name), "--keys", jwks]) == 0
    assert "those you gave" in capsys.readouterr().out


def test_a_test_receipt_verifies_and_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = worlds.receipt()
    made_up = tuple(dataclasses.replace(one, registry="sandbox") for one in real.allocations)
    path = tmp_path / "bundle.json"
    path.write_bytes(worlds.world(test=True, allocations=made_up, issued_at=real.period.start).bundled().encode())
    assert command.main([str(path)]) == 0
    told = capsys.readouterr().out
    assert f"ok     format      TEST receipt {real.serial}" in told
    assert "compensates nothing" in told
    assert told.endswith("VERIFIED as a TEST receipt: all checks hold, and it stands for nothing real.\n")


def test_a_file_that_does_not_verify_ends_with_1_and_its_figures_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = tmp_path / "bundle.json"
    changed.write_bytes((FIXTURES / "carbon-ledger-bundle.json").read_bytes().replace(b"Support bot", b"Support cat"))
    assert command.main([str(changed)]) == 1
    told = capsys.readouterr().out
    assert "NOT VERIFIED: do not rely on this file." in told
    assert "FAILED seal" in told
    assert "1,200.000 g" not in told


def test_a_file_that_is_not_there_or_no_keys_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(FIXTURES / "carbon-ledger-bundle.json")
    assert command.main([str(tmp_path / "missing.json")]) == 2
    assert command.main([bundle, "--keys", bundle]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_other_keys_than_the_issuer_s_end_with_1(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(canonical.write(keys.KeySet((worlds.LOG_KEY,)).to_json()))
    assert command.main([str(FIXTURES / "receipt.pdf"), "--keys", str(path)]) == 1


def test_every_check_is_told_once() -> None:
    report = verify.file((FIXTURES / "receipt.pdf").read_bytes())
    told = command.lines(report)
    assert [line.split()[1] for line in told[: len(report.checks)]] == ["page", *verify.CHECKS]
