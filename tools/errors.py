"""`python -m tools.errors [--fix]`: docs/reference/errors.md, every code that an answer of the API may carry, made from the code itself."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import carbonledger
from carbonledger.entrypoints.asgi import protocol
from carbonledger.entrypoints.rest import areas, openapi, problems
from carbonledger.entrypoints.shared import faults
from carbonledger.kernel import errors

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/errors.md"
# Told before any operation is found, so that no operation lists them.
BEFORE_ROUTING = (faults.RouteUnknown, faults.MethodNotAllowed, faults.HeadersTooLarge, protocol.RequestUnparseable)
INTRODUCTION = """\
<!-- Made by `python -m tools.errors --fix`; what is written here by hand is lost. -->
# Error codes

A request that is not done is answered with a problem document (RFC 9457, `application/problem+json`):
`type`, `title`, `status`, `detail`, `code`, `request_id`. `code` is stable: programs decide by it, people read `detail`. `type` is
`urn:carbonledger:problem:` and the code. 429 and 503 say in `Retry-After` how many seconds to wait, and so does `in_progress`.

Where input is wrong, `errors` lists every problem at once (at most 100, then `errors_left_out` counts the rest), each with
`pointer` (RFC 6901) into the body, or `/query/name`, `/path/name`, `/header/name` for a parameter; a `code`; and a `detail`. Those codes
are pydantic's names of what is wrong (`missing`, `string_too_long`, `extra_forbidden` …) and those of the rules that each area adds.

| status | code | meaning |
|---|---|---|
"""


def shown() -> dict[str, type[errors.Fault]]:
    """Return every failure that the API may tell, by code; of several with one code, the first by name of its class."""
    found: set[type[errors.Fault]] = {fault for route in areas.routes() for fault in openapi.faults_of(route)} | set(BEFORE_ROUTING)
    by_code: dict[str, type[errors.Fault]] = {}
    for fault in sorted(found, key=lambda one: (one.code, one.__name__)):
        by_code.setdefault(fault.code, fault)
    return by_code


def raised() -> Iterator[type[errors.Fault]]:
    """Give every class of failure in the product, told by the API or not."""
    for module in pkgutil.walk_packages(carbonledger.__path__, "carbonledger."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[errors.Fault]] = [errors.Fault]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.__subclasses__()


def page() -> str:
    """Return the page as it should be."""
    rows = sorted((problems.status_of(fault), code, fault.title()) for code, fault in shown().items())
    return INTRODUCTION + "".join(f"| {status} | `{code}` | {title} |\n" for status, code, title in rows)


def main(arguments: Sequence[str], *, kept: Path = PAGE) -> int:
    """Compare the page with the code, or write it anew."""
    made = page()
    if kept.exists() and kept.read_text(encoding="utf-8") == made:
        return 0
    if "--fix" in arguments:
        kept.write_text(made, encoding="utf-8")
        print(f"{kept.name} is written anew.")
        return 0
    print(f"{kept.name} differs from the code; if that is meant: python -m tools.errors --fix")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
