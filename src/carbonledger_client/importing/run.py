"""The import itself: from the records of a plan to batches, from answers to counts, and on from where an earlier run was killed.

Owns: the key of a row that brings none (``file:<digest>:<row>``), which makes a second import of the same content add nothing; halving a
batch that the server refuses as a whole, so that one row never sinks the others; and the order "the server has it, then the state says so".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

import orjson

from carbonledger_client import client, errors, items, rows
from carbonledger_client.importing import batch, plans, rejects, state, tally

_HALVED = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
HALVINGS_MAX = 200  # to find ten bad rows in a full batch; past it something else is wrong
_SAME_KEY_MAX = 100_000  # buckets come in the order of time, so rows that look alike are near each other
_TOLD_EVERY = 2000


@dataclass(slots=True)
class Run:
    """One import. Without a ledger it is dry: everything is read and checked, nothing is sent.

    ``told`` hears now and then how many rows were read.
    """

    plan: plans.Plan
    digest: str
    counts: tally.Tally
    refused: rejects.Rejects
    ledger: client.Client | None = None
    state: state.State = field(default_factory=lambda: state.State(""))
    state_path: Path | None = None
    told: Callable[[int], None] = lambda _: None
    notes: list[str] = field(default_factory=list)
    _halvings: int = 0
    _items_max: int = client.EVENTS_MAX
    _earlier: dict[int, tally.Refusal] = field(default_factory=dict)

    def all(self) -> None:
        """Read every record and send every item. Raises ``errors.LedgerError``; what was sent before stays sent, and known by the state."""
        self._earlier = {refusal.row: refusal for refusal in self.state.refusals}
        for name in ("accepted", "duplicate", "revised"):
            setattr(self.counts, name, getattr(self.state, name))
        waiting = batch.Batch()
        for entry in self._entries():
            if self.ledger is None:
                self.counts.valid += 1
                self.counts.add(entry.item)
            elif entry.row <= self.state.row:
                self._recall(entry)
            else:
                if not waiting.has_room(entry, items_max=self._items_max):
                    self._deliver(waiting)
                    waiting = batch.Batch()
                waiting.add(entry)
        if waiting.entries:
            self._deliver(waiting)
        self.notes += self.plan.notes
        self.told(self.counts.read)

    def _entries(self) -> Iterator[batch.Entry]:
        """Return the rows that are good as far as can be told here; the others are counted on the way."""
        alike: OrderedDict[str, int] | None = OrderedDict() if self.plan.repeats else None
        for row, record in enumerate(self.plan.records, 1):
            self.counts.read = row
            if row % _TOLD_EVERY == 0:
                self.told(row)
            if isinstance(record, rows.Rejected):
                self._reject(tally.Refusal(row, record.code, record.detail), record.content)
                continue
            try:
                item = items.checked(self.plan.read(record))
                self._name(item, row, alike)
                entry = batch.Entry(row, item, orjson.dumps(item), record if self.refused.wanted else None)
            except rows.Skipped as skipped:
                self.counts.skipped[skipped.reason] += 1
            except rows.Rejected as problem:
                self._reject(tally.Refusal(row, problem.code, problem.detail), record)
            except orjson.JSONEncodeError as error:
                self._reject(tally.Refusal(row, "text_invalid", f"It holds what is no text: {error}."), record)
            else:
                yield entry

    def _name(self, item: rows.Item, row: int, alike: OrderedDict[str, int] | None) -> None:
        key = item.get("idempotency_key")
        if key is None:
            item["idempotency_key"] = f"file:{self.digest}:{row}"
        elif alike is not None:
            number = alike.pop(key, 0) + 1
            alike[key] = number
            if len(alike) > _SAME_KEY_MAX:
                alike.popitem(last=False)
            if number > 1:
                item["idempotency_key"] = f"{key}:{number}"

    def _recall(self, entry: batch.Entry) -> None:
        """Count a row that an earlier run sent."""
        refusal = self._earlier.get(entry.row)
        if refusal is None:
            self.counts.add(entry.item)
        else:
            self._reject(refusal, entry.record)

    def _reject(self, refusal: tally.Refusal, record: plans.Record) -> None:
        self.counts.reject(refusal)
        self.refused.write(refusal, record)

    def _deliver(self, waiting: batch.Batch) -> None:
        refusals = tuple(self._sent(waiting))
        self._remember(waiting.entries[-1].row, refusals)
        self.told(self.counts.read)

    def _sent(self, waiting: batch.Batch) -> Iterator[tally.Refusal]:
        """Send a batch, in halves if it is refused as a whole, and return the rows that the server did not take."""
        assert self.ledger is not None  # noqa: S101 - a dry run sends nothing
        try:
            outcome = self.ledger.send_encoded([entry.encoded for entry in waiting.entries], is_import=True)
        except errors.Refused as refused:
            yield from self._halved(waiting, refused)
            return
        self.counts.settle(outcome)
        taken = {result.index: result for result in outcome.refusals}
        for place, entry in enumerate(waiting.entries):
            result = taken.get(place)
            if result is None:
                self.counts.add(entry.item)
                continue
            refusal = tally.Refusal(entry.row, result.code or "rejected", result.detail or "The server gave no reason.")
            self._reject(refusal, entry.record)
            yield refusal

    def _halved(self, waiting: batch.Batch, refused: errors.Refused) -> Iterator[tally.Refusal]:
        self._halvings += 1
        if refused.status not in _HALVED or self._halvings > HALVINGS_MAX:
            raise refused
        if len(waiting.entries) == 1:
            entry = waiting.entries[0]
            said = next((problem.detail for problem in refused.problems), refused.detail)
            refusal = tally.Refusal(entry.row, refused.code, said)
            self._reject(refusal, entry.record)
            yield refusal
            return
        if refused.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            self._items_max = max(len(waiting.entries) // 2, 1)  # something in between takes less than the server would
        for half in waiting.halves():
            yield from self._sent(half)

    def _remember(self, row: int, refusals: tuple[tally.Refusal, ...]) -> None:
        if self.state_path is None:
            return
        known = (*self.state.refusals, *refusals)
        if len(known) > state.REFUSALS_MAX:
            self.state_path = None  # what is kept stays true; from there on the rows would be sent again
            return
        counts = {name: getattr(self.counts, name) for name in ("accepted", "duplicate", "revised")}
        self.state = replace(self.state, row=row, refusals=known, **counts)
        try:
            state.save(self.state_path, self.state)
        except OSError as error:
            self.notes.append(f"How far it came can't be kept in {self.state_path} ({error.strerror}); it would start over.")
            self.state_path = None
