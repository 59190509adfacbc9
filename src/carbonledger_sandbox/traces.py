"""The traces as shipped: real requests to real models, without a name, a model or a text.

Owns reading them. Where they come from, under which licence and what was left out is in ``data/README.md``; who is said to have made
which request is ``calls``.
"""

from __future__ import annotations

import csv
import importlib.resources
import io
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = 512  # tokens in one of Mooncake's prefix blocks


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One request: tokens in and out, and the ids of its prefix blocks where the trace has them."""

    input_tokens: int
    output_tokens: int
    blocks: tuple[int, ...] = ()


def shipped(name: str) -> str:
    """Return a file of ``data/`` as text, unpacked if need be."""
    content = importlib.resources.files("carbonledger_sandbox").joinpath("data", name).read_bytes()
    return (lzma.decompress(content) if name.endswith(".xz") else content).decode()


def table(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file of ``data/``."""
    yield from csv.DictReader(io.StringIO(shipped(name)))


def rows(trace: str) -> list[TraceRow]:
    """Return a trace in its own order: ``azure`` (without prefix blocks) or ``mooncake`` (with)."""
    if trace == "azure":
        return [TraceRow(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in table("azure_llm_2023_conv.csv.xz")]
    lines = shipped("mooncake_conversation_first30min.jsonl.xz").splitlines()
    return [TraceRow(row["input_length"], row["output_length"], tuple(row["hash_ids"])) for row in map(json.loads, lines)]
