"""An installation for the tests of commands: migrated once, then used by many, each with organizations of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from carbonledger import bootstrap
from carbonledger.infra import reach, settings
from tests import installation

KEY = "cl_live_" + "k" * 40

Opened = Callable[[], contextlib.AbstractAsyncContextManager[bootstrap.Services]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Return the folder of an installation with a house, whose database runs while the module's tests do."""
    with installation.new_home() as path:
        made = installation.run(path, "migrate", CARBONLEDGER_BOOTSTRAP_API_KEY=KEY)
        assert made.returncode == 0, made.stderr
        with reach.reached(settings.Settings(home=path)):  # else each command would start the server and end it
            yield path


@pytest.fixture
def opened(home: Path) -> Opened:
    """Return a way to use the installation's services from the test itself."""

    @contextlib.asynccontextmanager
    async def services() -> AsyncIterator[bootstrap.Services]:
        configuration = settings.Settings(home=home)
        with reach.reached(configuration) as reached:
            async with bootstrap.build(configuration, reached.addresses, application="test") as built:
                yield built

    return services
