"""Where the server is and by which key: from options, the environment, a file or a person at a terminal.

A key is never an option of its own: every user of a machine sees the options of a running command.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from carbonledger_client import errors

URL_DEFAULT = "http://127.0.0.1:8400"
_KEY_FILE_MAX_BYTES = 8192


def url(option: str | None, environ: Mapping[str, str]) -> str:
    """Return the server's address: the option, else CARBONLEDGER_URL, else the one of ``carbonledger up``."""
    return option or environ.get("CARBONLEDGER_URL") or URL_DEFAULT


def api_key(key_file: Path | None, environ: Mapping[str, str], *, ask: Callable[[], str] | None = None) -> str:
    """Return the key: of the file, else of CARBONLEDGER_API_KEY, else asked for at a terminal. Raises ``Misused``."""
    if key_file is not None:
        try:
            with key_file.open("rb") as handle:
                return handle.read(_KEY_FILE_MAX_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.Misused(f"The key file can't be read: {error}") from error
    found = environ.get("CARBONLEDGER_API_KEY", "").strip()
    if found:
        return found
    if ask is not None and sys.stdin.isatty():
        return ask().strip()
    raise errors.Misused("There is no API key. Set CARBONLEDGER_API_KEY, or name a file that holds it with --api-key-file.")
