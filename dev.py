#!/usr/bin/env python3
"""Carbon Ledger from a fresh clone: `python3 dev.py up` runs it, `python3 dev.py help` lists the rest.

Needs nothing but Python and pip. This file stays in the words of old Pythons, so that it can tell their owners which one it
needs; everything else is in tools/dev/.
"""

import os
import sys

OLDEST, TOO_NEW = (3, 11), (3, 15)


def refusal():  # noqa: ANN201 - Python 2 knows no annotations
    # type: () -> str
    """What is wrong with this Python, or nothing."""
    found = str(sys.version_info[0]) + "." + str(sys.version_info[1])
    if not sys.platform.startswith(("linux", "darwin")):
        return "Carbon Ledger runs on Linux and macOS; on Windows use WSL (https://learn.microsoft.com/windows/wsl/install)."
    if OLDEST <= tuple(sys.version_info[:2]) < TOO_NEW:
        return ""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for minor in range(TOO_NEW[1] - 1, OLDEST[1] - 1, -1):
            name = "python3." + str(minor)
            if os.access(os.path.join(folder, name), os.X_OK):
                return "Carbon Ledger needs Python 3.11 to 3.14, this is " + found + ". Run: " + name + " " + " ".join(sys.argv)
    return (
        "Carbon Ledger needs Python 3.11 to 3.14, this is "
        + found
        + ". Install one (https://www.python.org/downloads/) and run it with that."
    )


if __name__ == "__main__":
    problem = refusal()
    if problem:
        sys.exit(problem)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        from tools.dev import main
    except ImportError as missing:
        sys.exit("This Python lacks a part of its own library (" + str(missing) + "); on Debian: apt-get install python3-venv")
    sys.exit(main.main(sys.argv[1:]))
