"""Looking counts up in a usage object, strictly: a count is a whole number from 0 to 2^53 - 1, and anything else is named by its pointer.

Owns the walk along the places of a flavour. It does not own what the counts mean together (``counting``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from carbonledger.domains.telemetry.core.bodies import flavours
from carbonledger.domains.telemetry.core.bodies.reading import UsageUnreadable
from carbonledger.kernel import errors
from carbonledger.kernel.usage import COUNT_MAX

ITEMS_MAX = 1_000  # of a list of modalities or cache times; providers send below 10
_LABELS = ("modality", "ttl")
_COUNTS = ("tokenCount", "inputTokens")


@dataclass(frozen=True, slots=True)
class Looker:
    """A usage object, where it stands in the answer, and the problems met so far."""

    usage: Mapping[str, object]
    flavour: flavours.Flavour
    pointer: str = ""
    problems: list[errors.Problem] = field(default_factory=list)

    def count(self, name: str) -> int | None:
        """Return the count of a field of the flavour; None if the object does not tell it."""
        found = [self._term(term) for term in self.flavour.counts.get(name, ())]
        if any(count is None and _is_labelled(term) for count, term in zip(found, self.flavour.counts.get(name, ()), strict=True)):
            return None  # one list does not tell, so the sum doesn't
        known = [count for count in found if count is not None]
        return sum(known) if known else None

    def has(self, name: str) -> bool:
        """Say whether there is anything but nothing at one of the field's places, whatever it is."""
        return any(
            isinstance(parent, Mapping) and parent.get(place[-1].name)
            for term in self.flavour.counts.get(name, ())
            for place in term
            for parent in [self._parent(place)]
        )

    def finish(self) -> None:
        """Raise ``UsageUnreadable`` with every problem met."""
        if self.problems:
            raise UsageUnreadable("Correct the members named in errors.", problems=tuple(self.problems))

    def fail(self, place: str, code: str, detail: str) -> None:
        """Note a problem once."""
        problem = errors.Problem(f"{self.pointer}{place}", code, detail)
        if problem not in self.problems:
            self.problems.append(problem)

    def _parent(self, place: flavours.Place) -> object:
        node: object = self.usage
        for step in place[:-1]:
            node = node.get(step.name) if isinstance(node, Mapping) else None
        return node

    def _term(self, term: tuple[flavours.Place, ...]) -> int | None:
        return next((count for place in term if (count := self._at(place)) is not None), None)

    def _at(self, place: flavours.Place) -> int | None:
        node: object = self.usage
        for depth, step in enumerate(place):
            if node is None:
                return None
            if not isinstance(node, Mapping):
                self.fail(_pointer(place[:depth]), "type_wrong", "An object is expected here.")
                return None
            if step.label is not None:
                return self._labelled(node, step, _pointer(place[: depth + 1]))
            node = node.get(step.name)
        return self._whole(node, _pointer(place))

    def _labelled(self, node: Mapping[str, object], step: flavours.Step, pointer: str) -> int | None:
        """Return the sum of the items with the label. One that a list does not mention is 0 if the list accounts for the whole."""
        items = node.get(step.name)
        name = self.flavour.wholes.get(step.name, "")
        whole = self._whole(node.get(name), f"{pointer.rpartition('/')[0]}/{name}")
        if items is None:
            return 0 if whole == 0 or (whole is None and self.flavour.absent_is_zero) else None
        if not isinstance(items, list) or len(items) > ITEMS_MAX:
            self.fail(pointer, "type_wrong", f"A list of at most {ITEMS_MAX} items is expected here.")
            return None
        counts = [self._item(item, f"{pointer}/{place}") for place, item in enumerate(items)]
        mine = [count for label, count in counts if label == step.label]
        return sum(mine) if mine or sum(count for _, count in counts) == whole else None

    def _item(self, item: object, pointer: str) -> tuple[object, int]:
        if not isinstance(item, Mapping):
            self.fail(pointer, "type_wrong", "An object is expected here.")
            return None, 0
        label = next((item[name] for name in _LABELS if name in item), None)
        name = next((name for name in _COUNTS if name in item), _COUNTS[0])
        return label, self._whole(item.get(name), f"{pointer}/{name}") or 0

    def _whole(self, value: object, pointer: str) -> int | None:
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= COUNT_MAX:  # a bool is no count
            self.fail(pointer, "count_invalid", f"A whole number from 0 to {COUNT_MAX} is expected here.")
            return None
        return value


def _is_labelled(term: tuple[flavours.Place, ...]) -> bool:
    return any(step.label is not None for place in term for step in place)


def _pointer(place: flavours.Place) -> str:
    return "".join(f"/{step.name}" for step in place)
