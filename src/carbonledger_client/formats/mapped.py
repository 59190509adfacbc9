"""Any table or any JSON objects, by a mapping that the user states: which column is which member of an item, and what is the same in all.

Owns: the words of ``--map`` and ``--set``. Nothing is guessed: a member that is neither mapped nor set is absent. ``input`` is a total
with the cached and cache-creation tokens inside it, from which ``uncached_input`` is computed.
"""

from __future__ import annotations

import copy
import difflib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from carbonledger_client import errors, items, rows, times

TOTAL = "input"
_TEXTS = frozenset({"provider", "model", "operation", "account", "project_id", "agent_id", "region", "service_tier", "idempotency_key"})
_COUNTS = frozenset({*items.COUNTS, TOTAL})
_PROPERTY = "properties."
_NESTED = {"reported_cost.amount": ("reported_cost", "amount"), "reported_cost.currency": ("reported_cost", "currency")}
TARGETS = frozenset({*_TEXTS, *_COUNTS, *_NESTED, "requests", "occurred_at", "batch", "usage", "duration_s", "quality"})
_BESIDE_TOKENS = TARGETS - _COUNTS - _NESTED.keys() - {"usage", "occurred_at", "idempotency_key", "requests", "duration_s", "quality"}

Pick = Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user stated: target and column in order, and target and value for all rows."""

    columns: tuple[tuple[str, str], ...]
    fixed: tuple[tuple[str, str], ...]


NOTHING = Wanted((), ())


def stated(maps: Iterable[str], sets: Iterable[str]) -> Wanted:
    """Return the mapping of ``--map`` and ``--set``. Raises ``Misused`` with every problem at once."""
    problems: list[str] = []
    columns = [_pair(text, "--map", problems) for text in maps]
    fixed = [_pair(text, "--set", problems) for text in sets]
    names = [target for target, _ in (*columns, *fixed)]
    problems += [f"{name} is given twice." for name in sorted({name for name in names if names.count(name) > 1})]
    if TOTAL in names and "uncached_input" in names:
        problems.append("Give input or uncached_input, not both: the one is computed from the other.")
    if "usage" in names and _COUNTS.intersection(names):
        problems.append("Give usage or token counts, not both.")
    problems += [f"{target} can't be the same in all rows." for target, _ in fixed if target in {"idempotency_key", "usage"}]
    if problems:
        raise errors.Misused(" ".join(problems))
    return Wanted(tuple(columns), tuple(fixed))


def _pair(text: str, option: str, problems: list[str]) -> tuple[str, str]:
    target, sign, rest = text.partition("=")
    if not sign or not rest:
        problems.append(f"{option} {text}: write {option} member=…")
    elif target not in TARGETS and not (target.startswith(_PROPERTY) and len(target) > len(_PROPERTY)):
        near = difflib.get_close_matches(target, TARGETS, n=1)
        problems.append(f"{option} {text}: there is no member {target}{f'; did you mean {near[0]}' if near else ''}.")
    return target, rest


def require_whole(mapping: Wanted) -> None:
    """Raise ``Misused`` if the mapping can't make a whole item by itself."""
    names = {target for target, _ in (*mapping.columns, *mapping.fixed)}
    missing = [name for name in ("occurred_at", "provider", "model") if name not in names]
    if missing:
        raise errors.Misused(f"Say with --map or --set what is {', '.join(missing)}.")
    if not names & {TOTAL, "uncached_input", "output", "usage"}:
        raise errors.Misused("Say with --map where the tokens are: input or uncached_input, output, or usage for a provider's own object.")


def columns_of(header: Sequence[str], mapping: Wanted) -> Pick:
    """Return what takes the mapped cells out of a table's row. Raises ``Misused`` for a column that is not there, or is there twice."""
    for _, column in mapping.columns:
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise errors.Misused(f"The file has no column {column!r}; it has {', '.join(header)}.{hint}")
        if header.count(column) > 1:
            raise errors.Misused(f"The file has more than one column {column!r}.")
    places = [header.index(column) for _, column in mapping.columns]
    if len(places) == 1:
        return lambda cells: (cells[places[0]],)
    return operator.itemgetter(*places) if places else lambda _: ()


def paths_of(mapping: Wanted) -> Pick:
    """Return what takes the mapped members out of a JSON object; a dot steps into an object, a number into a list."""
    paths = [(column, tuple(column.split("."))) for _, column in mapping.columns]
    return lambda fields: tuple(_member(fields, name, steps) for name, steps in paths)


