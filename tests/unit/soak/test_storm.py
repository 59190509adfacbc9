"""The chaos run's load and kills: what a client sends again, and when which part is killed."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from tests.soak.storm import client, family

ANSWERS: list[tuple[int, str, str | None, float | None]] = [
    (200, "", None, None),
    (201, "", None, None),
    (204, "", None, None),
    (401, "credentials_missing", None, None),
    (404, "llm_key_not_found", None, None),
    (409, "llm_key_duplicate", None, None),  # a conflict that stays
    (409, "in_progress", "1", 1.0),  # the first request with this key still runs
    (408, "request_timeout", None, 0.0),
    (429, "rate_limited", "1", 1.0),
    (500, "internal", None, 0.0),
    (503, "database_unavailable", "2", 2.0),
    (503, "database_unavailable", "3600", 5.0),  # the run is too short to wait for an hour
    (503, "", "Wed, 21 Oct 2026 07:28:00 GMT", 0.0),  # a date: as good as absent
]


@pytest.mark.parametrize("status,code,retry_after,again_s", ANSWERS)
def test_a_request_is_sent_again_until_the_answer_counts(status: int, code: str, retry_after: str | None, again_s: float | None) -> None:
    assert client.again_in_s(status, code, retry_after) == again_s


def test_a_seed_gives_the_same_kills_again_and_another_one_others() -> None:
    first, again, other = (list(islice(family.plan(random.Random(seed), mean_s=3.0), 20)) for seed in (7, 7, 8))
    assert first == again != other


def test_each_round_kills_every_part_once_at_bounded_intervals() -> None:
    kills = list(islice(family.plan(random.Random(1), mean_s=3.0), 400))
    for begin in range(0, len(kills), 4):
        assert {victim for _, victim in kills[begin : begin + 4]} == set(family.Victim)
    assert all(family.PAUSE_LEAST_S <= pause_s <= family.PAUSE_MOST_S for pause_s, _ in kills)
