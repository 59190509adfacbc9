"""Commands of ours that ``up`` runs in a child, whose memory ends with it, and what they tell it.

Owns: the lines on the child's stdout, and when a command that lost its database is run again::

    {"database": "reached"}   at once, when it has found the server
    {"database": "away"}      at its end, when the server went or did not come
    {…}                       what it did, last
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import typer

from carbonledger.entrypoints.cli import console, exits, lifeline, tree
from carbonledger.kernel import errors

SELF = (sys.executable, "-P", "-m", "carbonledger.entrypoints.cli.main")
AGAIN_FOR_S = 300.0  # after the first try that failed: a database that crashed may recover for minutes
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_NEVER_BEGAN = -signal.SIGKILL  # as good as killed before its first word
_REACHED, _AWAY = ({"database": "reached"}, {"database": "away"})


class CommandBroken(errors.Unavailable):
    """A command that the start needs was killed, or could not be started."""

    code = "command_broken"


class Teller:
    """The child's side: tells a parent, and nobody else, how it stands with the database."""

    def __init__(self, *, has_parent: bool) -> None:
        self._has_parent = has_parent

    def reached(self) -> None:
        self._tell(_REACHED)

    @contextlib.contextmanager
    def minding(self, *aways: type[Exception]) -> Iterator[None]:
        """Tell when one of ``aways`` ends the block."""
        try:
            yield
        except aways:
            self._tell(_AWAY)
            raise

    def _tell(self, line: Mapping[str, str]) -> None:
        if self._has_parent:
            console.json(line)


async def told_by(*command: str, environ: Mapping[str, str], stop: asyncio.Event, is_reached: bool) -> Mapping[str, str] | None:
    """Run a command and return what it tells; None if ``stop`` is set meanwhile.

    It is run again, for some minutes, when it was killed, could not be started, or lost a database that was reached before (``is_reached``,
    or by itself). Raises ``CommandBroken`` when it could not say why it failed, and ``typer.Exit`` with its code when it did.
    """
    loop = asyncio.get_running_loop()
    failures, since = 0, 0.0
    while True:
        ended = await _run(*command, environ=environ, stop=stop)
        if stop.is_set():
            return None
        if ended.code == 0:
            told: Mapping[str, str] = json.loads(ended.lines[-1])
            return told
        is_reached = is_reached or _line(_REACHED) in ended.lines
        since = since if failures else loop.time()
        is_away = is_reached and ended.code == exits.Code.UNAVAILABLE and _line(_AWAY) in ended.lines
        if not (is_away or ended.said_nothing) or loop.time() - since >= AGAIN_FOR_S:
            break
        console.warn(f"{command[0]} ended ({ended.how}) and starts again.")
        pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
        failures += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
    if ended.said_nothing:
        raise CommandBroken(f"The command {command[0]} ended ({ended.how}) each time; is there enough memory? Start again.")
    raise typer.Exit(ended.code)


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    how: str
    lines: list[bytes] = field(default_factory=list)

    @property
    def said_nothing(self) -> bool:
        """Whether it could not say why it failed."""
        return self.code < 0


async def _run(*command: str, environ: Mapping[str, str], stop: asyncio.Event) -> _Ended:
    """Run a command to its end, which is near once ``stop`` is set."""
    with lifeline.held() as stdin:
        try:
            child = await asyncio.create_subprocess_exec(
                *SELF, *command, stdin=stdin, stdout=asyncio.subprocess.PIPE, env=dict(environ), start_new_session=True
            )
        except (OSError, RuntimeError) as error:  # no process, memory, descriptor or thread left: that passes
            return _Ended(_NEVER_BEGAN, f"it could not be started: {error}")
        talking, stopping = asyncio.create_task(child.communicate()), asyncio.create_task(stop.wait())
        await asyncio.wait([talking, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set() and child.returncode is None:
            child.terminate()
        output, _ = await talking
    code = await child.wait()
    return _Ended(code, tree.how_it_ended(code), output.splitlines())


def _line(document: Mapping[str, str]) -> bytes:
    return json.dumps(document).encode()
