"""``verify``: a file is checked without a server; a serial is asked for, and what comes is believed no more than a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
import typer.testing

from carbonledger_client import cli
from carbonledger_proof import canonical, keys
from tests.integration.client import public_log
from tests.integration.client.conftest import Ended
from tests.unit.proof import worlds

FIXTURES = Path(__file__).parents[2] / "fixtures" / "proof"
FILES = ("carbon-ledger-bundle.json", "receipt.pdf", "event-proof.json")
SERIAL = worlds.serial()
Verify = Callable[..., Ended]


@pytest.fixture
def server() -> Iterator[public_log.Log]:
    made = public_log.Log()
    with public_log.serving(made):
        yield made


@pytest.fixture
def verify(server: public_log.Log, monkeypatch: pytest.MonkeyPatch) -> Verify:
    monkeypatch.setenv("CARBONLEDGER_URL", server.address)
    app = typer.Typer()
    app.command()(cli.verify)

    def run(*arguments: str) -> Ended:
        result = typer.testing.CliRunner().invoke(app, [*arguments])
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


def answer(server: public_log.Log, serial: str, bundle: object) -> None:
    server.files[f"/v1/public/receipts/verify/{serial}"] = json.dumps({"bundle": bundle, "is_valid": True}).encode()


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    path = tmp_path / "jwks.json"
    path.write_bytes(canonical.write(worlds.KEYS.to_json()))
    return str(path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_verified_without_a_word_to_anybody(verify: Verify, server: public_log.Log, jwks: str, name: str) -> None:
    ended = verify(str(FIXTURES / name))
    assert (ended.code, ended.err) == (0, "")
    assert "VERIFIED: all checks hold." in ended.out
    assert "those you gave" in verify(str(FIXTURES / name), "--keys", jwks).out
    told = verify(str(FIXTURES / name), "--json").json
    assert (told["ok"], told["serial"], told["test"]) == (True, SERIAL, False)
    assert server.asked == []


def test_a_tampered_file_ends_with_1(verify: Verify, tmp_path: Path) -> None:
    for name in FILES:
        content = bytearray((FIXTURES / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
        ended = verify(str(tmp_path / name))
        assert ended.code == 1
        assert "NOT VERIFIED" in ended.out


def test_a_serial_is_asked_for_and_checked_here(verify: Verify, server: public_log.Log, jwks: str) -> None:
    answer(server, SERIAL, worlds.world().bundled().to_json())
    for typed in (SERIAL, SERIAL.lower()):
        ended = verify(typed, "--keys", jwks)
        assert ended.code == 0, ended
        assert "VERIFIED: all checks hold." in ended.out


def test_a_server_that_lies_is_not_believed(verify: Verify, server: public_log.Log, tmp_path: Path) -> None:
    bundle = json.loads(worlds.world().bundled().encode())
    bundle["receipt"]["gross"][0]["co2e_mg"]["mid"] += 1
    answer(server, SERIAL, bundle)
    assert verify(SERIAL).code == 1  # although it says is_valid
    other = worlds.serial(1)
    answer(server, other, worlds.world().bundled().to_json())
    ended = verify(other)
    assert ended.code == 2
    assert f"Asked for receipt {other}" in ended.err
    strange = tmp_path / "strange.json"
    strange.write_bytes(canonical.write(keys.KeySet((worlds.LOG_KEY,)).to_json()))
    answer(server, SERIAL, worlds.world().bundled().to_json())
    assert verify(SERIAL, "--keys", str(strange)).code == 1  # signed, but by nobody whom these keys name


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}"])
def test_an_answer_that_is_none_ends_with_2(verify: Verify, server: public_log.Log, content: bytes) -> None:
    server.files[f"/v1/public/receipts/verify/{SERIAL}"] = content
    ended = verify(SERIAL)
    assert ended.code == 2
    assert "error: " in ended.err


def test_what_can_not_be_checked_says_why(verify: Verify, server: public_log.Log, tmp_path: Path) -> None:
    assert "knows no receipt" in verify(SERIAL).err
    answer(server, SERIAL, None)
    assert "in some seconds" in verify(SERIAL).err
    for wrong in ("no-such-file.pdf", "CL-202611-00000"):
        ended = verify(wrong)
        assert ended.code == 2
        assert "is no file here, and no serial" in ended.err
    (tmp_path / "keys.json").write_text("{}")
    ended = verify(str(FIXTURES / "receipt.pdf"), "--keys", str(tmp_path / "keys.json"))
    assert ended.code == 2
    assert "can't be read" in ended.err
