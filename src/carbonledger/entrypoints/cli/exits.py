"""Exit codes of every command, so that a script can tell one failure from another.

Owns: the numbers and what each means (``docs/reference/cli.md`` is generated from here). Never renumber: scripts hold them.
"""

from __future__ import annotations

import enum

from carbonledger.kernel import errors


class Code(enum.IntEnum):
    """What a command's exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    NOT_FOUND = 4
    CONFLICT = 5
    UNAVAILABLE = 6
    REFUSED = 7
    DEFECT = 70
    INTERRUPTED = 130


MEANING: dict[Code, str] = {
    Code.DONE: "Done; for `up`, `api` and `worker`: asked to stop, and stopped cleanly.",
    Code.FAILED: "The command ran and its answer is no: `doctor` found a fault, `telemetry check` a difference.",
    Code.USAGE: "An unknown command or option, or a wrong argument.",
    Code.INVALID: "A setting or a value is not usable as it is; trying again changes nothing.",
    Code.NOT_FOUND: "There is no such organization, key, job or file.",
    Code.CONFLICT: "The present state forbids it: already running, port taken, target not empty.",
    Code.UNAVAILABLE: "Something it needs is away: the database, the network, a key file. Trying again may help.",
    Code.REFUSED: "Not allowed.",
    Code.DEFECT: "A defect of Carbon Ledger.",
    Code.INTERRUPTED: "Interrupted (Ctrl-C) before it was done.",
}

PERMANENT = frozenset({Code.USAGE, Code.INVALID, Code.REFUSED})
"""Codes after which starting the same process again can only end the same way."""

_BY_KIND: dict[errors.Kind, Code] = {
    errors.Kind.MALFORMED: Code.INVALID,
    errors.Kind.UNAUTHENTICATED: Code.REFUSED,
    errors.Kind.PAYMENT_REQUIRED: Code.REFUSED,
    errors.Kind.FORBIDDEN: Code.REFUSED,
    errors.Kind.NOT_FOUND: Code.NOT_FOUND,
    errors.Kind.CONFLICT: Code.CONFLICT,
    errors.Kind.GONE: Code.NOT_FOUND,
    errors.Kind.TOO_LARGE: Code.INVALID,
    errors.Kind.UNSUPPORTED: Code.INVALID,
    errors.Kind.INVALID: Code.INVALID,
    errors.Kind.LIMITED: Code.UNAVAILABLE,
    errors.Kind.UNAVAILABLE: Code.UNAVAILABLE,
    errors.Kind.INTERNAL: Code.DEFECT,
}


def of(fault: errors.Fault) -> Code:
    """Return the exit code of a fault."""
    return _BY_KIND[fault.kind]
