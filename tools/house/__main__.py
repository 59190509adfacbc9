"""`python -m tools.house [path…]`: judge the repository, or these files and folders of it; exit 1 on any finding."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.house import files, locks
from tools.house.rule import Finding, judge
from tools.house.rules import RULES, shape
from tools.house.source import ROOT, Source


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.house", description="House lint rules.")
    parser.add_argument("paths", nargs="*", type=Path, help="only these files and folders")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    parser.add_argument("--rules", action="store_true", help="list the rules, each with the harm it prevents")
    options = parser.parse_args(argv)
    if options.rules:
        print("\n\n".join(f"{rule.name}\n    {' '.join(rule.harm().split())}" for rule in RULES))
        return 0
    sources = read(options.root, [path.resolve() for path in options.paths])
    findings = [finding for source in sources for finding in examine(source)] + ([] if options.paths else locks.findings(options.root))
    print("\n".join([*map(str, sorted(findings)), f"{len(findings)} findings in {len(sources)} files. {sizes(sources, findings)}"]))
    return 1 if findings else 0


def read(root: Path, only: Sequence[Path]) -> list[Source]:
    sources = []
    for path in files.repository_files(root):
        whole = root / path
        if not only or any(whole == chosen or chosen in whole.parents for chosen in only):
            sources.append(Source(path, whole.read_text(encoding="utf-8", errors="replace"), root))
    return sources


def examine(source: Source) -> list[Finding]:
    try:
        return judge(source, RULES, known=frozenset(rule.name for rule in RULES))
    except SyntaxError as error:
        return [Finding(str(source.path), error.lineno or 1, "syntax", f"does not parse: {error.msg}")]


def sizes(sources: Sequence[Source], findings: Sequence[Finding]) -> str:
    """The 90th percentiles of the source's files and functions, so that growth shows before a limit is hit."""
    broken = {finding.path for finding in findings if finding.rule == "syntax"}
    shipped = [source for source in sources if source.is_python and source.is_under("src") and str(source.path) not in broken]
    functions = [shape.function_lines(function) for source in shipped for function in source.functions]
    return f"src: p90 file {percentile([len(source.lines) for source in shipped])} lines, p90 function {percentile(functions)} lines."


def percentile(values: Sequence[int]) -> int:
    return sorted(values)[int(len(values) * 0.9)] if values else 0


if __name__ == "__main__":
    sys.exit(main())
