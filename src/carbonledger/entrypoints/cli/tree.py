"""Keeps the processes of an installation alive: the API and the worker under one parent.

Owns: starting, restarting and stopping children, and passing their output on. It knows nothing of what they do::

    run ──> every part started, some later ──> a part dies ──> backoff ──> started again
                                        └─ died quickly too often in a row, or for a reason that stays ──> PartGaveUp
                                           (never because something outside is away: that may last for hours)
    stop ──> groups of parts asked to end one after the other, in their order, each with its time to drain ──> run returns
    stop again ──> whatever still lives is killed

Each child has a session of its own, so that Ctrl-C and the closing of the terminal reach the parent alone and the order holds. A child
notices the parent's end through ``lifeline``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from carbonledger.entrypoints.cli import exits, lifeline
from carbonledger.kernel import errors

QUICK_S = 5.0  # a part that lives no longer than this did not really start
QUICK_DEATHS_MAX = 5
SAY_AGAIN_S = 60.0  # that a part still misses something outside, or the log would hold little else
BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)  # after no, one, two, … quick deaths in a row
_LAST_LINES = 12
_LINE_MAX_BYTES = 64 * 1024  # longer output without a line end is passed on in pieces
_FLUSH_S = 1.0  # a grandchild may hold the pipe open after the child's end

Forward = Callable[[str, bytes], None]
"""Told of each line of output: the part's name and the line without its end."""


class PartGaveUp(errors.Unavailable):
    """A part of the installation does not stay up."""

    code = "part_gave_up"


