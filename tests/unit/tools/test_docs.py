"""Links, anchors, commands and unreached pages in Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import docs

HOME = """# Carbon Ledger
[Glossary](docs/glossary.md#hold) and [below](#the-two-commands).

## The *two* commands
```sh
python3 dev.py up
python3 dev.py test -n 2
```
[how-to]: docs/how-to/
[licence]: LICENSE "Apache-2.0"
[site](https://example.org/nothing#here) <a href="docs/glossary.md">again</a>
"""
GLOSSARY = "# Glossary\n## Hold\n## Hold\n[second](#hold-1) [up](../README.md#carbon-ledger) [top](/README.md)\n"
HOW_TO = "# How to add a job\nSee `[not a link](nowhere.md)`.\n```\n[nor this](nowhere.md)\n```\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in {"README.md": HOME, "docs/glossary.md": GLOSSARY, "docs/how-to/job.md": HOW_TO, "LICENSE": "Apache"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def judge(repository: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = docs.main(["--root", str(repository)])
    return status, capsys.readouterr().out.splitlines()


def test_pages_whose_links_all_lead_somewhere_pass(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(repository, capsys) == (0, ["0 findings in 3 pages."])


# a line added to README.md, what is said of it
BROKEN = [
    ("[a](docs/missing.md)", "docs/missing.md does not exist"),
    ("![a](logo.png)", "logo.png does not exist"),
    ("[a]: docs/gone.md", "docs/gone.md does not exist"),
    ('<img src="gone.svg">', "gone.svg does not exist"),
    ("[a](#nowhere)", "#nowhere: README.md has no heading #nowhere"),
    ("[a](docs/glossary.md#hold-2)", "docs/glossary.md#hold-2: docs/glossary.md has no heading #hold-2"),
    ("[a](docs/glossary.md#Hold)", "docs/glossary.md#Hold: docs/glossary.md has no heading #Hold"),  # anchors are lower case
    ("[a](../outside.md)", "../outside.md does not exist"),
    ("[a [b] c](missing%20page.md 'title')", "missing%20page.md does not exist"),
    ("Run `python3 dev.py fly` first.", "dev.py has no command 'fly'"),
]


@pytest.mark.parametrize("line,said", BROKEN)
def test_what_leads_nowhere_is_found_on_its_line(repository: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    (repository / "README.md").write_text(f"{HOME}{line}\n")
    status, report = judge(repository, capsys)
    assert status == 1
    assert report[0] == f"README.md:{HOME.count(chr(10)) + 1}: {said}"


def test_a_page_that_no_link_reaches_is_found(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "docs/lonely.md").write_text("# Lonely\n[glossary](glossary.md)\n")
    assert judge(repository, capsys) == (1, ["docs/lonely.md:1: no page leads here from README.md", "1 findings in 4 pages."])


# a heading, its anchor on GitHub (worked out from github.com's rendering)
SLUGS = [
    ("What runs, and where", "what-runs-and-where"),
    ("`dev.py up`", "devpy-up"),
    ("Cost & carbon", "cost--carbon"),
    ("snake_case stays", "snake_case-stays"),
    ("A [link](x.md) inside", "a-link-inside"),
    ("**Bold** and _thin_", "bold-and-thin"),
    ("0001: one ledger", "0001-one-ledger"),
    ("Größe", "größe"),
]


@pytest.mark.parametrize("heading,anchor", SLUGS)
def test_anchors_are_made_as_github_makes_them(heading: str, anchor: str) -> None:
    assert docs.slug(heading) == anchor


def test_a_fence_ends_only_with_its_own_mark() -> None:
    page = docs.read_page("x.md", "````\n```\n[a](b.md)\n```\n````\n[c](d.md)\n")
    assert page.links == ((6, "d.md"),)
