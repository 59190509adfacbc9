"""The parent of an installation's processes: restarts, giving up, order of stopping, and no orphan whatever happens."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from carbonledger.entrypoints.cli import lifeline, tree
from tests import until

DEADLINE_S = until.DEADLINE_S
FOREVER = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def part(name: str, script: str, *, drain_s: float = DEADLINE_S, group: str | None = None, later: bool = False) -> tree.Part:
    return tree.Part(name, (sys.executable, "-c", script), dict(os.environ), drain_s, group=group, later=later)


class Watched:
    """A running tree, what its parts said and what it said itself."""

    def __init__(self, *parts: tree.Part) -> None:
        self.said: list[tuple[str, str]] = []
        self.notices: list[str] = []
        self.tree = tree.Tree(
            parts, forward=lambda name, line: self.said.append((name, line.decode())), notice=self.notices.append, backoff_s=(0.05,)
        )
        self.running = asyncio.create_task(self.tree.run())

    async def until(self, condition: Callable[[], bool]) -> None:
        await until.holds(lambda: condition() or self.running.done())
        assert not self.running.done(), self.running

    def ups(self, name: str) -> int:
        return self.said.count((name, "up"))

    async def ended(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.running


@pytest.fixture
async def watch() -> AsyncIterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(*parts: tree.Part) -> Watched:
        made.append(Watched(*parts))
        return made[-1]

    yield make
    for one in made:
        one.tree.stop()
        one.tree.stop()
        await asyncio.gather(one.running, return_exceptions=True)


async def test_a_killed_part_starts_again_and_the_others_do_not_notice(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", FOREVER), part("worker", FOREVER))
    await watched.until(lambda: watched.ups("api") == watched.ups("worker") == 1)
    worker = watched.tree.pids["worker"]

    os.kill(watched.tree.pids["api"], signal.SIGKILL)
    await watched.until(lambda: watched.ups("api") == 2)

    assert watched.tree.pids["worker"] == worker
    assert watched.notices == ["api ended (killed by SIGKILL) and starts again."]


async def test_a_part_that_never_stays_up_is_given_up_with_its_last_words_and_the_others_are_stopped(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "QUICK_S", 600.0)  # Python itself may take seconds to start and end
    watched = watch(part("api", FOREVER), part("worker", "print('no room for me'); exit(1)"))

    with pytest.raises(tree.PartGaveUp) as caught:
        await watched.ended()

    assert str(caught.value) == (
        "The worker ended 5 times in a row within 600 s of its start (exit code 1). Its last words:" + "\n  no room for me" * 5
    )
    assert watched.tree.pids == {}


AWAY = "print('up', flush=True); exit(6)"  # 6: exits.Code.UNAVAILABLE


async def test_a_part_that_misses_something_outside_is_tried_for_good_and_spoken_of_once_in_a_while(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", AWAY))

    await watched.until(lambda: watched.ups("api") > 2 * tree.QUICK_DEATHS_MAX)

    assert watched.notices == ["api ended (exit code 6) and starts again."]


@pytest.mark.parametrize(
    "quick, said, spoken",  # with pauses that grow up to the fourth death
    [(1, 0.0, True), (3, 0.0, True), (4, 0.0, False), (4, -tree.SAY_AGAIN_S, True), (5000, -1.0, False)],
)
def test_deaths_are_news_while_the_pauses_grow_and_then_each_minute(quick: int, said: float, spoken: bool) -> None:
    deaths = tree._Deaths((0.1, 0.5, 1.0, 2.0))
    deaths.quick, deaths._said = quick, said

    assert deaths.is_news(1.0) is spoken


async def test_deaths_for_want_of_something_outside_are_not_held_against_a_part_that_dies_otherwise(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tree, "QUICK_S", 600.0)  # Python itself may take seconds to start and end
    lives = tmp_path / "lives"
    script = f"""
import os, signal, time
with open({str(lives)!r}, "a+") as file:
    file.write("x")
    file.seek(0)
    count = len(file.read())
print("up", flush=True)
if count <= {tree.QUICK_DEATHS_MAX + 1}:
    exit(6)