@dataclass(frozen=True, slots=True)
class Part:
    """A child process: what to run, and how long it may take to end when asked. Parts of one ``group`` in a row end at the same time.

    A part that is ``later`` is started after ``Tree.start_later``, so that it takes no time from those that people wait for.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    drain_s: float
    pass_fds: tuple[int, ...] = ()
    group: str | None = None
    later: bool = False


class Tree:
    """The parts of one installation, in the order in which they stop."""

    def __init__(
        self, parts: tuple[Part, ...], *, forward: Forward, notice: Callable[[str], None], backoff_s: tuple[float, ...] = BACKOFF_S
    ) -> None:
        self._keepers = tuple(_Keeper(part, forward=forward, notice=notice, backoff_s=backoff_s) for part in parts)
        self._hurry = asyncio.Event()
        self._stop = asyncio.Event()

    def start_later(self) -> None:
        """Start the parts that wait for the others to be ready."""
        for keeper in self._keepers:
            keeper.may_start.set()

    def stop(self) -> None:
        """Ask all parts to end in their order; asked again, end them at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def restart(self) -> None:
        """Have every part end, by force if it does not in its time to drain, to be started again."""
        for keeper in self._keepers:
            keeper.replace()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the parts that live now."""
        return {keeper.part.name: keeper.pid for keeper in self._keepers if keeper.pid is not None}

    async def run(self) -> None:
        """Keep every part alive until ``stop``. Raises ``PartGaveUp`` once the others have ended too."""
        with lifeline.held() as stdin:
            keeping = [asyncio.create_task(keeper.keep(stdin)) for keeper in self._keepers]
            stopping = asyncio.create_task(self._stop.wait())
            try:
                await asyncio.wait([*keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                kept = zip(self._keepers, keeping, strict=True)
                for _, group in itertools.groupby(kept, key=lambda each: each[0].part.group or each[0].part.name):
                    await asyncio.gather(*(keeper.end(task, hurry=self._hurry) for keeper, task in group))
            for task in keeping:
                task.result()


class _Deaths:
    """Quick deaths in a row for one sort of reason."""

    def __init__(self, backoff_s: tuple[float, ...]) -> None:
        self.quick = 0
        self._backoff_s = backoff_s
        self._said = -math.inf

    @property
    def pause_s(self) -> float:
        """What to wait before the next start, in seconds."""
        return self._backoff_s[min(self.quick, len(self._backoff_s) - 1)]

    def is_news(self, now: float) -> bool:
        """Whether to speak of the last one: while pauses still grow each time, then once in a while."""
        if self.quick >= len(self._backoff_s) and now - self._said < SAY_AGAIN_S:
            return False
        self._said = now
        return True


class _Keeper:
    """Keeps one part alive."""

    def __init__(self, part: Part, *, forward: Forward, notice: Callable[[str], None], backoff_s: tuple[float, ...]) -> None:
        self.part = part
        self._backoff_s = backoff_s
        self._forward = forward
        self._notice = notice
        self._ending = asyncio.Event()
        self.may_start = asyncio.Event()
        if not part.later:
            self.may_start.set()
        self._process: asyncio.subprocess.Process | None = None
        self._last: deque[bytes] = deque(maxlen=_LAST_LINES)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def keep(self, stdin: int) -> None:
        """Start the part again and again until it is asked to end. Raises ``PartGaveUp``."""
        loop = asyncio.get_running_loop()
        deaths = {is_away: _Deaths(self._backoff_s) for is_away in (True, False)}
        await self.may_start.wait()
        while not self._ending.is_set():
            started = loop.time()
            code, how = await self._live(stdin)
            if self._ending.is_set():
                return
            if (ended := loop.time()) - started >= QUICK_S:
                for counted in deaths.values():
                    counted.quick = 0
            is_away = code == exits.Code.UNAVAILABLE
            died = deaths[is_away]
            if ended - started < QUICK_S:
                died.quick += 1
            if code in exits.PERMANENT or (not is_away and died.quick >= QUICK_DEATHS_MAX):
                raise self._gave_up(how, died.quick)
            if not is_away or died.is_news(ended):
                self._notice(f"{self.part.name} ended ({how}) and starts again.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), died.pause_s)

    async def _live(self, stdin: int) -> tuple[int, str]:
        """Run the part to its end and return its code, and how it ended in words."""
        try:
            self._process = process = await self._start(stdin)
        except (OSError, RuntimeError) as error:  # no process, memory, descriptor or thread left: that passes
            return exits.Code.UNAVAILABLE, f"it could not be started: {error}"
        if self._ending.is_set():  # asked to end while it was being made
            self.ask_to_end()
        assert process.stdout is not None  # noqa: S101 - asked for in _start
        forwarding = asyncio.create_task(self._pass_on(process.stdout))
        code = await process.wait()
        await asyncio.wait([forwarding], timeout=_FLUSH_S)
        forwarding.cancel()
        return code, how_it_ended(code)

    async def _start(self, stdin: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.part.argv,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(self.part.environ),
            pass_fds=self.part.pass_fds,
            start_new_session=True,
        )

    async def _pass_on(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(_LINE_MAX_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LINE_MAX_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._tell(line)
        if rest:
            self._tell(rest)

    def _tell(self, line: bytes) -> None:
        self._last.append(line)
        self._forward(self.part.name, line)

    async def end(self, keeping: asyncio.Task[None], *, hurry: asyncio.Event) -> None:
        """Ask the part to end, give it its time, then end it by force; returns when it is gone."""
        self._ending.set()
        self.may_start.set()
        self.ask_to_end()
        hurrying = asyncio.create_task(hurry.wait())
        await asyncio.wait([keeping, hurrying], timeout=self.part.drain_s, return_when=asyncio.FIRST_COMPLETED)
        if not keeping.done() and not hurry.is_set():
            self._notice_force()
        hurrying.cancel()
        self._signal(signal.SIGKILL)
        await asyncio.wait([keeping])

    def ask_to_end(self) -> None:
        self._signal(signal.SIGTERM)

    def replace(self) -> None:
        """Ask the part to end, and end it by force if it takes longer than it may; ``keep`` starts it again."""
        if (process := self._process) is None:
            return
        self.ask_to_end()

        def end_by_force() -> None:
            if process.returncode is None and not self._ending.is_set():  # ``end`` has a clock of its own
                self._signal(signal.SIGKILL)
                self._notice_force()

        asyncio.get_running_loop().call_later(self.part.drain_s, end_by_force)

    def _notice_force(self) -> None:
        self._notice(f"{self.part.name} did not end within {self.part.drain_s:g} s and is ended by force.")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself a moment ago
                self._process.send_signal(number)

    def _gave_up(self, how: str, quick_deaths: int) -> PartGaveUp:
        times = "" if quick_deaths < QUICK_DEATHS_MAX else f" {quick_deaths} times in a row within {QUICK_S:g} s of its start"
        last = "".join(f"\n  {line.decode('utf-8', 'replace')}" for line in self._last)
        return PartGaveUp(f"The {self.part.name} ended{times} ({how}). Its last words:{last or ' none'}")


def how_it_ended(code: int) -> str:
    """Return a return code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
