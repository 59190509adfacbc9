"""Reads the parameters and the body of a request into an endpoint's arguments, and reports all that is wrong with them at once.

FastAPI says what an endpoint takes and validates parameters; the body is validated from its JSON text in pydantic's strict mode, where
``"1"`` is no number and ``1`` no string, but a UUID or an instant is read from its text.
"""

from __future__ import annotations

import inspect
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydantic
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from starlette.datastructures import Headers, QueryParams

from carbonledger.entrypoints.rest import instants
from carbonledger.entrypoints.shared import exchange, faults, strict_json
from carbonledger.kernel import errors

if TYPE_CHECKING:
    from fastapi._compat import ModelField

_NAME_CHARS_MAX = 100  # of a name that a pointer shows; an unknown field's name is the caller's, and as long as they like
PROBLEMS_MAX = 1_000  # beyond that they are counted, not listed: pydantic lists all of them or none, and a body holds a million
QUERY_FIELDS_MAX = 100  # of one address; the longest filter has under 20
_MISSING = "missing"
_PREFIX = "Value error, "  # what pydantic puts before the words of a validator


class RequestInvalid(errors.Invalid):
    """One or more fields or parameters are not valid."""

    code = "request_invalid"


class BodyMissing(errors.Malformed):
    """This operation needs a body."""

    code = "body_missing"


