"""The processes of one installation: found by what they hold, killed at random, and counted in the end.

A process belongs to the installation if its environment names the data folder, or if it has one of the folder's own lock files open. So
nothing of anybody else's is ever found, let alone killed, whatever it is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from carbonledger.infra.postgres import folder as folders
from carbonledger.infra.postgres import processes
from tests.soak.storm import pacing

PAUSE_LEAST_S, PAUSE_MOST_S = 0.2, 9.0
_COMES_BACK_S = 15.0
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


class Victim(enum.Enum):
    """A part that may be killed at any time."""

    POSTMASTER = "postmaster"
    SUPERVISOR = "supervisor"
    API = "api"
    WORKER = "worker"


def plan(rng: random.Random, *, mean_s: float) -> Iterator[tuple[float, Victim]]:
    """Give pauses and victims without end: every part once in each round, in random order, now and then two almost at once."""
    while True:
        for victim in rng.sample(list(Victim), len(Victim)):
            yield min(max(rng.expovariate(1 / mean_s), PAUSE_LEAST_S), PAUSE_MOST_S), victim


class Family:
    """The processes of the installation in ``home`` that ``up`` (a process id) runs."""

    def __init__(self, up: int, home: Path) -> None:
        self._up = psutil.Process(up)
        self._home = str(home)
        self._folder = folders.Folder(home / "postgres")

    def find(self, victim: Victim) -> psutil.Process | None:
        """Return the living process of this part, if there is just one."""
        found = [process for process in self._candidates(victim) if _is_alive(process)]
        return found[0] if len(found) == 1 else None

    def _candidates(self, victim: Victim) -> list[psutil.Process]:
        match victim:
            case Victim.API | Victim.WORKER:
                return [process for process in _children(self._up) if victim.value in _words(process)]
            case Victim.SUPERVISOR:
                return [process for process in _of(processes.holders(self._folder.supervisor_lock)) if "-m" in _words(process)]
            case Victim.POSTMASTER:
                data = str(self._folder.data)
                return [process for process in _of(processes.holders(self._folder.server_lock)) if data in _words(process)]

    def everybody(self) -> list[psutil.Process]:
        """Return every process of the installation, also one that lost its parent."""
        locked = {*processes.holders(self._folder.supervisor_lock), *processes.holders(self._folder.server_lock)}
        return [process for process in psutil.process_iter() if process.pid in locked or self._is_named(process)]

    def _is_named(self, process: psutil.Process) -> bool:
        with contextlib.suppress(*_GONE):
            return process.environ().get("CARBONLEDGER_HOME") == self._home
        return False

    def strays(self) -> list[str]:
        """Return, in words, what runs and should not, or is missing, when every part should run once."""
        parts = {victim: self.find(victim) for victim in Victim}
        words = [f"there is not exactly one {victim.value}" for victim, process in parts.items() if process is None]
        postmaster = parts[Victim.POSTMASTER]
        known = {self._up.pid, *(process.pid for process in parts.values() if process is not None)}
        for process in self.everybody():
            with contextlib.suppress(*_GONE):
                is_backend = postmaster is not None and process.ppid() == postmaster.pid
                if process.pid not in known and not is_backend:
                    words.append(f"process {process.pid}, child of {process.ppid()}, is left over: {' '.join(process.cmdline())[:200]}")
        return words


def _children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(*_GONE):
        return process.children()
    return []


def _of(pids: tuple[int, ...]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with contextlib.suppress(*_GONE):
            found.append(psutil.Process(pid))
    return found


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(*_GONE):
        return process.cmdline()
    return []


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(*_GONE):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


class Killer:
    """Kills parts of a family, and counts."""

    def __init__(self, family: Family, kills: Iterator[tuple[float, Victim]]) -> None:
        self._family = family
        self._kills = kills
        self.killed: Counter[Victim] = Counter()
        self.absent: Counter[Victim] = Counter()
        """Parts that were to be killed and did not come back in time to be."""

    async def one(self) -> None:
        """Pause, then kill the next victim; one that is just coming back is waited for."""
        pause_s, victim = next(self._kills)
        await pacing.pause(pause_s)

        async def was_killed() -> bool:
            process = await asyncio.to_thread(self._family.find, victim)
            with contextlib.suppress(psutil.NoSuchProcess):
                if process is not None:
                    process.kill()  # psutil looks first whether the id still is that process
                    return True
            return False

        if await pacing.holds(was_killed, deadline_s=_COMES_BACK_S):
            self.killed[victim] += 1
        else:
            self.absent[victim] += 1
