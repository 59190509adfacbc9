"""The run that kills at every step: messages are understood as the protocol says, steps are counted, and the judge notices."""

from __future__ import annotations

import random
import struct
from collections import Counter

import pytest

from tests.soak import steps
from tests.soak.bystep import judge, wire
from tests.soak.bystep.fate import Fate, Place, Step
from tests.soak.bystep.provider import Told
from tests.soak.bystep.running import Victim
from tests.soak.bystep.scenes import Scene

SCENE = Scene("one event", "api", "first", Told(0, (), ()))


def message(kind: str, content: bytes = b"") -> bytes:
    """A message as the protocol writes it: kind, length with itself in it, content."""
    return kind.encode() + struct.pack("!I", 4 + len(content)) + content


def parse(name: bytes, sql: bytes) -> bytes:
    return message("P", name + b"\0" + sql + b"\0" + struct.pack("!H", 0))


def bind(name: bytes) -> bytes:
    return message("B", b"\0" + name + b"\0" + struct.pack("!HHH", 0, 0, 0))


STARTUP = struct.pack("!II", 8 + len(b"user\0ann\0application_name\0worker\0\0"), 196608) + b"user\0ann\0application_name\0worker\0\0"


@pytest.mark.parametrize("size", [1, 3, 7, 1000])  # however the stream comes in parts
def test_a_stream_is_cut_into_its_messages(size: int) -> None:
    whole = [STARTUP, message("Q", b"SELECT 1\0"), message("S")]
    stream, frames = b"".join(whole), wire.Frames(begins=True)
    found = [frame for at in range(0, len(stream), size) for frame in frames.feed(stream[at : at + size])]
    assert found == [(wire.STARTUP, whole[0]), (ord("Q"), whole[1]), (ord("S"), whole[2])]
    assert wire.application(whole[0]) == "worker"


def test_one_that_asks_to_cancel_has_no_name() -> None:
    assert wire.application(struct.pack("!IIII", 16, 80877102, 7, 8)) == ""


def said(asker: wire.Asker, *frames: bytes) -> tuple[bytes, list[str]]:
    """What is sent on, and the words of what asks."""
    heard = [asker.hears(frame[0], frame) for frame in frames]
    return b"".join(sent for sent, _ in heard), [words for _, words in heard if words is not None]


def test_a_batch_is_held_until_it_asks_and_a_statement_is_known_by_its_words() -> None:
    asker = wire.Asker()
    assert asker.hears(ord("P"), parse(b"s1", b"SELECT\n  $1")) == (b"", None)
    assert asker.hears(ord("D"), message("D", b"Ss1\0")) == (b"", None)
    sent, words = asker.hears(ord("H"), message("H"))
    assert (sent, words) == (parse(b"s1", b"SELECT\n  $1") + message("D", b"Ss1\0") + message("H"), "prepare SELECT $1")
    assert said(asker, bind(b"s1"), message("E", b"\0" * 5), message("S"))[1] == ["SELECT $1"]
    assert said(asker, message("Q", b"COMMIT\0"))[1] == ["COMMIT after SELECT $1"]
    assert said(asker, message("p", b"a password\0")) == (message("p", b"a password\0"), [])


def test_rows_that_are_copied_are_one_step() -> None:
    asker = wire.Asker()
    assert said(asker, message("Q", b"COPY t FROM STDIN\0"))[1] == ["COPY t FROM STDIN"]
    assert said(asker, message("d", b"1"), message("d", b"2"), message("c"))[1] == ["the rows of COPY t FROM STDIN"]


@pytest.mark.parametrize(
    "asked, kinds, ends",
    [
        (b"S", "12DCZ", "Z"),  # bound, rows, done, ready
        (b"Q", "TDCZ", "Z"),
        (b"Q", "G", "G"),  # ready for rows
        (b"c", "CZ", "Z"),
        (b"H", "1tT", "T"),  # prepared, with columns
        (b"H", "1tn", "n"),  # without
        (b"H", "E", "E"),
        (b"S", "EZ", "Z"),
    ],
)
def test_an_answer_ends_where_the_protocol_says(asked: bytes, kinds: str, ends: str) -> None:
    assert "".join(kind for kind in kinds if wire.answers(asked, ord(kind))) == ends


def test_the_backend_is_known_by_its_key() -> None:
    assert wire.backend(message("K", struct.pack("!II", 4711, 1))) == 4711


def test_a_fate_strikes_once_at_the_step_and_place_it_is_for() -> None:
    killed: list[int | None] = []
    fate = Fate((Step("COMMIT", 2), Place.WITHIN), killed.append)
    passed = [fate.begins(what) for what in ("COMMIT", "BEGIN", "COMMIT")]
    assert passed == fate.passed == [Step("COMMIT", 1), Step("BEGIN", 1), Step("COMMIT", 2)]
    struck = [(step, place) for step in (*passed, passed[2]) for place in Place if fate.strikes(step, place, backend=9)]
    assert (struck, killed) == ([(Step("COMMIT", 2), Place.WITHIN)], [9])


def test_an_id_of_this_run_is_no_part_of_a_steps_name() -> None:
    assert (
        Fate(names={"0188-77": "ours"}).begins("BEGIN; SET LOCAL organization = '0188-77'").what == "BEGIN; SET LOCAL organization = 'ours'"
    )


COUNTED = [(SCENE, [Step("SELECT", number) for number in range(1, 21)])]


def test_there_is_a_kill_for_every_step_place_and_victim() -> None:
    every = steps.orders(COUNTED, seed=1)
    assert len(every) == 20 * 3 * 3
    ways = {(kill.step, kill.place, kill.victim) for kill in every}
    assert ways == {(step, place, victim) for step in COUNTED[0][1] for place in Place for victim in Victim}
    whole = steps.chosen(every, 1.0, random.Random(1))
    assert len(whole) == len(every)
    assert all(kill in whole for kill in every)


def test_a_slice_goes_evenly_over_the_steps_and_has_all_kinds() -> None:
    every = steps.orders(COUNTED, seed=1)
    some = steps.chosen(every, 0.25, random.Random(1))
    assert len(some) == 45
    assert {kill.step for kill in some} == {step for _, steps_ in COUNTED for step in steps_}
    assert ({kill.place for kill in some}, {kill.victim for kill in some}) == (set(Place), set(Victim))
    assert len(steps.chosen(every, 0.0001, random.Random(1))) == 1


def test_the_judge_says_what_is_lacking_and_what_is_there_twice() -> None:
    expected = {"telemetry_events": Counter({"a": 1, "b": 1}), "jobs": Counter({"poll succeeded": 1})}
    assert judge.differences(expected, expected) == []
    found = {"telemetry_events": Counter({"a": 2, "c": 1}), "jobs": Counter({"poll succeeded": 1})}
    lacks, *more = judge.differences(expected, found)
    assert (lacks, more) == ("telemetry_events lacks b", ["telemetry_events has beside a", "telemetry_events has beside c"])