def _member(fields: Any, name: str, steps: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever a file holds
    if isinstance(fields, dict) and name in fields:  # a member whose own name holds a dot
        return fields[name]
    for step in steps:
        if isinstance(fields, dict):
            fields = fields.get(step)
        elif isinstance(fields, list) and step.isdecimal() and int(step) < len(fields):
            fields = fields[int(step)]
        else:
            return None
    return fields


def reader(mapping: Wanted, pick: Pick, zone: tzinfo) -> Callable[[Any], rows.Item]:
    """Return the function that makes an item of a row. Raises ``Misused`` for a set value that no row could have."""
    targets = tuple(target for target, _ in mapping.columns)
    base, base_tokens = _constants(mapping, zone)
    counted = tuple((place, target) for place, target in enumerate(targets) if target in _COUNTS)
    others = tuple((place, target, _READERS.get(target, _text)) for place, target in enumerate(targets) if target not in _COUNTS)
    has_tokens = bool(counted or base_tokens)
    has_nested = any(isinstance(value, dict) for value in base.values())

    def read(record: Any) -> rows.Item:  # noqa: ANN401 - cells or members, as `pick` expects them
        values = pick(record)
        item = copy.deepcopy(base) if has_nested else base.copy()
        for place, target, convert in others:
            _put(item, target, convert(values[place], target, zone))
        if has_tokens:
            tokens = base_tokens.copy()
            for place, target in counted:
                tokens[target] = rows.count(values[place], target)
            if TOTAL in tokens:
                rows.within_input(tokens.pop(TOTAL), tokens)
            item["tokens"] = tokens
        return item

    return read


def overlay(mapping: Wanted, pick: Pick) -> Callable[[rows.Item, Any], None]:
    """Return the function that puts the mapped and set members onto an item of a known format. Raises ``Misused`` for what its rows
    themselves decide: time, key, tokens and requests.
    """
    for target, _ in (*mapping.columns, *mapping.fixed):
        if target not in _BESIDE_TOKENS and not target.startswith(_PROPERTY):
            raise errors.Misused(f"{target} is what the file itself tells; map it with `import csv` or `import jsonl`.")
    read = reader(mapping, pick, UTC)

    def put(item: rows.Item, record: Any) -> None:  # noqa: ANN401 - as in reader
        more = read(record)
        if "properties" in more:
            more["properties"] = {**item.get("properties", {}), **more["properties"]}
        item.update(more)

    return put


def _constants(mapping: Wanted, zone: tzinfo) -> tuple[rows.Item, dict[str, int | None]]:
    base: rows.Item = {}
    tokens: dict[str, int | None] = {}
    for target, value in mapping.fixed:
        try:
            if target in _COUNTS:
                tokens[target] = rows.count(value, target)
            else:
                _put(base, target, _READERS.get(target, _text)(value, target, zone))
        except rows.Rejected as problem:
            raise errors.Misused(f"--set {target}={value}: {problem.detail}") from problem
    return base, tokens


def _put(item: rows.Item, target: str, value: object) -> None:
    outer, inner = _NESTED.get(target) or ("properties", target.removeprefix(_PROPERTY))
    if inner != target:
        if value is not None:
            item.setdefault(outer, {})[inner] = value
    elif value is not None or target == "requests":  # mapped but blank: the number of requests is unknown, not one
        item[target] = value


def _text(value: object, name: str, _zone: tzinfo) -> str | None:
    return rows.text(value, name)


def _key(value: object, name: str, _zone: tzinfo) -> str:
    key = rows.text(value, name)
    if key is None:  # the key of the file instead would count the row again in the next export
        raise rows.Rejected("idempotency_key_missing", "The column mapped to idempotency_key is blank.")
    return key


def _amount(value: object, name: str, _zone: tzinfo) -> str | None:
    if value is None or not str(value).strip():
        return None
    made = rows.amount(value)
    if made is None:
        raise rows.Rejected("reported_cost_invalid", f"{name} is {rows.shown(value)}: give a number from 0 in plain digits.")
    return made


_READERS: Mapping[str, Callable[[Any, str, tzinfo], object]] = {
    "provider": lambda value, name, _: (rows.text(value, name) or "").lower() or None,
    "occurred_at": lambda value, _, zone: times.instant(value, zone),
    "requests": lambda value, name, _: rows.count(value, name),
    "idempotency_key": _key,
    "duration_s": lambda value, name, _: rows.count(value, name),
    "reported_cost.amount": _amount,
    "batch": lambda value, name, _: rows.truth(value, name),
    "usage": lambda value, _, __: rows.nested(value) or None,
}
