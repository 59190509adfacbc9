"""``log audit``: a right log passes and is remembered; a tampered tile, a rewritten history, a doubled use, an unknown key are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from carbonledger_client import cli
from carbonledger_proof import canonical, keys, leaves, serials, tiles
from tests.integration.client import public_log
from tests.integration.client.conftest import Ended

RECEIPTS, LOG = keys.Purpose.RECEIPTS, keys.Purpose.LOG
Audit = Callable[..., Ended]


@pytest.fixture
def log() -> Iterator[public_log.Log]:
    """Return a served log of 600 leaves: two full tiles and a partial one, and a level above."""
    made = public_log.Log()
    made.publish(RECEIPTS, seed=1)
    key = made.publish(LOG, seed=2)
    made.lots(598)
    made.write(key)
    with public_log.serving(made):
        yield made


def key_of_log(log: public_log.Log) -> keys.Key:
    return next(key for key in log.shown if key.purpose is LOG)


@pytest.fixture
def audit(log: public_log.Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Return what audits the log by the command, with a state folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments: str) -> Ended:
        result = typer.testing.CliRunner().invoke(cli.log, ["audit", log.address, *arguments])
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


def problems(ended: Ended) -> set[tuple[str, str]]:
    found: list[dict[str, Any]] = ended.json["findings"]
    return {(one["problem"], one["place"]) for one in found}


def test_a_right_log_passes_is_said_in_words_and_is_remembered(log: public_log.Log, audit: Audit) -> None:
    first = audit()
    assert first.code == 0, first
    assert first.out.startswith(f"{public_log.ORIGIN}: 600 leaves, root ")
    assert "nothing is used twice" in first.out
    assert "at first sight" in first.err
    log.lots(100)
    log.write(key_of_log(log))
    second = audit()
    assert second.code == 0, second
    assert "It continues the 600 leaves that were audited before." in second.out
    assert second.err == ""


@pytest.mark.parametrize("tile", [tiles.Tile(0, 0), tiles.Tile(0, 2, 88), tiles.Tile(1, 0, 2)], ids=tiles.Tile.path)
def test_a_tile_of_hashes_with_a_flipped_bit_is_found(log: public_log.Log, audit: Audit, tile: tiles.Tile) -> None:
    content = bytearray(log.files[log.place(tile)])
    content[40] ^= 1
    log.files[log.place(tile)] = bytes(content)
    ended = audit("--json")
    assert ended.code == 1
    assert problems(ended) == {("tile_differs", f"tile {tile.path()}")}


def test_a_leaf_with_a_changed_byte_is_found(log: public_log.Log, audit: Audit) -> None:
    place = log.place(tiles.Tile(-1, 1))
    log.files[place] = log.files[place].replace(b"A wood", b"A moor", 1)
    ended = audit("--json")
    assert ended.code == 1
    assert problems(ended) == {("tile_differs", "tile 0/001"), ("tile_differs", "tile 1/000.p/2"), ("history_rewritten", "")}


@pytest.mark.parametrize(
    "change", [lambda content: content[:-1], lambda content: content + b"\x00\x02{}", lambda _: b"\xff"], ids=["cut", "longer", "garbage"]
)
def test_a_bundle_that_is_cut_off_or_too_long_is_found(log: public_log.Log, audit: Audit, change: Callable[[bytes], bytes]) -> None:
    place = log.place(tiles.Tile(-1, 2, 88))
    log.files[place] = change(log.files[place])
    ended = audit("--json")
    assert ended.code == 1
    assert {place for problem, place in problems(ended) if problem.startswith("tile_")} >= {"tile entries/002.p/88"}


def test_a_tile_that_is_withheld_is_found(log: public_log.Log, audit: Audit) -> None:
    del log.files[log.place(tiles.Tile(-1, 1))]
    ended = audit("--json")
    assert ended.code == 1
    assert problems(ended) >= {("tile_missing", "tile entries/001"), ("leaves_missing", "")}


def test_a_log_that_keeps_only_full_tiles_is_audited_too(log: public_log.Log, audit: Audit) -> None:
    log.lots(200)
    narrow, key = dict(log.files), key_of_log(log)
    log.write(key)
    log.files[f"{public_log.PREFIX}/checkpoint"] = narrow[f"{public_log.PREFIX}/checkpoint"]
    for tile in (tiles.Tile(1, 0, 2),):
        log.files[log.place(tile)] = narrow[log.place(tile)]
    assert log.place(tiles.Tile(0, 2)) in log.files
    assert log.place(tiles.Tile(0, 2, 88)) not in log.files
    ended = audit()
    assert ended.code == 0, ended


def test_a_history_that_is_rewritten_after_it_was_seen_is_found_although_it_is_signed_and_whole(log: public_log.Log, audit: Audit) -> None:
    assert audit().code == 0
    rewritten = leaves.parse(log.contents[7])
    log.contents[7] = leaves.content(public_log.lot(7, at=rewritten.at, name="A moor"))
    log.lots(10)
    log.write(key_of_log(log))
    ended = audit("--json")
    assert ended.code == 1
    assert problems(ended) == {("history_rewritten", "")}
    assert audit("--json").code == 1, "what was found wrong is not remembered as right"


def test_who_sees_the_log_for_the_first_time_can_not_know_of_another_history(log: public_log.Log, audit: Audit) -> None:
    log.contents[7] = leaves.content(public_log.lot(7, at=leaves.parse(log.contents[7]).at, name="A moor"))
    log.write(key_of_log(log))
    assert audit().code == 0


def test_a_log_that_became_shorter_is_found(log: public_log.Log, audit: Audit) -> None:
    assert audit().code == 0
    log.write(key_of_log(log), size=550)
    ended = audit("--json")
    assert ended.code == 1
    assert problems(ended) == {("leaves_missing", "")}


def test_credits_that_are_imported_or_allocated_twice_are_found(log: public_log.Log, audit: Audit) -> None:
    log.append(public_log.lot(7, at=log.now))
    for serial in (serials.of_number("2026-10", 0), serials.of_number("2026-10", 1)):
        log.append(
            leaves.AllocationMade(at=log.now, serial=serial, registry="verra", block="VCS-1-9-9", from_mg=0, to_mg=leaves.MG_PER_UNIT)
        )
    log.write(key_of_log(log))
    ended = audit("--json")
    assert ended.code == 1
    found = {problem for problem, _ in problems(ended)}
    assert {"lots_overlap", "allocations_overlap", "allocation_without_receipt"} == found
    assert "lots_overlap (leaf 600): " in audit().out


def test_a_rotated_key_is_followed_from_the_one_that_was_known(log: public_log.Log, audit: Audit) -> None:
    assert audit().code == 0
    log.write(log.rotate(key_of_log(log), seed=3))
    ended = audit()
    assert ended.code == 0, ended


def test_a_checkpoint_of_a_key_that_nobody_known_vouches_for_is_found(log: public_log.Log, audit: Audit) -> None:
    assert audit().code == 0
    stranger = log.publish(LOG, seed=9)
    log.write(stranger)
    ended = audit("--json")
    assert ended.code == 1
    assert problems(ended) == {("key_unvouched", "leaf 600"), ("checkpoint_untrusted", "")}


def test_keys_that_were_got_another_way_are_held_against_the_log(log: public_log.Log, audit: Audit, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.json", tmp_path / "wrong.json"
    right.write_bytes(log.files["/.well-known/jwks.json"])
    stranger = public_log.Log()
    stranger.publish(LOG, seed=9)
    wrong.write_bytes(canonical.write(keys.KeySet(tuple(stranger.shown)).to_json()))
    assert audit("--keys", str(right)).err == ""
    ended = audit("--json", "--keys", str(wrong))
    assert (ended.code, problems(ended)) == (1, {("checkpoint_untrusted", "")})


def test_a_key_that_is_shown_and_not_told_or_told_and_not_shown_is_found(log: public_log.Log, audit: Audit) -> None:
    hidden = log.shown.pop(0)
    public_log.Log._key(log, RECEIPTS, 7)
    log.shown[-1] = keys.Key(public=log.shown[-1].public, purpose=RECEIPTS, nbf=int(public_log.START.timestamp()))
    log.write(key_of_log(log))
    ended = audit("--json")
    assert problems(ended) == {("key_withheld", ""), ("key_unlogged", "")}
    assert hidden.kid in "".join(one["text"] for one in ended.json["findings"])


def test_a_copy_is_laid_out_as_the_log_and_saves_asking_again(log: public_log.Log, audit: Audit, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert audit("--mirror", str(copy)).code == 0
    assert {f"/v1/public/log/{path.relative_to(copy)}" for path in copy.rglob("*") if path.is_file()} == {
        place for place in log.files if place.startswith(public_log.PREFIX)
    }
    assert (copy / "tile/entries/001").read_bytes() == log.files[log.place(tiles.Tile(-1, 1))]
    log.asked.clear()
    assert audit("--mirror", str(copy)).code == 0
    assert {place.rpartition("/tile/")[2] for place in log.asked if "/tile/" in place} == {
        "entries/002.p/88", "0/002.p/88", "1/000.p/2",
    }  # fmt: skip


def test_what_is_no_log_or_no_address_is_not_done(log: public_log.Log, audit: Audit, tmp_path: Path) -> None:
    log.files[f"{public_log.PREFIX}/checkpoint"] = b"hello"
    assert audit().code == 2
    del log.files[f"{public_log.PREFIX}/checkpoint"]
    assert audit().code == 2
    broken = tmp_path / "state.json"
    broken.write_text("{}")
    assert audit("--state", str(broken)).code == 2
    assert typer.testing.CliRunner().invoke(cli.log, ["audit", "ftp://ledger.example"]).exit_code == 2


def test_leaves_whose_time_runs_backwards_are_found(log: public_log.Log, audit: Audit) -> None:
    log.append(public_log.lot(1000, at=log.now - timedelta(hours=1)))
    log.write(key_of_log(log))
    assert problems(audit("--json")) == {("time_reversed", "leaf 600")}
