"""The judge of the chaos run notices each thing that may go wrong, and nothing in a run in which nothing did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.soak.storm import book as books
from tests.soak.storm import facts, judge
from tests.soak.storm.book import Ask, Kind

ORGANIZATION, SANDBOX, HOUSE = "customer-0", "sandbox-0", "house"
TO = "2026-01-02T00:00:00Z"


@dataclass
class Case:
    """A small run in which everything went well, for a test to spoil."""

    book: books.Book
    items: list[facts.Item]
    events: list[facts.Event]
    jobs: list[facts.Job]
    letters: list[facts.Letter]
    values: dict[str, str]
    clocks: dict[str, str]

    def violations(self) -> list[str]:
        found = facts.Found(tuple(self.items), tuple(self.events), tuple(self.jobs), tuple(self.letters), self.values, self.clocks)
        return judge.violations(self.book, found)

    def thing(self, id_: str) -> books.Thing:
        return next(thing for thing in self.book.things if thing.id == id_)


def thing(kind: Kind, id_: str, **more: Any) -> books.Thing:
    label = f"{id_}@example.com" if kind is Kind.INVITATION else id_
    return books.Thing(kind, ORGANIZATION, more.pop("label", label), under_way=None, id=id_, **more)


def item(kind: Kind, id_: str, label: str, hint: str | None = None, *, is_ended: bool = False) -> facts.Item:
    return facts.Item(kind, ORGANIZATION, id_, label, hint, is_ended)


def event(action: str, target: str, organization: str = ORGANIZATION, **after: str) -> facts.Event:
    return facts.Event(f"event of {action} {target}", organization, action, target, after)


def job(id_: str, name: str, state: str = "succeeded", attempts: int = 1, **args: str) -> facts.Job:
    return facts.Job(id_, name, args, state, None, attempts)


def well() -> Case:
    """A key rotated twice, one deleted, an API key revoked, a letter sent, one refused and told, a clock moved, a vault resealed."""
    parked = event("job.parked", "job-no")
    return Case(
        book=books.Book(
            given={"first"},
            things=[
                thing(Kind.LLM_KEY, "kept", value="sk-third", rotations=2),
                thing(Kind.LLM_KEY, "gone", value="sk-gone", is_ended=True),
                thing(Kind.API_KEY, "revoked", is_ended=True),
                thing(Kind.INVITATION, "ben"),
                thing(Kind.INVITATION, "no", label="refused-no@example.com"),
            ],
            moves=[books.Move(SANDBOX, TO, "job-clock")],
            resealing=books.Resealing(["job-seal"]),
        ),
        items=[
            item(Kind.LLM_KEY, "kept", "kept", "hird"),
            item(Kind.API_KEY, "revoked", "revoked", is_ended=True),
            item(Kind.API_KEY, "first", "First key"),
            item(Kind.INVITATION, "ben", "ben@example.com"),
            item(Kind.INVITATION, "no", "refused-no@example.com"),
        ],
        events=[
            event("llm_key.created", "kept"),
            event("llm_key.rotated", "kept"),
            event("llm_key.rotated", "kept"),
            event("llm_key.created", "gone"),
            event("llm_key.deleted", "gone"),
            event("api_key.created", "first"),
            event("api_key.created", "revoked"),
            event("api_key.revoked", "revoked"),
            event("invitation.created", "ben"),
            event("invitation.created", "no"),
            parked,
            event("clock.advance_asked", "sandbox", SANDBOX, job_id="job-clock"),
            event("clock.advanced", "sandbox", SANDBOX, clock_at="2026-01-02T00:00:00+00:00"),
            event("vault.reseal_requested", "job-seal", HOUSE),
        ],
        jobs=[
            job("job-ben", judge.INVITE, attempts=2, invitation_id="ben"),
            job("job-no", judge.INVITE, "parked", invitation_id="no"),
            job("job-find", judge.FIND, event_id=parked.id),
            job("job-tell", judge.TELL, event_id=parked.id),
            job("job-clock", judge.ADVANCE, to="2026-01-02T00:00:00+00:00"),
            job("job-seal", judge.RESEAL),
        ],
        letters=[
            facts.Letter("ben@example.com", "<1@soak>", "", "token"),
            facts.Letter("ben@example.com", "<2@soak>", "", "token of the second attempt"),  # at least once
            facts.Letter("operator@example.com", "<3@soak>", parked.id, ""),
        ],
        values={"kept": "sk-third"},
        clocks={SANDBOX: TO},
    )


def test_a_run_in_which_all_went_well_has_no_violation() -> None:
    assert well().violations() == []


SPOILED: list[tuple[Callable[[Case], object], str]] = [
    # an acknowledged write is lost, comes twice, or was somebody else's
    (lambda case: case.items.pop(0), "llm_key kept (kept) was acknowledged and is there 0 times"),
    (lambda case: case.items.append(case.items[0]), "llm_key kept (kept) was acknowledged and is there 2 times"),
    (lambda case: case.items.append(item(Kind.API_KEY, "twin", "revoked")), "api_key revoked is there 2 times"),
    (lambda case: case.items.append(item(Kind.API_KEY, "x", "y")), "api_key x (y) is there, and no client was told of it"),
    (lambda case: move(case, "customer-1"), "llm_key kept (kept) is in customer-1, not in customer-0"),
    # an acknowledged end did not last, or came without being asked for
    (lambda case: case.items.append(item(Kind.LLM_KEY, "gone", "gone", "gone")), "llm_key gone (gone) was deleted and is there"),
    (lambda case: end(case, "revoked", is_ended=False), "api_key revoked (revoked) is live, acknowledged was ended"),
    (lambda case: end(case, "ben", is_ended=True), "invitation ben (ben@example.com) is ended, acknowledged was live"),
    # an acknowledged rotation was lost: what is shown, and what is sealed
    (lambda case: hint(case, "cond"), "llm_key kept (kept) shows cond, the last acknowledged was hird"),
    (lambda case: case.values.update(kept="sk-second"), "llm_key kept (kept) does not hold the value that was acknowledged last"),
    # a request without an answer
    (lambda case: setattr(case.thing("kept"), "under_way", Ask.ROTATE), "llm_key kept: rotate was never answered"),
    (lambda case: case.book.surprises.append("seen by a client"), "seen by a client"),
    # events: one is missing, one is doubled, one is of nothing
    (lambda case: case.events.pop(1), "llm_key kept (kept) has 1 events llm_key.rotated, not 2"),
    (lambda case: case.events.append(case.events[4]), "llm_key gone (gone) has 2 events llm_key.deleted, not 1"),
    (
        lambda case: case.events.append(event("llm_key.created", "nobody's")),
        "1 events llm_key.created in customer-0 are about nobody's, where nothing was acknowledged",
    ),
    # jobs: not ended, failed, missing, doubled
    (lambda case: state(case, "job-clock", "running"), "job identity.advance_clock job-clock is running"),
    (lambda case: state(case, "job-clock", "parked"), "job identity.advance_clock job-clock was parked: None"),
    (lambda case: case.jobs.pop(0), "invitation ben (ben@example.com) has 0 jobs that mail it"),
    (lambda case: case.jobs.append(replace(case.jobs[0], id="again")), "invitation ben (ben@example.com) has 2 jobs that mail it"),
    (
        lambda case: case.jobs.append(job("stray", judge.INVITE, invitation_id="nobody")),
        "invitation nobody has a job, and no client was told of it",
    ),
    # letters: none, more than attempts, two links under one name, one name for two people, sent although refused
    (lambda case: case.letters.__delitem__(slice(0, 2)), "invitation ben (ben@example.com) was never mailed"),
    (
        lambda case: case.letters.append(facts.Letter("ben@example.com", "<9@soak>", "", "token of nobody")),
        "invitation ben (ben@example.com) was mailed under 3 Message-Ids in 2 attempts",
    ),
    (lambda case: rename(case, 1, "<1@soak>"), "2 links of invitation ben (ben@example.com) share the Message-Id <1@soak>"),
    (
        lambda case: case.letters.append(facts.Letter("refused-no@example.com", "<1@soak>", "", "token")),
        "letters to 2 people share the Message-Id <1@soak>",
    ),
    (
        lambda case: state(case, "job-no", "succeeded"),
        "the letter of invitation no (refused-no@example.com) is said to be sent, and the mail server refuses it",
    ),
    # alerts: not raised, not told, told of nothing
    (lambda case: case.events.pop(10), "job job-no is parked and has 0 events that it was"),
    (
        lambda case: case.jobs.pop(3),
        "the alert event of job.parked job-no has 1 jobs alerts.mail, 0 jobs alerts.mail_person, and letters under 1 Message-Ids",
    ),
    (
        lambda case: case.letters.pop(),
        "the alert event of job.parked job-no has 1 jobs alerts.mail, 1 jobs alerts.mail_person, and letters under 0 Message-Ids",
    ),
    (lambda case: case.jobs.append(job("j", judge.TELL, event_id="e")), "a job alerts.mail_person tells of e, which is no alert"),
    # clocks: moved twice, not moved, elsewhere
    (
        lambda case: case.events.append(case.events[12]),
        "the clock of sandbox-0 to 2026-01-02T00:00:00Z: 1 jobs, asked 1 times, moved 2 times",
    ),
    (
        lambda case: case.events.pop(12),
        "the clock of sandbox-0 to 2026-01-02T00:00:00Z: 1 jobs, asked 1 times, moved 0 times",
    ),
    (
        lambda case: case.clocks.update({SANDBOX: "2026-01-01T00:00:00Z"}),
        "the clock of sandbox-0 shows 2026-01-01T00:00:00Z, acknowledged was 2026-01-02T00:00:00Z",
    ),
    # the vault
    (lambda case: case.jobs.pop(5), "the resealing job job-seal was acknowledged and is not there"),
    (lambda case: case.events.pop(13), "the resealing job job-seal was acknowledged 1 times and has 0 events"),
]  # fmt: skip


def move(case: Case, organization: str) -> None:
    case.items[0] = replace(case.items[0], organization=organization)


def end(case: Case, id_: str, *, is_ended: bool) -> None:
    case.items[:] = [replace(one, is_ended=is_ended) if one.id == id_ else one for one in case.items]


def hint(case: Case, shown: str) -> None:
    case.items[0] = replace(case.items[0], hint=shown)


def state(case: Case, id_: str, now: str) -> None:
    case.jobs[:] = [replace(one, state=now) if one.id == id_ else one for one in case.jobs]


def rename(case: Case, number: int, message_id: str) -> None:
    case.letters[number] = replace(case.letters[number], message_id=message_id)


@pytest.mark.parametrize("spoil,words", SPOILED, ids=[words for _, words in SPOILED])
def test_each_thing_that_goes_wrong_is_a_violation(spoil: Callable[[Case], object], words: str) -> None:
    case = well()
    spoil(case)
    assert words in case.violations()


def test_what_was_never_answered_may_be_there_or_not() -> None:
    for is_there in (True, False):
        case = well()
        case.book.things.append(books.Thing(Kind.API_KEY, ORGANIZATION, "uncertain"))
        if is_there:
            case.items.append(item(Kind.API_KEY, "new", "uncertain"))
            case.events.append(event("api_key.created", "new"))
        assert case.violations() == ["api_key uncertain: make was never answered"]


def test_a_command_that_was_killed_may_have_changed_the_key_or_not() -> None:
    for events in (0, 1):
        case = well()
        case.book.resealing.unanswered = 1
        case.events += [event("vault.reseal_requested", "job-seal", HOUSE)] * events
        assert case.violations() == []


def test_a_letter_to_somebody_whose_invitation_was_withdrawn_need_not_have_gone() -> None:
    case = well()
    case.thing("ben").is_ended = True
    case.items[3] = replace(case.items[3], label="", is_ended=True)  # the address is forgotten
    case.events.append(event("invitation.revoked", "ben"))
    del case.letters[:2]
    assert case.violations() == []
