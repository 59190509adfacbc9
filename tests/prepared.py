"""A data folder as a first start leaves it that ended between the schema and the house: to be copied by tests whose subject comes later.

It is made once for this state of what makes it, and saves each of them a new cluster and all migrations.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import shutil
import subprocess
from concurrent import futures
from pathlib import Path

from carbonledger.entrypoints.cli import folder
from carbonledger.infra import migrations, reach, settings
from tests import conftest, embedded

_MAKERS = ("migrations", "src/carbonledger/infra/postgres", "src/carbonledger/infra/ddl.py")


def copy_to(home: Path) -> None:
    """Make ``home`` such a folder; it isn't there yet."""
    subprocess.run(["cp", "-a", _made(), home], check=True)  # which keeps owners: root's database runs as another user


@functools.cache
def _made() -> Path:
    sources = [
        file for maker in _MAKERS for file in sorted([conftest.ROOT / maker, *(conftest.ROOT / maker).rglob("*.py")]) if file.is_file()
    ]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    place = conftest.base() / f"home-{digest}"
    with conftest.locked(conftest.base() / "home.lock"):
        if not place.exists():
            for earlier in conftest.base().glob("home-*"):  # of other sources, or of a run that was killed while making it
                embedded.end(earlier / "postgres")
                shutil.rmtree(earlier)
            making = conftest.base() / f"home-making-{os.getpid()}"
            folder.make(making)
            # In a thread, because the caller may run in an event loop.
            with reach.reached(settings.Settings(home=making)) as reached, futures.ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, migrations.upgrade(reached.addresses.owner)).result()
            embedded.end(making / "postgres")
            making.rename(place)
    return place
