"""`python -m tools.docs`: every relative link and anchor in Markdown leads somewhere, every page is linked, every command exists.

Addresses of other sites are not asked: a check must not fail because somebody else's server sleeps.
"""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tools.dev import main as dev
from tools.house import files

ROOT = Path(__file__).parents[1]
START = "README.md"  # where a reader begins; every page under docs/ must be reached from a page at the top
FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?(?P<target>[^()\s<>]+(?:\([^()\s]*\)[^()\s<>]*)?)>?(?:\s+[\"'(][^)]*)?\s*\)")
DEFINITION = re.compile(r"^ {0,3}\[(?!\^)[^\]]+\]:\s*<?(?P<target>[^\s>]+)")
HEADING = re.compile(r"^ {0,3}(?P<level>#{1,6})\s+(?P<text>.*?)\s*#*\s*$")
HTML_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"(?P<name>[^\"]+)\"")
HTML_LINK = re.compile(r"<(?:a|img)\s[^>]*(?:href|src)=\"(?P<target>[^\"]+)\"")
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
COMMAND = re.compile(r"\bpython3? dev\.py ([a-z][\w-]*)")
INLINE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*~]|(?<!\w)_|_(?!\w)")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file: its links with their lines, its anchors, and the dev.py commands it tells people to type."""

    path: str
    links: tuple[tuple[int, str], ...]
    anchors: frozenset[str]
    commands: tuple[tuple[int, str], ...]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description="Links, anchors and commands in Markdown.")
    parser.add_argument("--root", type=Path, default=ROOT)
    root = parser.parse_args(arguments).root
    pages = {page.path: page for page in read_pages(root)}
    found = sorted(findings(root, pages))
    print("\n".join([*map(str, found), f"{len(found)} findings in {len(pages)} pages."]))
    return 1 if found else 0


def read_pages(root: Path) -> Iterator[Page]:
    for path in files.repository_files(root):
        if path.suffix == ".md":
            yield read_page(str(path), (root / path).read_text(encoding="utf-8"))


def read_page(path: str, text: str) -> Page:
    links: list[tuple[int, str]] = []
    anchors: list[str] = []
    commands: list[tuple[int, str]] = []
    for number, line, is_code in lines_of(text):
        commands += [(number, match[1]) for match in COMMAND.finditer(line)]
        if is_code:
            continue
        heading = HEADING.match(line)
        if heading:
            anchors.append(unique(slug(heading["text"]), anchors))
        anchors += [match["name"] for match in HTML_ANCHOR.finditer(line)]
        prose = CODE_SPAN.sub("`", line)
        links += [(number, match["target"]) for pattern in (LINK, DEFINITION, HTML_LINK) for match in pattern.finditer(prose)]
    return Page(path, tuple(links), frozenset(anchors), tuple(commands))


def lines_of(text: str) -> Iterator[tuple[int, str, bool]]:
    """Each line with its number and whether it stands in a fenced code block."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and (not fence or (line.strip().startswith(fence) and line.strip() == mark[1])):
            fence = "" if fence else mark[1]
            yield number, "", True
        else:
            yield number, line, bool(fence)


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it: words in lower case, everything else dropped, spaces to hyphens."""
    text = INLINE.sub(lambda match: match[1] or "", heading).lower()
    kept = (char for char in text if char in " -_" or unicodedata.category(char)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


def unique(anchor: str, taken: Sequence[str]) -> str:
    """A heading that comes again gets -1, -2, …"""
    again = sum(other == anchor or re.fullmatch(re.escape(anchor) + r"-\d+", other) is not None for other in taken)
    return f"{anchor}-{again}" if anchor in taken else anchor


def findings(root: Path, pages: dict[str, Page]) -> Iterator[Finding]:
    known = {command.name for command in dev.COMMANDS}
    for page in pages.values():
        for line, target in page.links:
            why = broken(root, pages, page, target)
            if why:
                yield Finding(page.path, line, why)
        for line, name in page.commands:
            if name not in known:
                yield Finding(page.path, line, f"dev.py has no command {name!r}")
    yield from (Finding(path, 1, f"no page leads here from {START}") for path in unreached(root, pages))


def broken(root: Path, pages: dict[str, Page], page: Page, target: str) -> str | None:
    """Why a link leads nowhere."""
    if SCHEME.match(target) or target.startswith("//"):
        return None
    name, _, anchor = unquote(target).partition("#")
    path = resolve(root, page, name)
    if path is None or not (root / path).exists():
        return f"{target} does not exist"
    if anchor and path in pages and anchor not in pages[path].anchors:
        return f"{target}: {path} has no heading #{anchor}"
    return None


def resolve(root: Path, page: Page, name: str) -> str | None:
    """The path that a link means, relative to the repository; None outside of it."""
    if not name:
        return page.path
    start = root if name.startswith("/") else (root / page.path).parent
    whole = (start / name.lstrip("/")).resolve()
    return whole.relative_to(root.resolve()).as_posix() if whole.is_relative_to(root.resolve()) else None


def unreached(root: Path, pages: dict[str, Page]) -> list[str]:
    """Pages under docs/ that no chain of links reaches from the top of the repository; a linked folder reaches its pages."""
    waiting = [path for path in pages if "/" not in path]
    reached = set(waiting)
    while waiting:
        page = pages[waiting.pop()]
        targets = {resolve(root, page, unquote(target).partition("#")[0]) for _, target in page.links if not SCHEME.match(target)}
        for path in pages:
            if path not in reached and (path in targets or path.rpartition("/")[0] in targets):
                reached.add(path)
                waiting.append(path)
    return sorted(path for path in pages if path.startswith("docs/") and path not in reached)


if __name__ == "__main__":
    sys.exit(main())
