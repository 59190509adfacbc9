"""What is wrong in a document is told in bounded memory and in a bounded answer, however the document is made."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from carbonledger.entrypoints.shared import strict_json

NUL = '"\\u0000"'


def refused(document: str) -> strict_json.JsonUnreadable:
    with pytest.raises(strict_json.JsonUnreadable) as caught:
        strict_json.loads(document.encode())
    return caught.value


@pytest.mark.parametrize(
    "document, pointers",
    [
        (NUL, [""]),  # the document itself
        (f'{{"a":{NUL}}}', ["/a"]),
        (f'[1,{NUL},"fine",{NUL}]', ["/1", "/3"]),
        (f'{{"a":[{{"b":{NUL}}}],"c":[[{NUL}]]}}', ["/a/0/b", "/c/0/0"]),
        (f'{{"a/b":{{"~":{NUL}}}}}', ["/a~1b/~0"]),  # RFC 6901: ~ is ~0, / is ~1
        (f"{{{NUL}:1}}", ["/\ufffd"]),  # a name, which can't be shown as it is
        (f'{{"a":{{{NUL}:{NUL}}}}}', ["/a/\ufffd", "/a/\ufffd"]),  # a name and its value
        ('["\\ud800"]', ["/0"]),  # half of a pair
    ],
)
def test_each_string_that_cannot_be_stored_is_told_with_its_place(document: str, pointers: list[str]) -> None:
    assert [problem.pointer for problem in refused(document).problems] == pointers


def test_a_pointer_shows_the_beginning_of_a_long_name() -> None:
    [problem] = refused(f'{{"{"k" * 50_000}":[{NUL}]}}').problems
    assert problem.pointer == f"/{'k' * 100}/0"


def test_a_hundred_problems_are_told_of_one_document() -> None:
    assert len(refused(f"[{','.join([NUL] * 5_000)}]").problems) == 100
    assert len(refused(f"{{{','.join(f'{NUL[:-1]}{n}{NUL[-1]}:{NUL}' for n in range(500))}}}").problems) <= 101  # a name with its value


@pytest.mark.parametrize("child", ["0", '""', "[]"])
def test_a_long_name_above_many_children_takes_the_memory_of_the_document_and_not_of_their_product(child: str) -> None:
    document = f'{{"{"k" * 50_000}":[{f"{child}," * 25_000}{NUL}]}}'  # the product is 1.25 GB
    tracemalloc.start()
    try:
        refused(document)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 2**20


def test_what_can_be_stored_is_given_as_it_is() -> None:
    value: Any = strict_json.loads(b'{"a":["\\ud83d\\ude00",1,2.5,null,true],"b":{}}')  # a whole surrogate pair is one character
    assert value == {"a": ["\U0001f600", 1, 2.5, None, True], "b": {}}
