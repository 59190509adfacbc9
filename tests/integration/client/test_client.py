"""The client over real sockets: when it tries again, what it makes of bad answers, and that a key stays where it belongs."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from carbonledger_client import client, errors, transport
from tests.integration.client import peer as peers

ITEM = {
    "idempotency_key": "1",
    "occurred_at": "2026-01-31T12:00:00Z",
    "provider": "openai",
    "model": "gpt-4o",
    "tokens": {"uncached_input": 1000, "output": 500},
}


@pytest.fixture
def ledger(peer: peers.Peer) -> Iterator[client.Client]:
    with client.Client(peer.address, peers.KEY, patience=transport.Patience(attempts_max=2, base_s=0.0)) as made:
        yield made


def test_events_are_sent_once_each_and_their_outcome_told(ledger: client.Client, peer: peers.Peer) -> None:
    first = ledger.send_events([ITEM, {**ITEM, "idempotency_key": "2", "model": "refused"}])
    again = ledger.send_events([ITEM])
    revised = ledger.send_events([{**ITEM, "tokens": {"uncached_input": 1, "output": 1}}])

    assert (first.accepted, first.rejected) == (1, 1)
    assert [(refusal.index, refusal.code) for refusal in first.refusals] == [(1, "model_refused")]
    assert (again.duplicate, revised.revised) == (1, 1)


def test_a_large_body_goes_packed(ledger: client.Client, peer: peers.Peer) -> None:
    ledger.send_events([{**ITEM, "idempotency_key": str(number)} for number in range(100)])

    assert peer.headers[0]["Content-Encoding"] == "gzip"
    assert len(peer.events) == 100


def test_after_the_last_attempt_the_server_is_said_to_be_away(ledger: client.Client, peer: peers.Peer) -> None:
    peer.faults = [503, 429, 200]

    with pytest.raises(errors.Unreachable, match="429 asked_for"):
        ledger.send_events([ITEM])
    assert peer.faults == [200]


def test_a_broken_line_is_said_to_be_one(ledger: client.Client, peer: peers.Peer) -> None:
    peer.faults = ["drop", "drop"]

    with pytest.raises(errors.Unreachable, match="can't be reached"):
        ledger.send_events([ITEM])


def test_a_wait_is_what_the_server_asks_for_and_some_more(peer: peers.Peer) -> None:
    peer.faults = [429, "drop", 503]
    waits: list[float] = []
    made = transport.Transport(
        peer.address, {"Authorization": f"Bearer {peers.KEY}"}, transport.Patience(), sleep=waits.append, rng=random.Random(7)
    )

    answer = made.send("GET", "/v1/telemetry/summary", repeatable=True)
    made.close()

    assert answer.status == 200
    assert [0.0 <= wait <= cap for wait, cap in zip(waits, (0.5, 1.0, 2.0), strict=True)] == [True] * 3


def test_what_may_not_be_repeated_is_not(peer: peers.Peer) -> None:
    peer.faults = [503, 503]
    made = transport.Transport(peer.address, {}, transport.Patience(base_s=0.0))

    assert made.send("POST", "/v1/anything", content=b"{}", repeatable=False).status == 503
    made.close()
    assert peer.faults == [503]


@pytest.mark.parametrize(
    "document, said",
    [
        ({"accepted": 1, "duplicate": 0, "revised": 0, "rejected": 0}, "no list of results"),
        ({"accepted": 2, "duplicate": 0, "revised": 0, "rejected": 0, "results": []}, "does not account for"),
        ({"accepted": 0, "duplicate": 0, "revised": 0, "rejected": 1, "results": []}, "does not name every event"),
        ({"accepted": 1, "rejected": 0, "results": [{"index": 9, "status": "accepted"}]}, "does not account for"),
        ({"accepted": 1, "rejected": 0, "results": [{"index": 0, "status": "lost"}]}, "status that is not known"),
        ({"accepted": True, "results": []}, "not a count"),
        ([], "not a JSON object"),
    ],
)
def test_an_answer_that_does_not_account_for_every_event_is_none(document: object, said: str) -> None:
    from carbonledger_client import models

    with pytest.raises(errors.Garbled, match=said):
        models.outcome_from_api(document, sent=1)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "ключ"])
def test_a_key_that_can_be_none_is_refused_before_it_is_sent(key: str) -> None:
    with pytest.raises(errors.Misused):
        client.Client("http://127.0.0.1:1", key)


def test_nothing_that_is_printed_of_a_client_shows_its_key(ledger: client.Client) -> None:
    assert peers.KEY not in repr(ledger) + repr(ledger._transport)
