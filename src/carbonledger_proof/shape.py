"""Shapes of JSON: reading a value strictly into a typed one, and writing it back to the same JSON.

A ``Shape`` is a pair of functions. Reading refuses what is missing, unknown or of another kind: it raises ``StatementInvalid``, which says
where. What a member means is said where the shape is made.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, NoReturn, TypeVar

from carbonledger_proof import canonical, errors

Json = canonical.Json
T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)
ITEMS_MAX = 100_000
TEXT_MAX = 1000
DIGITS_MAX = 38
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")
_HEX_32 = re.compile(r"[0-9a-f]{64}")
_DIGITS = re.compile(r"0|-?[1-9][0-9]{0,37}")


@dataclass(frozen=True, slots=True)
class Shape(Generic[T]):
    """How a value is read from JSON and written to it."""

    read: Callable[[Json], T]
    write: Callable[[T], Json]


def refuse(problem: str, pointer: str = "") -> NoReturn:
    """Raise ``StatementInvalid`` for the value that is read, or for a member of it."""
    raise errors.StatementInvalid(problem, pointer)


def integer(least: int = -canonical.INTEGER_MAX, most: int = canonical.INTEGER_MAX) -> Shape[int]:
    """Return the shape of a whole number within bounds."""

    def read(value: Json) -> int:
        if type(value) is not int or not least <= value <= most:
            refuse(f"It has to be a whole number from {least} to {most}.")
        return value

    return Shape(read, lambda value: value)


def text(most: int = TEXT_MAX, pattern: re.Pattern[str] | None = None) -> Shape[str]:
    """Return the shape of a printable text of one line, at least a character long, blank at neither end."""

    def read(value: Json) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable() or value != value.strip():
            refuse(f"It has to be a text of 1 to {most} printable characters, blank at neither end.")
        if pattern is not None and not pattern.fullmatch(value):
            refuse(f"{value[:64]!r} is not written as it has to be.")
        return value

    return Shape(read, lambda value: value)


def digits() -> Shape[int]:
    """Return the shape of a whole number of up to 38 digits, written as a text because it may be beyond 2^53."""
    written = text(DIGITS_MAX + 1, _DIGITS)
    return Shape(lambda value: int(written.read(value)), str)


def hash_hex() -> Shape[str]:
    """Return the shape of a SHA-256 hash in small hex digits."""
    return text(64, _HEX_32)


def instant(*, micros: bool = False) -> Shape[datetime]:
    """Return the shape of an instant in UTC (RFC 3339): to the second, or with six digits of it."""

    def read(value: Json) -> datetime:
        found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
        if found is None or (found[1] is not None) != micros:
            refuse(f"It has to be an instant like 2026-11-01T00:00:00{'.000000' if micros else ''}Z.")
        try:
            moment = datetime.fromisoformat(found[0])
        except ValueError:
            refuse(f"There is no instant {found[0]}.")
        if to_instant(moment, micros=micros) != value:  # 24:00 is the next day's beginning to some Pythons
            refuse(f"There is no instant {found[0]}.")
        return moment

    def write(value: datetime) -> Json:
        return to_instant(value, micros=micros)

    return Shape(read, write)


def to_instant(value: datetime, *, micros: bool = False) -> str:
    """Return an instant as it is written here. Raises ``StatementInvalid`` for a time without its zone, or with a finer part."""
    if value.tzinfo is None or (value.microsecond and not micros):
        raise errors.StatementInvalid(f"{value} is not an instant to the {'microsecond' if micros else 'second'}.")
    return value.astimezone(UTC).isoformat(timespec="microseconds" if micros else "seconds").replace("+00:00", "Z")


def choice(words: type[E]) -> Shape[E]:
    """Return the shape of one of the words of an enumeration."""
    known = {member.value: member for member in words}

    def read(value: Json) -> E:
        if not isinstance(value, str) or value not in known:
            refuse(f"It has to be one of {', '.join(known)}.")
        return known[value]

    return Shape(read, lambda member: str(member.value))


def boolean() -> Shape[bool]:
    """Return the shape of a yes or no."""

    def read(value: Json) -> bool:
        if not isinstance(value, bool):
            refuse("It has to be true or false.")
        return value

    return Shape(read, lambda value: value)


def constant(word: str) -> Shape[str]:
    """Return the shape of a text that is always the same."""

    def read(value: Json) -> str:
        if value != word:
            refuse(f"It has to be {word!r}.")
        return word

    return Shape(read, lambda _: word)


def nullable(shape: Shape[T]) -> Shape[T | None]:
    """Return the shape of a value that may be unknown."""
    return Shape(
        lambda value: None if value is None else shape.read(value),
        lambda value: None if value is None else shape.write(value),
    )


def array(shape: Shape[T], *, most: int = ITEMS_MAX) -> Shape[tuple[T, ...]]:
    """Return the shape of up to so many values of one shape."""

    def read(value: Json) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > most:
            refuse(f"It has to be a list of at most {most}.")
        found = []
        for item in value:
            try:
                found.append(shape.read(item))
            except errors.StatementInvalid as error:
                raise error.inside(len(found)) from error
        return tuple(found)

    return Shape(read, lambda items: [shape.write(item) for item in items])


def members(shapes: Mapping[str, Shape[Any]]) -> Shape[dict[str, Any]]:
    """Return the shape of an object that has exactly these members."""

    def read(value: Json) -> dict[str, Any]:
        if not isinstance(value, dict):
            refuse("It has to be an object.")
        if value.keys() != shapes.keys():
            _refuse_names(value, shapes)
        found, name = {}, ""
        try:
            for name, shape in shapes.items():
                found[name] = shape.read(value[name])
        except errors.StatementInvalid as error:
            raise error.inside(name) from error
        return found

    return Shape(read, lambda value: {name: shape.write(value[name]) for name, shape in shapes.items()})


def _refuse_names(value: Mapping[str, Json], shapes: Mapping[str, Shape[Any]]) -> NoReturn:
    for name in value:
        if name not in shapes:
            refuse("There is no such member.", f"/{name[:64]}")
    missing = next(name for name in shapes if name not in value)
    refuse("It is missing.", f"/{missing}")


def record(kind: type[T], tags: Mapping[str, str] | None = None, /, **shapes: Shape[Any]) -> Shape[T]:
    """Return the shape of a dataclass: an object with a member for each of its fields, and ``tags`` that are always the same."""
    names = tuple(field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]  # T is a dataclass by agreement
    if set(names) != set(shapes):
        raise TypeError(f"{kind.__name__} has the fields {names}.")
    whole = members({**{name: constant(word) for name, word in (tags or {}).items()}, **shapes})
    fixed = dict(tags or {})

    def read(value: Json) -> T:
        found = whole.read(value)
        return kind(**{name: found[name] for name in names})

    def write(value: T) -> Json:
        return {**fixed, **{name: shapes[name].write(getattr(value, name)) for name in names}}

    return Shape(read, write)
