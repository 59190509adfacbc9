"""The supervisor's program: ``python -m carbonledger.infra.postgres.supervise``, options as JSON on its input.

Owns: detaching from whoever starts it, and the one line of JSON that answers when the server is ready or can't be had. The
parent of the detached process ends with that answer, so the supervisor is nobody's child and outlives its first user.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from carbonledger.infra.postgres import faults, ground, options, supervisor
from carbonledger.infra.postgres import folder as folders


def _detach() -> None:
    """Leave the session of whoever started us: no terminal, no controlling process, no folder kept busy."""
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _serve(text: str, answer: Callable[[dict[str, str]], None]) -> None:
    try:
        wanted = options.ClusterOptions.from_json(json.loads(text))
        supervisor.Supervisor(ground.take(wanted), wanted).run(lambda: answer({"status": "ready"}))
    except ground.AlreadyThere:
        answer({"status": "already"})
    except faults.PostgresFault as fault:
        answer({"status": "failed", "code": fault.code, "detail": str(fault)})
    except OSError as problem:
        refusal = folders.of_os_error(problem, Path(json.loads(text)["data_dir"]))
        answer({"status": "failed", "code": refusal.code, "detail": str(refusal)})
    except Exception:
        answer({"status": "failed", "code": faults.PostgresFault.code, "detail": f"The supervisor failed:\n{traceback.format_exc()}"})
        raise


def main() -> int:
    text = sys.stdin.read()
    hears, tells = os.pipe()
    if os.fork():
        # Stay until the child has answered, so that whoever started us knows; then the child is nobody's.
        os.close(tells)
        with os.fdopen(hears, encoding="utf-8") as answers:
            os.write(1, answers.readline().encode())
        return 0
    os.close(hears)
    _detach()

    def answer(words: dict[str, str]) -> None:
        nonlocal tells
        if tells >= 0:
            with contextlib.suppress(BrokenPipeError):
                os.write(tells, (json.dumps(words) + "\n").encode())
            os.close(tells)
            tells = -1

    _serve(text, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
