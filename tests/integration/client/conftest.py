"""A peer on loopback, and the commands as a user runs them, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.testing

from carbonledger_client import cli
from tests.integration.client import peer as peers

FIXTURES = Path(__file__).parents[2] / "fixtures" / "traces"
AZURE = FIXTURES / "azure_llm_2023_conv.csv.gz"
AZURE_MAP = (
    "--map", "occurred_at=TIMESTAMP", "--map", "uncached_input=ContextTokens", "--map", "output=GeneratedTokens",
    "--set", "provider=openai", "--set", "model=gpt-4o",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What it printed, as JSON."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document


Ledger = Callable[..., Ended]


@pytest.fixture
def peer() -> Iterator[peers.Peer]:
    """Return a running peer."""
    made = peers.Peer()
    server = peers.serve(made)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def ledger(peer: peers.Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return what runs a command against the peer, with a state folder of its own."""
    monkeypatch.setenv("CARBONLEDGER_URL", peer.address)
    monkeypatch.setenv("CARBONLEDGER_API_KEY", peers.KEY)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    app = typer.Typer()
    app.command("import")(cli.import_file)
    app.command("summary")(cli.summary)

    def run(*words: str | Path, stdin: bytes | None = None) -> Ended:
        result = typer.testing.CliRunner().invoke(app, [str(word) for word in words], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run
