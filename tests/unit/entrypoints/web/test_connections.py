"""Words of connections: the help says what the how-to says, and a guess of the end follows from what is done."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from carbonledger.domains.connections.types import State
from carbonledger.entrypoints.web.sections.connections import guide, wording
from carbonledger.infra import queue
from carbonledger.infra.queue import types as queue_types

HOW_TO = Path(__file__).parents[4] / "docs/how-to/connect-a-provider.md"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_the_help_says_of_each_provider_what_the_how_to_says() -> None:
    section = HOW_TO.read_text().partition("## Which key")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| ")]
    told = [tuple(cell.replace("`", "") for cell in row) for row in rows[1:]]
    assert [(one.name, one.key, one.where, one.shows) for one in guide.GUIDES] == told
    for one in guide.GUIDES:
        assert re.match(rf"https://{re.escape(one.where.partition(',')[0])}/", one.address)


def test_every_state_has_words() -> None:
    assert set(wording.STATES) == set(State)


def job(state: queue.JobState, *, done: int = 0, total: int | None = None, words: str | None = None, failures: int = 0) -> queue.Job:
    return queue.Job(
        id=UUID(int=1),
        organization_id=UUID(int=2),
        name="connections.poll",
        args={},
        state=state,
        attempts=1,
        failures=failures,
        progress=queue_types.Progress(done, total, words),
        result=None,
        error=None,
        dedupe_key=None,
        request_id=None,
        traceparent=None,
        occurred_at=NOON,
        created_at=NOON,
        started_at=NOON,
        finished_at=None,
    )


@pytest.mark.parametrize(
    "given,words,left",
    [
        (job(queue.JobState.QUEUED), "It is read in a moment.", ""),
        (job(queue.JobState.QUEUED, failures=1), "It is tried again soon.", ""),
        (job(queue.JobState.RUNNING), "It is being read now.", ""),
        (job(queue.JobState.RUNNING, done=0, total=60, words="0 of 60 days"), "0 of 60 days", ""),
        (job(queue.JobState.RUNNING, done=15, total=60, words="15 of 60 days"), "15 of 60 days", "6 minutes left, by a guess"),
        (job(queue.JobState.RUNNING, done=60, total=60, words="60 of 60 days"), "60 of 60 days", ""),
    ],
)
def test_a_reading_says_how_far_it_is_and_guesses_the_rest_from_what_is_done(given: queue.Job, words: str, left: str) -> None:
    found = wording.reading(given, at=NOON + timedelta(minutes=2))
    assert (found.words, found.left) == (words, left)
