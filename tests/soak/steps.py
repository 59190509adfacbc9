"""kill -9 at every step of polls and of ingest: the worker, the API, a backend, the whole database; then everything is as without.

First each scene runs without a kill and its steps are counted: every message that asks the database, the provider or the API for something.
Then it starts anew from the same state for every step, place in the step (before, done but not answered, after) and victim, something is
killed there, it is started again and comes to its end, and the books are compared. ``docs/runbooks/soak.md`` says what that proves. Exit
code 1 on any violation.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import shlex
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from tests.soak.bystep import ground as grounds
from tests.soak.bystep import preparing, scenes, stage
from tests.soak.bystep.fate import Place, Step
from tests.soak.bystep.running import Kill, Run, Victim

SCALE_LEAST, SCALE_MOST = 0.0001, 1.0
_TOLD_EVERY: Final = 25
_SHOWN_MAX: Final = 40
_LOG_CHARS: Final = 3000
_STOPPED: Final = 128 + signal.SIGTERM


@dataclass(slots=True)
class Found:
    """What came of the kills so far."""

    counted: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    steps: set[tuple[str, Step]] = field(default_factory=set)
    missed: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def orders(counted: Sequence[tuple[scenes.Scene, Sequence[Step]]], *, seed: int) -> list[Kill]:
    """Return every kill there is: by scene and step, and within a step in an order of the seed's, so that a slice has all kinds."""
    found = []
    for scene, steps in counted:
        for step in steps:
            kinds = [(place, victim) for place in Place for victim in Victim]
            random.Random(f"{seed} {scene.name} {step}").shuffle(kinds)  # whatever else is counted
            found += [Kill(scene, step, place, victim) for place, victim in kinds]
    return found


def chosen(every: Sequence[Kill], scale: float, rng: random.Random) -> list[Kill]:
    """Return the part of them that the scale says, evenly, and in any order: a run that is stopped has been everywhere."""
    many = max(round(len(every) * scale), 1)
    stride = len(every) / many
    offset = rng.random() * stride
    kills = [every[min(int(offset + number * stride), len(every) - 1)] for number in range(many)]
    rng.shuffle(kills)
    return kills


async def _main(home: Path, ground: grounds.Ground, options: argparse.Namespace, found: Found) -> None:
    task = asyncio.current_task()
    assert task is not None
    # Not by an exception out of nowhere: what is cut off inside of a driver's own code may take the process with it.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with stage.built(home, ground) as built:
        counted, whole = [], {}
        for scene in await preparing.prepare(built):
            run = Run(built, scene)
            await run.go()
            found.violations += [f"{scene.name} without a kill: {words}" for words in run.violations]
            counted.append((scene, run.fate.passed))
            whole[scene.name] = run
            print(f"  {scene.name:22} {len(run.fate.passed)} steps", flush=True)
        every = [
            kill for kill in orders(counted, seed=options.seed) if not options.only or any(words in str(kill) for words in options.only)
        ]
        kills = chosen(every, options.scale, random.Random(options.seed))[options.begin :][: options.many]
        found.counted = len({(kill.scene.name, kill.step) for kill in every})
        print(f"  to be killed     {len(kills)} times, of {len(every)} ways at {found.counted} steps", flush=True)
        began = time.monotonic()
        for number, kill in enumerate(kills, 1):
            run = Run(built, kill.scene, kill, whole[kill.scene.name])
            await run.go()
            _note(found, run, kill)
            if number % _TOLD_EVERY == 0:
                spent = f"{time.monotonic() - began:.0f} s"
                print(f"  {number} of {len(kills)}: {found.killed.total()} kills, {len(found.violations)} violations, {spent}", flush=True)


def _note(found: Found, run: Run, kill: Kill) -> None:
    if run.fate.has_struck:
        victim = kill.scene.part if kill.victim is Victim.PROCESS else kill.victim.value
        found.killed[victim] += 1
        found.steps.add((kill.scene.name, kill.step))
    else:
        found.missed.append(str(kill))
    if run.violations:
        words = "\n      ".join([str(kill), *run.violations, f"replay: python3 dev.py soak steps --only {shlex.quote(str(kill))}"])
        found.violations.append(words)
        said = run.stage.log.read_text(errors="replace")[-_LOG_CHARS:] if run.stage.log.exists() else ""
        print(f"  ! {words}", "    its last words", said, sep="\n", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 dev.py soak steps", description=(__doc__ or "").partition("\n")[0])
    told = f"part of all kills, evenly over the steps; 1 is each, {SCALE_LEAST:g} to {SCALE_MOST:g}"
    parser.add_argument("--scale", type=float, default=1.0, help=told)
    parser.add_argument("--seed", type=int, default=None, help="of the choice; a new one if left out")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORDS",
        help="only kills that say so, such as 'hourly poll, openai' or 'backend killed'; may be given again, for others too",
    )
    parser.add_argument("--begin", type=int, default=0, metavar="PLACE", help="leave out the kills before this one (from 0), to resume")
    parser.add_argument("--many", type=int, default=None, metavar="KILLS", help="end after so many")
    options = parser.parse_args()
    if not SCALE_LEAST <= options.scale <= SCALE_MOST:
        parser.error(f"--scale is {SCALE_LEAST:g} to {SCALE_MOST:g}")
    options.seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    return options


def _terminated(number: int, _: object) -> NoReturn:
    """End as after Ctrl-C while nothing runs yet: the database is stopped and its folder removed on the way out."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run and say how it went."""
    options = _options()
    signal.signal(signal.SIGTERM, _terminated)
    only = "".join(f" --only {shlex.quote(words)}" for words in options.only)
    print(f"steps: --scale {options.scale:g} --seed {options.seed}{only}, {os.cpu_count()} cores", flush=True)
    began, found = time.monotonic(), Found()
    try:
        with tempfile.TemporaryDirectory(prefix="carbonledger-soak-") as name:
            os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
            with grounds.standing(Path(name)) as ground:
                asyncio.run(_main(Path(name), ground, options, found))
    except asyncio.CancelledError:
        print("  stopped", flush=True)
        return _STOPPED
    finally:  # stopped before its end it says how far it came
        print(f"  killed           {found.killed.total()} times {dict(found.killed)}, at {len(found.steps)} of {found.counted} steps")
        print(f"  not reached      {len(found.missed)}", *found.missed[:_SHOWN_MAX], sep="\n    ")
        print(f"  took             {time.monotonic() - began:.0f} s in all")
        print(f"  violations       {len(found.violations)}", *found.violations[:_SHOWN_MAX], sep="\n    ")
    return 1 if found.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
