"""``up --demo``: stand-ins of the providers as one more child, and what a person is told of the demo.

Owns: the stand-ins' socket and addresses, and the demo's note in the data folder: the day that its 60 days end with, which must stay the
same over restarts, and the key of its organization. What the organization holds is made by the command ``demo``, once the service is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from carbonledger.entrypoints.cli import listener, tree
from carbonledger.infra import clock, settings

DRAIN_S: Final = 5.0
_HOST: Final = "127.0.0.1"
_NAMES: Final = ("openai", "anthropic", "openrouter")
FILE: Final = "demo.json"


@dataclass(frozen=True, slots=True)
class Providers:
    """The stand-ins' socket, and where the service finds each of them."""

    sock: socket.socket
    anchor: str
    environ: Mapping[str, str]

    def part(self, environ: Mapping[str, str]) -> tree.Part:
        """Return the child that serves them."""
        descriptor = self.sock.fileno()
        program = (sys.executable, "-P", "-m", "carbonledger_sandbox", "--until-input-ends")
        argv = (*program, "--fd", str(descriptor), "--anchor", self.anchor)
        return tree.Part("providers", argv, environ, DRAIN_S, pass_fds=(descriptor,))


@contextlib.contextmanager
def providers(configuration: settings.Settings) -> Iterator[Providers]:
    """Bind the stand-ins' socket, on any free port. Addresses of providers that the operator has set stay as they are."""
    anchor = note(configuration.home).get("anchor") or clock.now().date().isoformat()
    keep(configuration.home, {"anchor": anchor})
    with listener.listening(_HOST, 0) as sock:
        address = f"http://{_HOST}:{sock.getsockname()[1]}"
        named = {f"CARBONLEDGER_{name.upper()}_URL": f"{address}/{name}" for name in _NAMES}
        chosen = {name: value for name, value in named.items() if name not in settings.environment()}
        yield Providers(sock, anchor, {**chosen, "CARBONLEDGER_DEMO_URL": address})


def note(home: Path) -> dict[str, str]:
    """Return what was noted of the demo; empty before its first start, or where the file is no longer one of ours."""
    try:
        found = json.loads((home / FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def keep(home: Path, more: Mapping[str, str]) -> None:
    """Note more of the demo, readable for its owner alone, whole or not at all."""
    target = home / FILE
    fresh = target.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({**note(home), **more}, file)
    fresh.replace(target)


def told(shown: Mapping[str, str], *, address: str) -> str:
    """Return what a person is told of the demo."""
    return (
        f"\n  The demo organization is {shown['name']}; its three providers are stand-ins that answer from real traces,\n"
        f"  and their 60 days are being read now. Once signed in, choose it at the top left. Its key (kept in {shown['file']}):\n"
        f"  {shown['api_key']}\n\n"
        f"  curl -H 'Authorization: Bearer {shown['api_key']}' '{address}/v1/telemetry/summary?from={shown['from']}&to={shown['to']}'\n"
    )
