"""The cost of one event from our price book, and the same by LiteLLM's cost function, alternating in one run.

`dev.py bench pricing` prints microseconds an event and events a second of both, their ratio, the cores, and whether the amounts agree. The
issue asks that cost and emissions together reach 200,000 events a second on a core, which is 5 us for both; cost is to take 2 of them.

LiteLLM is installed by pip into an environment of this run alone (`--venv FOLDER` keeps it for the next); where that fails, it says so and
measures ours alone. Its own process runs its rounds, so that neither shares the other's memory or imports. Times are of the processor.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from carbonledger.domains.pricing import data
from carbonledger.domains.pricing.core import book
from carbonledger.kernel.usage import TokenBuckets, Usage

RELEASE = "1.109.1"
ROUNDS = 5
OUR_EVENTS = 200_000
THEIR_EVENTS = 2_000
LIMIT_US = 2.0
INSTALL_TIMEOUT_S = 540
AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
# The whole program of the other process: each line it reads is a number of events, each it writes their seconds and the amounts.
THEIRS = """
import json, os, sys, time
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
from litellm import cost_per_token
cases = json.loads(sys.argv[1])
for line in sys.stdin:
    events = int(line)
    started = time.process_time()
    for number in range(events):
        cost_per_token(**cases[number % len(cases)])
    seconds = time.process_time() - started
    print(json.dumps([seconds, [sum(cost_per_token(**case)) for case in cases]]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One event: tokens of a model, as both books name it."""

    provider: str
    model: str
    their_provider: str
    uncached: int
    cached: int
    created: int
    output: int

    def usage(self) -> Usage:
        tokens = TokenBuckets(
            uncached_input=self.uncached,
            cached_input=self.cached,
            cache_creation_5m=self.created,
            cache_creation_1h=0,
            output=self.output,
            reasoning=0,
            audio_input=0,
            image_input=0,
            cached_audio_input=0,
            cached_image_input=0,
            audio_output=0,
            image_output=0,
        )
        return Usage(provider=self.provider, model=self.model, occurred_at=AT, tokens=tokens, requests=1)

    def arguments(self) -> dict[str, str | int]:
        """What LiteLLM's function takes: its prompt tokens contain the cached ones."""
        return {
            "model": self.model,
            "custom_llm_provider": self.their_provider,
            "prompt_tokens": self.uncached + self.cached + self.created,
            "completion_tokens": self.output,
            "cache_read_input_tokens": self.cached,
            "cache_creation_input_tokens": self.created,
        }


CASES = (
    Case("openai", "gpt-4o", "openai", 1000, 4000, 0, 500),
    Case("openai", "gpt-5.4", "openai", 300_000, 20_000, 0, 2000),  # above a threshold
    Case("anthropic", "claude-sonnet-4-6", "anthropic", 2000, 10_000, 1000, 800),
    Case("anthropic", "claude-haiku-5-5", "anthropic", 30_000, 0, 0, 800),  # below a threshold
    Case("google", "gemini-2.5-flash", "gemini", 5000, 1000, 0, 700),  # sound has a price of its own
    Case("deepseek", "deepseek-chat", "deepseek", 3000, 3000, 0, 900),
)


def install(folder: Path) -> Path:
    """Return the interpreter of an environment that has LiteLLM, made in ``folder`` unless it is there already."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=INSTALL_TIMEOUT_S)
        command = [str(python), "-m", "pip", "install", "--quiet", f"litellm=={RELEASE}"]
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S, stderr=subprocess.DEVNULL)
    return python


@contextlib.contextmanager
def theirs(python: Path) -> Iterator[Callable[[int], tuple[float, list[float]]]]:
    """Run LiteLLM's process for as long as it is needed."""
    command = [str(python), "-c", THEIRS, json.dumps([case.arguments() for case in CASES])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        sent, answered = child.stdin, child.stdout
        if sent is None or answered is None:
            raise RuntimeError("the other process has no pipes")

        def measured(events: int) -> tuple[float, list[float]]:
            sent.write(f"{events}\n")
            sent.flush()
            seconds, amounts = json.loads(answered.readline() or "null") or (0.0, [])
            return 1e6 * seconds / events, amounts

        yield measured


def ours(priced: Callable[[Usage], object], usages: Sequence[Usage]) -> float:
    """Return microseconds of the processor an event: fair on a busy machine, too. The loop is in the figure, as it is in theirs."""
    count = len(usages)
    started = time.process_time()
    for number in range(OUR_EVENTS):
        priced(usages[number % count])
    return 1e6 * (time.process_time() - started) / OUR_EVENTS


def load() -> book.PriceBook:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    found = book.load(data.prices(), data.overrides())
    loaded = time.perf_counter()
    for case in CASES:
        found.price(case.usage())
    used = time.perf_counter()
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"book {found.version}: loaded in {1000 * (loaded - started):.1f} ms (limit 150), {memory:.1f} MB with 4 providers in use")
    print(f"first event of each of {len(CASES)} models: {1000 * (used - loaded):.1f} ms in all")
    return found


def report(name: str, micros: Sequence[float]) -> float:
    middle = statistics.median(micros)
    print(f"{name:<28} {middle:8.3f} us an event, {1e6 / middle:10,.0f} a second   (rounds {min(micros):.3f} to {max(micros):.3f})")
    return middle


def run(measured: Callable[[int], tuple[float, list[float]]] | None) -> None:
    found = load()
    usages = [case.usage() for case in CASES]
    cost, stored, other = [], [], []
    amounts: list[float] = []
    if measured:
        measured(len(CASES))  # its caches warm, as ours are
    for _ in range(ROUNDS):
        cost.append(ours(found.price, usages))
        stored.append(ours(lambda usage: found.price(usage).amount, usages))
        if measured:
            micros, amounts = measured(THEIR_EVENTS)
            other.append(micros)
    print(f"{os.cpu_count()} cores, one used; {ROUNDS} rounds, {len(CASES)} models in turn; medians")
    middle = report("ours", cost)
    report("ours, amount as a decimal", stored)
    if measured:
        print(f"ratio: {report(f'LiteLLM {RELEASE}', other) / middle:.0f}")
        same = sum(round(Decimal(str(theirs)), 12) == found.price(usage).amount for theirs, usage in zip(amounts, usages, strict=True))
        print(f"amounts that agree to 12 decimals: {same} of {len(usages)}")
    print(f"limit for cost: {LIMIT_US} us an event: {'kept' if middle <= LIMIT_US else 'missed'}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, help="the folder of an environment with LiteLLM, made if it is not there")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-pricing-") as folder:
        try:
            python = install(options.venv or Path(folder) / "venv")
        except (subprocess.SubprocessError, OSError) as error:
            print(f"LiteLLM could not be installed ({type(error).__name__}); ours alone")
            run(None)
            return
        with theirs(python) as measured:
            run(measured)


if __name__ == "__main__":
    main()
