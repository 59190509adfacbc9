"""Compares what clients were told with what is there. Values in, violations in words out; it looks at nothing itself.

The rules, each a function:

- a thing that was acknowledged is there once, under its id, as it was acknowledged last; nothing is there that nobody asked for;
- each effect has one event, and each event an effect;
- every job ended, and well (but for letters that the mail server refuses for good: those are parked, and told to the operators);
- jobs whose effect is in the database (clocks, vault) have it exactly once; letters, which leave it, come at least once; an alert always
  under the same Message-Id, a letter with a one-use link under one for each attempt at it, so that no Message-Id has two links; and the
  link in the last one works.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from tests.soak.storm.book import REFUSED, Book, Kind, Thing
from tests.soak.storm.facts import Event, Found, Item, Job, Letter

INVITE, FIND, TELL, ADVANCE, RESEAL = (
    "identity.mail_invitation",
    "alerts.mail",
    "alerts.mail_person",
    "identity.advance_clock",
    "vault.reseal",
)
_ENDED = {Kind.LLM_KEY: "llm_key.deleted", Kind.API_KEY: "api_key.revoked", Kind.INVITATION: "invitation.revoked"}


def violations(book: Book, found: Found) -> list[str]:
    """Return every violation, in words."""
    return [
        *book.surprises,
        *_unanswered(book),
        *_things(book, found.items),
        *_values(book, found),
        *_events(book, found.events),
        *_jobs(found.jobs),
        *_invitations(book, found),
        *_alerts(found),
        *_clocks(book, found),
        *_resealing(book, found),
    ]


def _unanswered(book: Book) -> Iterator[str]:
    for thing in book.things:
        if thing.under_way is not None:
            yield f"{thing.kind.value} {thing.label}: {thing.under_way.value} was never answered"


# --- things


def _things(book: Book, items: Iterable[Item]) -> Iterator[str]:
    by_id: dict[str, list[Item]] = defaultdict(list)
    labels: Counter[tuple[Kind, str]] = Counter()
    for item in items:
        by_id[item.id].append(item)
        labels[item.kind, item.label] += bool(item.label)
    for thing in book.things:
        if thing.under_way is None:
            yield from _thing(thing, by_id.get(thing.id, []))
        if labels[thing.kind, thing.label] > 1:
            yield f"{thing.kind.value} {thing.label} is there {labels[thing.kind, thing.label]} times"
    asked_for = {thing.id for thing in book.things} | book.given
    unanswered = {thing.label for thing in book.things if not thing.id}
    for item in items:
        if item.id not in asked_for and item.label not in unanswered:
            yield f"{item.kind.value} {item.id} ({item.label}) is there, and no client was told of it"


def _thing(thing: Thing, there: list[Item]) -> Iterator[str]:
    """Judge one thing about which nothing is uncertain."""
    name = f"{thing.kind.value} {thing.id} ({thing.label})"
    is_gone = thing.is_ended and thing.kind is Kind.LLM_KEY
    if is_gone and there:
        yield f"{name} was deleted and is there"
    elif len(there) != 1 and not is_gone:
        yield f"{name} was acknowledged and is there {len(there)} times"
    for item in there:
        if item.organization != thing.organization:
            yield f"{name} is in {item.organization}, not in {thing.organization}"
        if item.is_ended is not thing.is_ended and not is_gone:
            yield f"{name} is {'ended' if item.is_ended else 'live'}, acknowledged was {'ended' if thing.is_ended else 'live'}"
        if item.label not in {thing.label, ""}:
            yield f"{name} is called {item.label}"
        if thing.kind is Kind.LLM_KEY and item.hint != thing.value[-4:]:
            yield f"{name} shows {item.hint}, the last acknowledged was {thing.value[-4:]}"


def _values(book: Book, found: Found) -> Iterator[str]:
    for thing in book.things:
        is_kept = thing.kind is Kind.LLM_KEY and thing.under_way is None and not thing.is_ended
        if is_kept and found.values.get(thing.id) != thing.value:
            yield f"llm_key {thing.id} ({thing.label}) does not hold the value that was acknowledged last"


# --- events


def _events(book: Book, events: Iterable[Event]) -> Iterator[str]:
    many = Counter((event.action, event.target_id, event.organization) for event in events)
    for thing in book.things:
        for action, times in _expected(thing).items():
            seen = many.pop((action, thing.id, thing.organization), 0)
            if seen != times and thing.under_way is None:
                yield f"{thing.kind.value} {thing.id} ({thing.label}) has {seen} events {action}, not {times}"
    has_uncertain = any(thing.under_way is not None for thing in book.things)
    for (action, target_id, organization), seen in many.items():
        is_of_a_thing = action.partition(".")[0] in {kind.value for kind in Kind} and target_id not in book.given
        if is_of_a_thing and not has_uncertain:
            yield f"{seen} events {action} in {organization} are about {target_id}, where nothing was acknowledged"


def _expected(thing: Thing) -> dict[str, int]:
    word = thing.kind.value
    return {f"{word}.created": int(bool(thing.id)), f"{word}.rotated": thing.rotations, _ENDED[thing.kind]: int(thing.is_ended)}


# --- jobs


def _jobs(jobs: Iterable[Job]) -> Iterator[str]:
    for job in jobs:
        if job.state not in {"succeeded", "parked"}:
            yield f"job {job.name} {job.id} is {job.state}"
        elif job.state == "parked" and job.name != INVITE:
            yield f"job {job.name} {job.id} was parked: {job.error}"


def _invitations(book: Book, found: Found) -> Iterator[str]:
    jobs: dict[str, list[Job]] = defaultdict(list)
    for job in found.jobs:
        if job.name == INVITE:
            jobs[job.args["invitation_id"]].append(job)
    letters: dict[str, list[Letter]] = defaultdict(list)
    for letter in found.letters:
        letters[letter.to].append(letter)
    for thing in book.things:
        if thing.kind is Kind.INVITATION and thing.under_way is None:
            yield from _invitation(thing, jobs.pop(thing.id, []), letters[thing.label])
    if not any(thing.kind is Kind.INVITATION and thing.under_way is not None for thing in book.things):
        yield from (f"invitation {id_} has a job, and no client was told of it" for id_ in jobs)
    senders = Counter(message_id for sent in letters.values() for message_id in {letter.message_id for letter in sent if letter.token})
    yield from (f"letters to {times} people share the Message-Id {message_id}" for message_id, times in senders.items() if times > 1)


def _invitation(thing: Thing, jobs: list[Job], letters: list[Letter]) -> Iterator[str]:
    name = f"invitation {thing.id} ({thing.label})"
    if len(jobs) != 1:
        yield f"{name} has {len(jobs)} jobs that mail it"
        return
    is_refused = thing.label.startswith(REFUSED)
    if jobs[0].state == "parked" and not is_refused:
        yield f"the letter of {name} was parked: {jobs[0].error}"
    if jobs[0].state == "succeeded" and is_refused and not thing.is_ended:
        yield f"the letter of {name} is said to be sent, and the mail server refuses it"
    if not letters and not is_refused and not thing.is_ended:
        yield f"{name} was never mailed"
    links: dict[str, set[str]] = defaultdict(set)
    for letter in letters:
        links[letter.message_id].add(letter.token)
    if len(links) > jobs[0].attempts:
        yield f"{name} was mailed under {len(links)} Message-Ids in {jobs[0].attempts} attempts"
    yield from (f"{len(some)} links of {name} share the Message-Id {message_id}" for message_id, some in links.items() if len(some) > 1)


def _alerts(found: Found) -> Iterator[str]:
    """Each job that was parked has one event, which is told once to each of the operators, of whom the run has one."""
    alerts = [event for event in found.events if event.action == "job.parked"]
    parked = {job.id for job in found.jobs if job.state == "parked"}
    told = Counter(event.target_id for event in alerts)
    for job_id in parked | told.keys():
        if told[job_id] != (job_id in parked):
            yield f"job {job_id} is {'parked' if job_id in parked else 'not parked'} and has {told[job_id]} events that it was"
    jobs = Counter((job.name, job.args["event_id"]) for job in found.jobs if job.name in {FIND, TELL})
    ids: dict[str, set[str]] = defaultdict(set)
    for letter in found.letters:
        if letter.event_id:
            ids[letter.event_id].add(letter.message_id)
    for event in alerts:
        many, mailed = [jobs.pop((name, event.id), 0) for name in (FIND, TELL)], len(ids.pop(event.id, ()))
        if (*many, mailed) != (1, 1, 1):
            yield f"the alert {event.id} has {many[0]} jobs {FIND}, {many[1]} jobs {TELL}, and letters under {mailed} Message-Ids"
    yield from (f"a job {name} tells of {event_id}, which is no alert" for name, event_id in jobs)
    yield from (f"a letter tells of {event_id}, which is no alert" for event_id in ids)


def _clocks(book: Book, found: Found) -> Iterator[str]:
    jobs = Counter(job.args["to"].replace("+00:00", "Z") + job.id for job in found.jobs if job.name == ADVANCE)
    asked = Counter((event.organization, event.after["job_id"]) for event in found.events if event.action == "clock.advance_asked")
    arrived = Counter(
        (event.organization, event.after["clock_at"].replace("+00:00", "Z")) for event in found.events if event.action == "clock.advanced"
    )
    last: dict[str, str] = {}
    for move in book.moves:
        name = f"the clock of {move.organization} to {move.to}"
        if not move.job_id:
            yield f"{name}: the request was never answered"
            continue
        last[move.organization] = move.to
        counts = (
            jobs.pop(move.to + move.job_id, 0),
            asked.pop((move.organization, move.job_id), 0),
            arrived.pop((move.organization, move.to), 0),
        )
        if counts != (1, 1, 1):
            yield f"{name}: {counts[0]} jobs, asked {counts[1]} times, moved {counts[2]} times"
    for organization, to in last.items():
        if found.clocks.get(organization) != to:
            yield f"the clock of {organization} shows {found.clocks.get(organization)}, acknowledged was {to}"
    if all(move.job_id for move in book.moves) and (jobs or asked or arrived):
        yield f"clocks moved that nobody asked for: {[*jobs, *asked, *arrived][:3]}"


def _resealing(book: Book, found: Found) -> Iterator[str]:
    """Commands that were killed or cut off may have had their effect; each acknowledged one has its job and its event."""
    jobs = {job.id for job in found.jobs if job.name == RESEAL}
    events = Counter(event.target_id for event in found.events if event.action == "vault.reseal_requested")
    for job_id, times in Counter(book.resealing.job_ids).items():
        if job_id not in jobs:
            yield f"the resealing job {job_id} was acknowledged and is not there"
        if not times <= events[job_id] <= times + book.resealing.unanswered:
            yield f"the resealing job {job_id} was acknowledged {times} times and has {events[job_id]} events"
    many = sum(events.values())
    if not 0 <= many - len(book.resealing.job_ids) <= book.resealing.unanswered:
        yield f"{len(book.resealing.job_ids)} resealings were acknowledged, {book.resealing.unanswered} unanswered, and {many} have events"
