"""Declarations: which handler runs a job, which events make one, which schedules fire. Filled by importing ``entrypoints.worker``.

Every process that writes events must know the subscribers, not only the worker, because the jobs are inserted with the event. So each
entry point loads the declarations at its start, and ``loaded`` turns a forgotten load into a failure instead of lost deliveries.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from carbonledger.infra.queue import cron, types

NAME = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\Z")
TIMEOUT_S = 300.0  # a handler that hangs would hold its worker's place for ever; longer work states its own bound

Run = Callable[..., Awaitable[Any]]
R = TypeVar("R", bound=Run)


@dataclass(frozen=True, slots=True)
class Handler:
    """How a job is run. ``in_transaction``: the whole job is one transaction that the runner opens and commits."""

    name: str
    run: Run
    in_transaction: bool
    timeout_s: float
    attempts_max: int | None
    """Failures before it is parked; None: the installation's setting."""
    delivers: bool = False
    """It carries an event to somebody. When it fails for good that is recorded and shown, but makes no further deliveries, or two that are
    broken would keep each other busy for ever. A subscriber that does something else, such as issuing a receipt, does not."""
    resumes_after_s: float | None = None
    """When it is parked because its workers died, another job takes its place so much later: for what goes on where it was and has to be
    done whatever happens. None: it waits for an operator, or for its schedule."""
    returns: bool = False
    """Parked, for whatever reason, it is put back every night until it is done or canceled: for what one event asks for and nothing else
    would ask for again. Done again it must find what is done."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Which events make a job. A pattern is an action, ``prefix.*``, or ``*``."""

    job: str
    patterns: tuple[str, ...]
    alerts_only: bool

    def wants(self, action: str, *, is_alert: bool) -> bool:
        """Say whether an event of ``action`` makes a job."""
        return (is_alert or not self.alerts_only) and any(matches(pattern, action) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is made by the clock (UTC), for the house or for each organization that is not a sandbox."""

    name: str
    cron: cron.Cron
    job: str
    args: types.JobArgs
    each_organization: bool


def matches(pattern: str, action: str) -> bool:
    """Say whether ``action`` falls under ``pattern``."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return action.startswith(pattern[:-1])
    return action == pattern


@dataclass(slots=True)
class Registry:
    """What is declared. There is one for the process, ``declared``; tests make their own."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    subscribers: list[Subscriber] = field(default_factory=list)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    loaded: bool = False

    def require(self, name: str) -> None:
        """Raise unless a handler has this name: its job would wait for ever."""
        if not self.loaded:
            raise types.NotLoaded("Call entrypoints.worker.registry.load() when the process starts.")
        if name not in self.handlers:
            raise types.JobUnknown(f"No handler is declared for {name}; entrypoints/worker is the place for it.")

    def jobs_for(self, action: str, *, is_alert: bool) -> tuple[str, ...]:
        """Return the jobs that an event makes, in the order they were declared."""
        if not self.loaded:
            raise types.NotLoaded("Call entrypoints.worker.registry.load() when the process starts.")
        return tuple(subscriber.job for subscriber in self.subscribers if subscriber.wants(action, is_alert=is_alert))

    def returning(self) -> tuple[str, ...]:
        """Return the names of the jobs that are put back when they were parked."""
        return tuple(name for name, handler in self.handlers.items() if handler.returns)

    def delivers(self, name: str) -> bool:
        """Say whether jobs of this name carry events to somebody."""
        return self.handlers[name].delivers

    def seal(self) -> None:
        """Check that everything declared fits together and let it be used. Raises ``JobUnknown``."""
        named = [*(subscriber.job for subscriber in self.subscribers), *(schedule.job for schedule in self.schedules.values())]
        for name in named:
            if name not in self.handlers:
                raise types.JobUnknown(f"{name} is subscribed or scheduled, but no handler is declared for it.")
        self.loaded = True


declared = Registry()


def handler(name: str, *, attempts_max: int | None = None, timeout_s: float = TIMEOUT_S) -> Callable[[R], R]:
    """Declare ``async def run(uow, job)`` as the whole of a job: one transaction, committed with the job's success."""
    return _declare(name, in_transaction=True, attempts_max=attempts_max, timeout_s=timeout_s)


def steps(
    name: str,
    *,
    attempts_max: int | None = None,
    timeout_s: float = TIMEOUT_S,
    delivers: bool = False,
    resumes_after_s: float | None = None,
    returns: bool = False,
) -> Callable[[R], R]:
    """Declare ``async def run(job)`` as a job of several steps, or one that calls outside systems; it opens its own transactions."""
    return _declare(
        name,
        in_transaction=False,
        attempts_max=attempts_max,
        timeout_s=timeout_s,
        delivers=delivers,
        resumes_after_s=resumes_after_s,
        returns=returns,
    )


def _declare(
    name: str,
    *,
    in_transaction: bool,
    attempts_max: int | None,
    timeout_s: float,
    delivers: bool = False,
    resumes_after_s: float | None = None,
    returns: bool = False,
) -> Callable[[R], R]:
    def register(run: R) -> R:
        _require_name(name)
        if name in declared.handlers:
            raise ValueError(f"Two handlers are declared for {name}.")
        declared.handlers[name] = Handler(name, run, in_transaction, timeout_s, attempts_max, delivers, resumes_after_s, returns)
        return run

    return register


def subscriber(*patterns: str, job: str, alerts_only: bool = False) -> None:
    """Make a job ``job`` with ``{"event_id": …}`` for every event whose action falls under one of ``patterns``."""
    _require_name(job)
    for pattern in patterns:
        if pattern != "*" and not NAME.match(pattern.removesuffix(".*") + ".x"):
            raise ValueError(f"{pattern!r} is neither an action, nor prefix.*, nor *.")
    declared.subscribers.append(Subscriber(job=job, patterns=patterns, alerts_only=alerts_only))


def schedule(
    name: str,
    expression: str,
    *,
    job: str | None = None,
    args: Mapping[str, Any] | None = None,
    each_organization: bool = False,
) -> None:
    """Make a job (named like the schedule unless said otherwise) whenever the cron ``expression`` (UTC, five fields) comes due."""
    _require_name(name)
    if name in declared.schedules:
        raise ValueError(f"Two schedules are named {name}.")
    declared.schedules[name] = Schedule(
        name=name, cron=cron.parse(expression), job=job or name, args=dict(args or {}), each_organization=each_organization
    )


def _require_name(name: str) -> None:
    if not NAME.match(name):
        raise ValueError(f"{name!r} is not a name: domain.word, in lower case.")
