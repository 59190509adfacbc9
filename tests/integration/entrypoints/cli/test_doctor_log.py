"""doctor: the public log keeps the name that it got first, so an installation that moved is told."""

from __future__ import annotations

import json
from pathlib import Path

from carbonledger.domains.receipts.types.log import MONITOR_PATH
from carbonledger.entrypoints.shared import signing
from carbonledger.infra import clock
from tests import installation
from tests.integration.entrypoints.cli.conftest import Opened


def finding(home: Path, **extra: str) -> tuple[int, dict[str, str]]:
    """Run doctor and return its exit code and what it finds of the log."""
    done = installation.run(home, "doctor", "--json", **extra)
    [found] = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "log"]
    return done.returncode, found


async def test_a_public_address_that_is_not_the_logs_name_is_a_warning(home: Path, opened: Opened) -> None:
    code, found = finding(home)
    assert (code, found["status"]) == (0, "ok")
    assert "not named yet" in found["detail"]
    named = found["detail"].split(" it is ")[1].removesuffix(", for ever")
    async with opened() as services:
        address = f"http://{named.removesuffix(MONITOR_PATH)}"
        await signing.open_current(services.database, at=clock.now(), sealer=services.sealer, outside=None, address=address)
    assert finding(home)[1]["status"] == "ok"
    code, found = finding(home, CARBONLEDGER_PUBLIC_URL="https://moved.example")
    assert (code, found["status"]) == (0, "warning")
    assert "moved.example/v1/public/log" in found["detail"]
    assert "CARBONLEDGER_PUBLIC_URL" in found["remedy"]
