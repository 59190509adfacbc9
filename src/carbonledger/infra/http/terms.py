"""The terms of a call: its bounds, whether its address is a tenant's, and what an observer is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from carbonledger.infra.http import transport


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one call. ``total_s`` covers everything: all attempts, waits and redirects."""

    connect_s: float = 5.0
    read_s: float = 30.0  # between two pieces of an answer
    write_s: float = 30.0
    pool_s: float = 5.0  # for a free connection
    total_s: float = 60.0
    answer_bytes: int = 16 * 2**20  # on the wire and inflated
    redirects: int = 3
    connections: int = 20
    keepalive_s: float = 15.0  # below the usual idle limit of load balancers (60 s): they hang up silently


@dataclass(frozen=True, slots=True)
class Guarded:
    """Marks a client for addresses that tenants supply. ``resolver`` turns names into addresses."""

    allow_private: bool = False
    resolver: transport.Resolver = transport.system_resolver


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an observer is told after each attempt. ``failure`` is the code of the fault when there was no answer."""

    client: str
    method: str
    number: int
    status: int | None
    failure: str | None
    duration_s: float


Observer = Callable[[Attempt], None]