@dataclass(frozen=True, slots=True)
class Set:
    """Query parameters that several endpoints take together, declared by the function that makes one argument of them."""

    name: str
    fields: tuple[ModelField, ...]
    make: Callable[..., Any]

    def made(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the function returns
        """Return the argument."""
        return self.make(**values)


def _set(dependant: Dependant) -> Set:
    others = (dependant.path_params, dependant.header_params, dependant.cookie_params, dependant.body_params, dependant.dependencies)
    if any(others) or dependant.name is None or dependant.call is None or inspect.iscoroutinefunction(dependant.call):
        raise TypeError("a set of parameters is made of query parameters alone, by a plain function")
    return Set(dependant.name, tuple(dependant.query_params), dependant.call)


class Reader:
    """What one endpoint takes, read from FastAPI's description of it; made once for each route."""

    def __init__(self, dependant: Dependant, *, open_query: bool = False, items_max: int | None = None) -> None:
        """``open_query`` lets unknown query parameters pass, for addresses that outside systems call back.

        ``items_max`` bounds each array of the body before any model sees it.
        """
        if dependant.cookie_params:
            raise TypeError("cookies are read by the callers, not by endpoints")
        if len(dependant.body_params) > 1:
            raise TypeError("an endpoint takes one body model")
        self._sets = tuple(_set(one) for one in dependant.dependencies if one.query_params)
        self._path: list[ModelField] = dependant.path_params
        self._query: list[ModelField] = [*dependant.query_params, *(field for one in self._sets for field in one.fields)]
        self._header: list[ModelField] = dependant.header_params
        self._query_names = {field.alias: field.name for field in self._query}
        self._instants = frozenset(field.alias for field in self._query if instants.is_taken(field.field_info.annotation))
        self._open_query = open_query
        self._items_max = items_max
        self._body = dependant.body_params[0] if dependant.body_params else None
        self._body_adapter: pydantic.TypeAdapter[Any] | None = None
        if self._body is not None:
            if not self._body.field_info.is_required():
                raise TypeError("a body is required; make its fields optional instead")
            model: Any = self._body.field_info.annotation
            self._body_adapter = pydantic.TypeAdapter(model)

    @property
    def takes_body(self) -> bool:
        """Whether the endpoint takes a JSON body."""
        return self._body is not None

    def values(self, request: exchange.Exchange, path: dict[str, str], body: bytes) -> dict[str, Any]:
        """Return the endpoint's arguments. Raises ``Malformed`` for what can't be read, ``RequestInvalid`` with all that is wrong."""
        values: dict[str, Any] = {}
        problems: list[errors.Problem] = []
        if self._path:
            self._read_path(path, values, problems)
        query_string: bytes = request.scope["query_string"]
        if query_string or self._query:
            self._read_query(query_string, values, problems)
        if self._header:
            found, wrong = request_params_to_args(self._header, Headers(scope=request.scope))
            values.update(found)
            problems.extend(_problem(error) for error in wrong)
        if self._body is not None and self._body_adapter is not None:
            self._read_body(body, values, problems)
        if problems:
            raise _invalid(problems)
        for one in self._sets:
            values[one.name] = one.made({field.name: values.pop(field.name) for field in one.fields if field.name in values})
        return values

    @property
    def sets(self) -> int:
        """How many of the endpoint's arguments are made of several parameters."""
        return len(self._sets)

    def _read_path(self, path: dict[str, str], values: dict[str, Any], problems: list[errors.Problem]) -> None:
        if any("\x00" in value for value in path.values()):
            raise errors.Malformed("The address holds U+0000.")
        found, wrong = request_params_to_args(self._path, path)
        values.update(found)
        problems.extend(_problem(error) for error in wrong)

    def _read_query(self, query_string: bytes, values: dict[str, Any], problems: list[errors.Problem]) -> None:
        try:
            pairs = urllib.parse.parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
        except ValueError:
            raise errors.Malformed(f"The address has more than {QUERY_FIELDS_MAX} query parameters.") from None
        given = QueryParams(pairs)
        found, wrong = request_params_to_args(self._query, given)
        values.update(found)
        problems.extend(_problem(error) for error in wrong)
        self._check_names(pairs, values, problems)

    def _check_names(self, pairs: list[tuple[str, str]], values: dict[str, Any], problems: list[errors.Problem]) -> None:
        """Find what is given that nobody takes, or given twice where one is taken: either may not mean what the caller thinks."""
        seen: set[str] = set()
        for name, value in pairs:
            if "\x00" in value or "\x00" in name:
                problems.append(_parameter_problem(name, "text_unstorable", "Text may not hold U+0000."))
            elif name not in self._query_names:
                if not self._open_query:
                    problems.append(_parameter_problem(name, "parameter_unknown", "This operation has no such query parameter."))
            elif name in seen and not isinstance(values.get(self._query_names[name]), list | tuple | set | frozenset):
                problems.append(_parameter_problem(name, "parameter_doubled", "This query parameter may be given once."))
            elif name in self._instants and not _is_instant(value):
                problems.append(_parameter_problem(name, "instant_unreadable", "Write the time like 2026-11-21T10:00:00Z."))
            seen.add(name)

    def _read_body(self, body: bytes, values: dict[str, Any], problems: list[errors.Problem]) -> None:
        if not body:
            raise BodyMissing("Send a JSON document with Content-Type: application/json.")
        document = strict_json.loads(body, items_max=self._items_max)
        assert self._body is not None and self._body_adapter is not None  # noqa: PT018, S101 - read only where there is a body
        try:
            values[self._body.name] = self._body_adapter.validate_json(body, strict=True)
        except pydantic.ValidationError as error:
            if error.error_count() > PROBLEMS_MAX:
                raise RequestInvalid(
                    f"{error.error_count()} things are wrong, too many to list. Is this the body for this operation?"
                ) from None
            problems.extend(
                errors.Problem(_pointer(wrong["loc"], wrong["type"], document), wrong["type"], wrong["msg"].removeprefix(_PREFIX))
                for wrong in error.errors(include_url=False, include_context=False, include_input=False)
            )


def _is_instant(value: str) -> bool:
    try:
        instants.read(value)
    except ValueError:
        return False
    return True


def check_media_type(request: exchange.Exchange, accepted: tuple[str, ...]) -> None:
    """Raise ``MediaTypeUnsupported`` unless the body's media type is one of ``accepted`` (``application/json`` takes ``+json`` too)."""
    given = request.headers.get("content-type", "")
    media_type, _, parameters = given.partition(";")
    media_type = media_type.strip().lower()
    if media_type not in accepted:
        is_json = "application/json" in accepted and media_type.startswith("application/") and media_type.endswith("+json")
        if not is_json:
            raise faults.MediaTypeUnsupported(f"Send {' or '.join(accepted)} and say so in Content-Type.")
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip().strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise faults.MediaTypeUnsupported("Send UTF-8.")


def _invalid(problems: list[errors.Problem]) -> RequestInvalid:
    first = problems[0].detail if len(problems) == 1 else f"{len(problems)} things are wrong; see errors."
    return RequestInvalid(first, problems=tuple(problems))


def _problem(error: dict[str, Any]) -> errors.Problem:
    pointer = "".join(f"/{strict_json.escape(str(part))}" for part in error["loc"])
    return errors.Problem(pointer, error["type"], error["msg"])


def _parameter_problem(name: str, code: str, detail: str) -> errors.Problem:
    return errors.Problem(f"/query/{strict_json.escape(name[:_NAME_CHARS_MAX])}", code, detail)


def _pointer(location: tuple[int | str, ...], kind: str, document: object) -> str:
    """Return the RFC 6901 pointer of a pydantic location; parts that name a branch of a union, not a place, are left out."""
    parts: list[str] = []
    node = document
    for index, part in enumerate(location):
        found, child = _step(node, part)
        if found:
            node = child
        elif kind != _MISSING or index != len(location) - 1:
            continue
        parts.append(strict_json.escape(str(part)[:_NAME_CHARS_MAX]))
    return "".join(f"/{part}" for part in parts)


def _step(node: object, part: int | str) -> tuple[bool, object]:
    """Return whether ``node`` has a ``part``, and what stands there."""
    if isinstance(node, dict):
        return part in node, node.get(part)
    if isinstance(node, list) and isinstance(part, int):
        return part < len(node), node[part] if part < len(node) else None
    return False, None
