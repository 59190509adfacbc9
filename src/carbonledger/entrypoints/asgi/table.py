"""Finds the operation of a method and a path: a tree of path segments, so that finding one takes as long as the path, not as the API.

A literal segment wins over a parameter (``/organizations/me`` over ``/organizations/{id}``); ``{rest:path}`` takes all that is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import faults


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    rest: _Node | None = None
    methods: dict[str, tuple[routing.Route, tuple[str, ...]]] = field(default_factory=dict)


class Table:
    """The operations of an application by address."""

    def __init__(self, routes: Iterable[routing.Route]) -> None:
        """Raise ``TypeError`` if two operations share a method and an address, or an operation id."""
        self._root = _Node()
        self._literal: dict[str, _Node] = {}
        ids: set[str] = set()
        for route in routes:
            if route.unique_id in ids:
                raise TypeError(f"two operations are called {route.unique_id}")
            ids.add(route.unique_id)
            self._add(route)

    def _add(self, route: routing.Route) -> None:
        node = self._root
        names: list[str] = []
        for segment in route.path.split("/")[1:]:
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
                continue
            name, _, convertor = segment.strip("{}").partition(":")
            names.append(name)
            if convertor == "path":
                node.rest = node.rest or _Node()
                node = node.rest
            else:
                node.parameter = node.parameter or _Node()
                node = node.parameter
        if route.method in node.methods:
            raise TypeError(f"two operations answer {route.method} {route.path}")
        node.methods[route.method] = (route, tuple(names))
        if not names:
            self._literal[route.path] = node

    def find(self, method: str, path: str) -> tuple[routing.Route, dict[str, str]]:
        """Return the operation and the values of its path parameters. Raises ``RouteUnknown`` or ``MethodNotAllowed``."""
        values: list[str] = []
        node = self._literal.get(path) or _walk(self._root, path.split("/")[1:], values)
        if node is None:
            raise faults.RouteUnknown("Check the address against the API reference.")
        found = node.methods.get("GET" if method == "HEAD" else method)
        if found is None:
            allowed = [*sorted(node.methods), *(["HEAD"] if "GET" in node.methods else [])]
            raise faults.MethodNotAllowed(tuple(allowed))
        route, names = found
        return route, dict(zip(names, values, strict=True)) if names else {}


def _walk(node: _Node, segments: list[str], values: list[str]) -> _Node | None:
    """Return the node of ``segments``, literals first; ``values`` collects what stands at parameters. Depth is that of the routes."""
    if not segments:
        return node if node.methods else None
    first, others = segments[0], segments[1:]
    literal = node.literals.get(first)
    if literal is not None:
        found = _walk(literal, others, values)
        if found is not None:
            return found
    if node.parameter is not None and first:
        values.append(first)
        found = _walk(node.parameter, others, values)
        if found is not None:
            return found
        values.pop()
    if node.rest is not None and node.rest.methods:
        values.append("/".join(segments))
        return node.rest
    return None
