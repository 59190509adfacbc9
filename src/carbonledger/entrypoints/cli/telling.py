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
import sys
from collections.abc import Iterator, Mapping

import typer

from carbonledger.entrypoints.cli import console, exits, lifeline, tree
from carbonledger.kernel import errors

SELF = (sys.executable, "-P", "-m", "carbonledger.entrypoints.cli.main")
AGAIN_FOR_S = 300.0  # after the first try that failed: a database that crashed may recover for minutes
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_REACHED, _AWAY = ({"database": "reached"}, {"database": "away"})


class CommandBroken(errors.Unavailable):
    """A command that the start needs was killed."""

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

    It is run again when it was killed, or lost a database that was reached before (``is_reached``, or by itself), for some minutes. Raises
    ``CommandBroken`` when it was killed to the end, and ``typer.Exit`` with its own code when it said itself why it failed.
    """
    loop = asyncio.get_running_loop()
    failures, since = 0, 0.0
    while True:
        code, lines = await _run(*command, environ=environ, stop=stop)
        if stop.is_set():
            return None
        if code == 0:
            told: Mapping[str, str] = json.loads(lines[-1])
            return told
        is_reached = is_reached or _line(_REACHED) in lines
        since = since if failures else loop.time()
        is_passing = code < 0 or (code == exits.Code.UNAVAILABLE and is_reached and _line(_AWAY) in lines)
        if not is_passing or loop.time() - since >= AGAIN_FOR_S:
            break
        console.warn(f"{command[0]} ended ({tree.how_it_ended(code)}) and starts again.")
        pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
        failures += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
    if code < 0:
        raise CommandBroken(f"The command {command[0]} ended ({tree.how_it_ended(code)}) each time; is there enough memory? Start again.")
    raise typer.Exit(code)  # it has said why


async def _run(*command: str, environ: Mapping[str, str], stop: asyncio.Event) -> tuple[int, list[bytes]]:
    """Run a command to its end, which is near once ``stop`` is set, and return its code and what it printed."""
    with lifeline.held() as stdin:
        child = await asyncio.create_subprocess_exec(
            *SELF, *command, stdin=stdin, stdout=asyncio.subprocess.PIPE, env=dict(environ), start_new_session=True
        )
        talking, stopping = asyncio.create_task(child.communicate()), asyncio.create_task(stop.wait())
        await asyncio.wait([talking, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set() and child.returncode is None:
            child.terminate()
        output, _ = await talking
    return await child.wait(), output.splitlines()


def _line(document: Mapping[str, str]) -> bytes:
    return json.dumps(document).encode()