if count < {tree.QUICK_DEATHS_MAX + 1 + tree.QUICK_DEATHS_MAX}:
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(600)
"""
    watched = watch(part("api", script))

    await watched.until(lambda: watched.ups("api") == 2 * tree.QUICK_DEATHS_MAX + 1)

    assert watched.notices.count("api ended (killed by SIGKILL) and starts again.") == tree.QUICK_DEATHS_MAX - 1


@pytest.mark.parametrize(
    "error", [BlockingIOError(errno.EAGAIN, "no process left"), OSError(errno.ENOMEM, "no memory"), RuntimeError("can't start new thread")]
)
async def test_a_part_that_can_not_be_started_now_is_started_later(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    make, tries = asyncio.create_subprocess_exec, itertools.count()

    async def scarce(*argv: str, **given: Any) -> asyncio.subprocess.Process:
        if next(tries) < tree.QUICK_DEATHS_MAX + 1:
            raise error
        return await make(*argv, **given)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    watched = watch(part("api", FOREVER))

    await watched.until(lambda: watched.ups("api") == 1)

    assert watched.notices == [f"api ended (it could not be started: {error}) and starts again."]


async def test_a_part_whose_reason_stays_is_not_started_again(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", "print('error: wrong setting'); exit(3)"))  # 3: exits.Code.INVALID

    with pytest.raises(tree.PartGaveUp, match=r"The api ended \(exit code 3\)\. Its last words:\n  error: wrong setting$"):
        await watched.ended()

    assert watched.said == [("api", "error: wrong setting")]


async def test_parts_are_started_again_on_demand(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", FOREVER), part("worker", FOREVER))
    await watched.until(lambda: watched.ups("api") == watched.ups("worker") == 1)

    watched.tree.restart()

    await watched.until(lambda: watched.ups("api") == watched.ups("worker") == 2)
    assert set(watched.notices) == {"api ended (exit code 0) and starts again.", "worker ended (exit code 0) and starts again."}


async def test_a_part_that_hangs_when_it_is_to_start_again_is_ended_by_force(watch: Callable[..., Watched]) -> None:
    watched = watch(part("worker", STUBBORN, drain_s=0.2))
    await watched.until(lambda: watched.ups("worker") == 1)

    watched.tree.restart()

    await watched.until(lambda: watched.ups("worker") == 2)
    assert watched.notices == [
        "worker did not end within 0.2 s and is ended by force.",
        "worker ended (killed by SIGKILL) and starts again.",
    ]


async def test_what_is_to_come_later_waits_to_be_asked_for(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", FOREVER), part("worker 2", FOREVER, later=True))
    await watched.until(lambda: watched.ups("api") == 1)
    assert set(watched.tree.pids) == {"api"}

    watched.tree.start_later()

    await watched.until(lambda: watched.ups("worker 2") == 1)


async def test_what_was_to_come_later_never_comes_after_a_stop(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", FOREVER), part("worker 2", FOREVER, later=True))
    await watched.until(lambda: watched.ups("api") == 1)

    watched.tree.stop()
    await watched.ended()

    assert watched.said == [("api", "up")]


async def test_parts_stop_one_after_the_other_in_their_order(watch: Callable[..., Watched]) -> None:
    slow = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), print('drained', flush=True), exit(0)));"
    script = slow + "print('up', flush=True); time.sleep(600)"
    watched = watch(part("api", script), part("worker", script))
    await watched.until(lambda: watched.ups("api") == watched.ups("worker") == 1)

    watched.tree.stop()
    await watched.ended()

    assert watched.said[-2:] == [("api", "drained"), ("worker", "drained")]


async def test_parts_of_a_group_are_asked_to_stop_at_the_same_time(watch: Callable[..., Watched], tmp_path: Path) -> None:
    waiting = """
        import pathlib, signal, time
        def end(*_):
            pathlib.Path({mine!r}).touch()
            while not pathlib.Path({other!r}).exists():
                time.sleep(0.01)
            exit(0)
        signal.signal(signal.SIGTERM, end)
        print('up', flush=True)
        time.sleep(600)
    """
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    scripts = [textwrap.dedent(waiting).format(mine=mine, other=other) for mine, other in ((one, two), (two, one))]
    watched = watch(*(part(f"worker {number}", script, drain_s=600, group="worker") for number, script in enumerate(scripts)))
    await watched.until(lambda: watched.ups("worker 0") == watched.ups("worker 1") == 1)

    watched.tree.stop()
    await watched.ended()

    assert watched.notices == []


async def test_a_part_that_does_not_drain_in_its_time_is_ended_by_force(watch: Callable[..., Watched]) -> None:
    watched = watch(part("worker", STUBBORN, drain_s=0.2))
    await watched.until(lambda: watched.ups("worker") == 1)

    watched.tree.stop()
    await watched.ended()

    assert watched.notices == ["worker did not end within 0.2 s and is ended by force."]


async def test_asked_to_stop_again_it_does_not_wait_for_the_drain(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", STUBBORN, drain_s=600), part("worker", STUBBORN, drain_s=600))
    await watched.until(lambda: watched.ups("api") == watched.ups("worker") == 1)

    watched.tree.stop()
    watched.tree.stop()
    await watched.ended()

    assert watched.notices == []


async def test_stopping_while_a_part_waits_for_its_next_start_ends_at_once(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", AWAY))
    await watched.until(lambda: watched.ups("api") >= 2)

    watched.tree.stop()
    await watched.ended()
    assert watched.tree.pids == {}


async def test_output_without_line_ends_is_passed_on_in_pieces_and_none_is_lost(watch: Callable[..., Watched]) -> None:
    watched = watch(part("api", "import sys, time; sys.stdout.write('x' * 300_000); sys.stdout.flush(); time.sleep(600)"))

    await watched.until(lambda: sum(len(line) for _, line in watched.said) >= 3 * 64 * 1024)

    watched.tree.stop()
    await watched.ended()
    assert sum(len(line) for _, line in watched.said) == 300_000


async def test_no_child_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    child = textwrap.dedent("""
        import time
        from carbonledger.entrypoints.cli import lifeline
        lifeline.watch()
        print("up", flush=True)
        time.sleep(600)
    """)
    parent = textwrap.dedent(f"""
        import asyncio, os, sys
        from carbonledger.entrypoints.cli import tree
        environ = {{**os.environ, "{lifeline.CHILD}": "1"}}
        parts = tuple(tree.Part(name, (sys.executable, "-c", {child!r}), environ, 10.0) for name in ("api", "worker"))
        asyncio.run(tree.Tree(parts, forward=lambda name, line: print(name, line.decode(), flush=True), notice=print).run())
    """)
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {"api up\n", "worker up\n"}
    children = psutil.Process(process.pid).children()
    assert len(children) == 2

    process.kill()
    process.wait()

    assert psutil.wait_procs(children, timeout=DEADLINE_S)[1] == []
    process.stdout.close()


@pytest.mark.parametrize(
    "code, words",
    [
        (0, "exit code 0"),
        (6, "exit code 6"),
        (-9, "killed by SIGKILL"),
        (-64, "killed by SIGRTMAX"),
        (-33, "killed by signal 33"),  # a number that Python gives no name
    ],
)
def test_how_a_process_ended_is_said_in_words(code: int, words: str) -> None:
    assert tree.how_it_ended(code) == words
