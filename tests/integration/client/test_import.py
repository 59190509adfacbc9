"""The import against a peer that dedupes by key: nothing twice, nothing lost, one bad row never sinks the others."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import until
from tests.integration.client import peer as peers
from tests.integration.client.conftest import AZURE, AZURE_MAP, Ledger

MAIN = "carbonledger.entrypoints.cli.main"
HEAD = "when,model,in,out\n"
MAP = ("--map", "occurred_at=when", "--map", "model=model", "--map", "input=in", "--map", "output=out", "--set", "provider=openai")


def table(tmp_path: Path, *lines: str, name: str = "usage.csv") -> Path:
    file = tmp_path / name
    file.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return file


def many(tmp_path: Path, number: int) -> Path:
    return table(tmp_path, *(f"2026-01-01 00:00:00,gpt-4o,{row},1" for row in range(1, number + 1)))


def test_the_azure_trace_arrives_with_the_totals_of_its_readme_and_again_adds_nothing(ledger: Ledger, peer: peers.Peer) -> None:
    first = ledger("import", "csv", AZURE, *AZURE_MAP, "--json")
    again = ledger("import", "csv", AZURE, *AZURE_MAP, "--json")

    assert (first.code, again.code) == (0, 0)
    assert (first.json["accepted"], first.json["duplicate"]) == (19_366, 0)
    assert (again.json["accepted"], again.json["duplicate"]) == (0, 19_366)
    assert (peer.total("uncached_input"), peer.total("output")) == (22_361_870, 4_088_665)
    assert first.json["tokens"] == {"uncached_input": 22_361_870, "output": 4_088_665}
    assert peer.batches == [10_000, 9_366] * 2


def test_gzip_plain_and_stdin_are_the_same_rows(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    plain = many(tmp_path, 7)
    packed = tmp_path / "usage.data"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    codes = [
        ledger("import", "csv", plain, *MAP).code,
        ledger("import", "csv", packed, *MAP).code,
        ledger("import", "csv", "-", *MAP, stdin=plain.read_bytes()).code,
    ]

    assert codes == [0, 0, 0]
    assert len(peer.events) == 7


def test_what_is_sent_is_the_item_of_the_api(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    file = table(tmp_path, "2026-01-31 23:30:00,gpt-4o,1000,500")

    ledger("import", "csv", file, *MAP, "--time-zone", "America/New_York", "--set", "account=customer-7", "--set", "requests=3")

    [(key, item)] = peer.events.items()
    assert key.startswith("file:")
    assert key.endswith(":1")
    assert item == {
        "idempotency_key": key,
        "occurred_at": "2026-02-01T04:30:00Z",
        "provider": "openai",
        "model": "gpt-4o",
        "account": "customer-7",
        "requests": 3,
        "tokens": {"uncached_input": 1000, "output": 500},
    }


def test_one_bad_row_never_sinks_the_others(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    file = table(
        tmp_path,
        "2026-01-01T00:00:00Z,gpt-4o,10,1",
        "2026-01-01T00:00:00Z,gpt-4o,-10,1",  # rejected here
        "2026-01-01T00:00:00Z,refused,10,1",  # rejected there
        '2026-01-01T00:00:00Z,"gpt-4o"x,10,1',  # no record at all
        "2026-01-01T00:00:00Z,gpt-4o,20,2",
    )
    rejects = tmp_path / "rejects.csv"

    ended = ledger("import", "csv", file, *MAP, "--json", "--rejects", rejects)

    assert ended.code == 1
    assert (ended.json["rows"], ended.json["accepted"], ended.json["rejected"]) == (5, 2, 3)
    assert ended.json["rejected_by_code"] == {"count_invalid": 1, "csv_broken": 1, "model_refused": 1}
    assert ended.json["tokens"] == {"uncached_input": 30, "output": 3}
    with rejects.open(newline="") as handle:
        written = list(csv.DictReader(handle))
    assert [(row["rejected_row"], row["rejected_code"], row["in"]) for row in written] == [
        ("2", "count_invalid", "-10"),
        ("4", "csv_broken", None),
        ("3", "model_refused", "10"),
    ]
    assert len(peer.events) == 2


@pytest.mark.parametrize("faults", [[429], [503, 502], ["drop"], ["lose"], [504, "drop", 429]])
def test_a_server_that_says_later_is_asked_again(ledger: Ledger, peer: peers.Peer, tmp_path: Path, faults: list[int | str]) -> None:
    peer.faults = faults

    ended = ledger("import", "csv", many(tmp_path, 3), *MAP, "--json")

    assert ended.code == 0
    assert ended.json["accepted"] + ended.json["duplicate"] == 3
    assert peer.total("uncached_input") == 6


def test_a_defect_of_the_server_ends_the_import_and_the_next_run_goes_on(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    file = many(tmp_path, 25_000)
    peer.answered = lambda number: peer.faults.append(500) if number == 1 else None

    broken = ledger("import", "csv", file, *MAP, "--json")
    peer.answered = lambda _: None
    resumed = ledger("import", "csv", file, *MAP, "--json")

    assert broken.code == 2
    assert broken.out == ""
    assert "500 asked_for" in broken.err
    assert resumed.code == 0
    assert peer.batches == [10_000, 10_000, 5_000]  # the first was not sent again
    assert (resumed.json["accepted"], resumed.json["duplicate"]) == (25_000, 0)
    assert resumed.json["tokens"]["uncached_input"] == sum(range(1, 25_001)) == peer.total("uncached_input")
    assert [entry for entry in (tmp_path / "state").rglob("*") if entry.is_file()] == []  # an import that is complete needs none


def test_a_killed_import_goes_on_where_it_was(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    file, first_done, release = many(tmp_path, 25_000), threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == 2:
            first_done.set()
            release.wait(until.DEADLINE_S)

    peer.answered = hold
    command = "import typer; from carbonledger_client import cli; app = typer.Typer(); app.command()(cli.import_file); app()"
    child = subprocess.Popen([sys.executable, "-c", command, "csv", str(file), *MAP], env=os.environ)
    assert first_done.wait(until.DEADLINE_S)
    child.send_signal(signal.SIGKILL)
    child.wait(until.DEADLINE_S)
    release.set()
    peer.answered = lambda _: None
    resumed = ledger("import", "csv", file, *MAP, "--json")

    assert resumed.code == 0
    assert resumed.json["accepted"] + resumed.json["duplicate"] == 25_000
    assert peer.total("uncached_input") == sum(range(1, 25_001))


def test_a_file_that_is_no_state_is_passed_over_with_a_word_and_left_alone(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{ this was never ours")

    ended = ledger("import", "csv", many(tmp_path, 3), *MAP, "--json", "--state", state)

    assert ended.code == 0
    assert ended.json["accepted"] == 3
    assert "is passed over" in ended.json["notes"][0]
    assert state.read_text() == "{ this was never ours"


def test_another_mapping_of_the_same_file_does_not_go_on_from_the_first_one(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    file = many(tmp_path, 15_000)
    state = tmp_path / "state.json"
    peer.answered = lambda number: peer.faults.append(500) if number == 1 else None
    assert ledger("import", "csv", file, *MAP, "--state", state).code == 2
    peer.answered = lambda _: None

    ended = ledger("import", "csv", file, *MAP, "--set", "region=eu", "--json", "--state", state)

    assert (ended.json["revised"], ended.json["accepted"]) == (10_000, 5_000)
    assert "of another import" in ended.json["notes"][0]


def test_a_batch_that_is_refused_as_a_whole_is_halved_down_to_the_row(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    peer.refuses_batch = lambda items: 422 if any(item["tokens"]["uncached_input"] == 700 for item in items) else None

    ended = ledger("import", "csv", many(tmp_path, 1000), *MAP, "--json")

    assert ended.code == 1
    assert ended.json["rejections"] == [{"row": 700, "code": "batch_refused", "detail": "Not now."}]
    assert len(peer.events) == 999


def test_a_proxy_with_a_smaller_limit_gets_smaller_batches(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    peer.refuses_batch = lambda items: 413 if len(items) > 3000 else None

    ended = ledger("import", "csv", many(tmp_path, 12_000), *MAP, "--json")

    assert ended.code == 0
    assert ended.json["accepted"] == 12_000
    assert max(peer.batches) <= 3000


def test_a_dry_run_sends_nothing_and_needs_no_server_and_no_key(
    ledger: Ledger, peer: peers.Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CARBONLEDGER_API_KEY")
    monkeypatch.setenv("CARBONLEDGER_URL", "http://127.0.0.1:1")

    ended = ledger(
        "import", "csv", table(tmp_path, "2026-01-01,gpt-4o,10,1", "2026-01-01,gpt-4o,,", "31.01.2026,gpt-4o,1,1"), *MAP, "--dry-run"
    )

    assert ended.code == 1
    assert "3 rows: 1 would be sent, 2 rejected, 0 skipped." in ended.out
    assert "row 2: tokens_missing" in ended.out
    assert "row 3: occurred_at_invalid" in ended.out
    assert not peer.headers


REST = ("--map", "model=model", "--map", "input=in", "--set", "provider=openai")


@pytest.mark.parametrize(
    "words, said",
    [
        ((*REST, "--map", "occurred_at=time"), "has no column 'time'"),
        ((*REST, "--map", "ocurred_at=when"), "did you mean occurred_at"),
        ((*REST, "--map", "occurred_at=when", "--set", "output=1,000"), "plain digits"),
        ((*REST, "--map", "occurred_at=when", "--map", "uncached_input=in"), "not both"),
        (REST, "what is occurred_at"),
        ((*MAP, "--time-zone", "Mars/Olympus"), "no time zone"),
        ((*MAP, "--delimiter", "::"), "not one character"),
        ((*MAP, "--url", "localhost:8400"), "not the address of a server"),
    ],
)
def test_what_can_never_work_ends_before_anything_is_sent(
    ledger: Ledger, peer: peers.Peer, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    ended = ledger("import", "csv", table(tmp_path, "2026-01-01,gpt-4o,10,1"), *words)

    assert ended.code == 2
    assert said in ended.err
    assert not peer.headers


def test_a_wrong_key_is_said_and_never_shown(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("cl_live_wrongwrongwrong\n")

    ended = ledger("import", "csv", many(tmp_path, 1), *MAP, "--api-key-file", key_file)

    assert ended.code == 2
    assert "401 unauthenticated" in ended.err
    assert "wrongwrong" not in ended.err + ended.out
    assert peer.headers[0]["Authorization"] == "Bearer cl_live_wrongwrongwrong"


def test_json_lines_that_are_items_already_and_others_by_dotted_paths(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    tokens = {"uncached_input": 5, "output": 6}
    item = {
        "idempotency_key": "mine-1",
        "occurred_at": "2026-01-01T00:00:00+01:00",
        "provider": "openai",
        "model": "gpt-4o",
        "tokens": tokens,
    }
    items.write_text(
        json.dumps(item) + "\n\n" + json.dumps({**item, "idempotency_key": None, "usage": {}, "tokens": None}) + "\nnot json\n"
    )
    logged = tmp_path / "logged.jsonl"
    logged.write_text(
        json.dumps({"at": 1_767_225_600, "call": {"model": "gpt-4o"}, "usage": {"prompt_tokens": 9, "details": [{"cached": 4}], "out": 2}})
    )
    paths = ("occurred_at=at", "model=call.model", "input=usage.prompt_tokens", "cached_input=usage.details.0.cached", "output=usage.out")

    first = ledger("import", "jsonl", items, "--json")
    second = ledger("import", "jsonl", logged, *(word for path in paths for word in ("--map", path)), "--set", "provider=openai", "--json")

    assert (first.code, first.json["accepted"]) == (1, 1)
    assert [(row["row"], row["code"]) for row in first.json["rejections"]] == [(2, "usage_invalid"), (3, "json_broken")]
    assert peer.events["mine-1"]["occurred_at"] == "2025-12-31T23:00:00Z"
    assert second.json["tokens"] == {"uncached_input": 5, "cached_input": 4, "output": 2}


# Prints the largest size that the process had. Linux counts the parent's size into ru_maxrss of a forked child, but not into VmHWM.
PEAK = """
import pathlib, re, resource, sys, typer
from carbonledger_client import cli
app = typer.Typer()
app.command()(cli.import_file)
app(standalone_mode=False)
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) * 1024, file=sys.stderr)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def test_a_large_file_takes_no_more_memory_than_a_small_one(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    """A process that sends 30 full batches stays within 15 MB of one that sends two, which is 54 bytes a row."""
    peer.answer_item = lambda index, _: {"index": index, "status": "accepted", "id": "x"}
    peaks = []
    for number in (20_000, 300_000):
        words = ("csv", str(many(tmp_path, number)), *MAP, "--json")
        child = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, check=True, timeout=300)
        assert json.loads(child.stdout)["accepted"] == number
        peaks.append(int(child.stderr))

    assert peaks[0] > 20_000_000  # measured at all
    assert peaks[1] - peaks[0] < 15_000_000, peaks


def test_an_interruption_by_hand_says_how_to_go_on(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    file, sent, release = many(tmp_path, 25_000), threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == 2:  # of three: the third waits for an answer
            sent.set()
            release.wait(until.DEADLINE_S)

    peer.answered = hold
    child = subprocess.Popen([sys.executable, "-m", MAIN, "import", "csv", str(file), *MAP], env=os.environ, stderr=subprocess.PIPE)
    assert sent.wait(until.DEADLINE_S)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=until.DEADLINE_S)
    release.set()

    assert child.returncode == 130
    assert b"run the same command again to go on" in err
