"""SQLAlchemy Core statements as text with ``$n`` places and arguments in their order (ADR 0003).

Compiling costs 80 to 300 us, more than what most statements do afterwards. So what a statement of some shape comes to is kept: its text,
and for each place which of the statement's values stands there. The next one of that shape costs 20 us. The shape is the key by which
SQLAlchemy's own engine keeps compiled statements, and values are never part of it or kept beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

if TYPE_CHECKING:
    from sqlalchemy.sql.expression import Executable

SHAPES_MAX: Final = 4096
"""Kept at most: many times what the product has, so that none is dropped; a place of 2 kB each."""
_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves the constructor untyped
_WRITTEN_OUT: Final = "__[POSTCOMPILE"
"""What stands in the text where a list is still to be written out."""


class _Compilable(Protocol):
    """A SQLAlchemy Core statement: what this module uses of it."""

    def compile(self, *, dialect: Any, **how: Any) -> Any: ...  # noqa: ANN401 - SQLAlchemy's own types

    def _generate_cache_key(self) -> Any: ...  # noqa: ANN401 - SQLAlchemy's own types


class Bound(NamedTuple):
    """SQL text with ``$n`` places, and the arguments in their order."""

    sql: str
    arguments: list[Any]


class Prepared:
    """A statement whose values have names (``bindparam``), compiled once. Called with the values, it is what a unit of work runs.

    For what every write or job asks, in the same words each time: to find the shape of a statement takes five times as long. So there is no
    ``IN`` of a list here; and a name of a column that is set stands for what it is set to.
    """

    __slots__ = ("_compiled", "_names")

    def __init__(self, statement: Executable) -> None:
        self._compiled = _compiled_alone(statement)
        self._names = frozenset(self._compiled.params)

    def __call__(self, **values: Any) -> Bound:
        """Return the statement with its values. Raises what SQLAlchemy does where one is missing, ``TypeError`` for one too many."""
        if not values.keys() <= self._names:
            raise TypeError(f"the statement has no {', '.join(sorted(values.keys() - self._names))}")
        return _bound(self._compiled, values)


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands for the n-th value of a statement while its shape is compiled."""

    number: int

    @property
    def value(self) -> _Place:
        return self

    effective_value = value


@dataclass(frozen=True, slots=True)
class _Shape:
    """The text of a shape, and for each of its places the number of the statement's value, or what stands there in each of them."""

    sql: str
    places: tuple[_Place | Any, ...]

    def arguments(self, values: Sequence[Any]) -> list[Any]:
        return [values[place.number].effective_value if isinstance(place, _Place) else place for place in self.places]


_shapes: dict[Any, _Shape | None] = {}  # None: a statement with a list that is written out differs with each length
_many: dict[Any, tuple[str, tuple[str, ...]]] = {}


def compiled(statement: Executable | Bound) -> Bound:
    """Return the SQL text with ``$n`` places and the arguments in their order.

    Lists in ``IN`` are written out. Values go to asyncpg as they are: its codecs turn Python objects into PostgreSQL's.
    """
    if isinstance(statement, Bound):
        return statement
    compilable = cast("_Compilable", statement)  # Executable declares no compile(); every Core statement has it
    key = compilable._generate_cache_key()  # noqa: SLF001 - what SQLAlchemy's engine asks; there is no other way to ask for it
    if key is None:  # such as an insert of many rows written out
        return _written_out(statement)
    if key.key in _shapes:
        shape = _shapes[key.key]
    else:
        shape = _shape_of(compilable, key)
        _keep(_shapes, key.key, shape)
    return _written_out(statement) if shape is None else Bound(shape.sql, shape.arguments(key.bindparams))


def compiled_for_many(statement: Executable) -> tuple[str, tuple[str, ...]]:
    """Return the text of an INSERT, and the columns of its rows in the order of its places."""
    compilable = cast("_Compilable", statement)
    key = compilable._generate_cache_key()  # noqa: SLF001 - as in ``compiled``
    found = None if key is None else _many.get(key.key)
    if found is None:
        made = compilable.compile(dialect=_DIALECT)
        found = made.string, tuple(made.positiontup or ())
        if key is not None:
            _keep(_many, key.key, found)
    return found


def _shape_of(statement: _Compilable, key: Any) -> _Shape | None:  # noqa: ANN401 - SQLAlchemy's own types
    made = statement.compile(dialect=_DIALECT, cache_key=key)
    if _WRITTEN_OUT in made.string:
        return None
    params = made.construct_params(extracted_parameters=[_Place(number) for number in range(len(key.bindparams))], escape_names=False)
    return _Shape(made.string, tuple(params[name] for name in made.positiontup or ()))


def _written_out(statement: Executable) -> Bound:
    return _bound(_compiled_alone(statement), {})


def _compiled_alone(statement: Executable) -> Any:  # noqa: ANN401 - SQLAlchemy's own type
    return cast("_Compilable", statement).compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})


def _bound(made: Any, values: dict[str, Any]) -> Bound:  # noqa: ANN401 - SQLAlchemy's own type
    params = made.construct_params(values, escape_names=False)
    return Bound(made.string, [params[name] for name in made.positiontup or ()])


def _keep(kept: dict[Any, Any], key: Any, what: object) -> None:  # noqa: ANN401 - SQLAlchemy's own types
    if len(kept) >= SHAPES_MAX:
        del kept[next(iter(kept))]
    kept[key] = what
