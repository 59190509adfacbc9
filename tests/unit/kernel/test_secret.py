"""A secret text shows itself nowhere but through ``reveal``."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
from collections.abc import Callable

import pytest

from carbonledger.infra import crypto

TEXT = "hunter2-and-more"


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    name: str
    secret: object


WAYS: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "str.format": "{}".format,
    "format with a width": "{:>40}".format,  # must not fall back to the text's own __format__
    "f-string": lambda secret: f"{secret!r} {secret!s} {secret}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - logging formats this way
    "in a list": lambda secret: repr([secret]),
    "in a dict": lambda secret: repr({"a": secret}),
    "in a dataclass": lambda secret: repr(Holder(name="a", secret=secret)),
    "in asdict": lambda secret: repr(dataclasses.asdict(Holder(name="a", secret=secret))),
    "in an error": lambda secret: str(ValueError(secret)),
    "in JSON": lambda secret: json.dumps({"a": secret}, default=str),
    "in a log record": lambda secret: logging.LogRecord("n", 20, "p", 1, "%s", (secret,), None).getMessage(),
}


@pytest.mark.parametrize("show", WAYS.values(), ids=WAYS.keys())
def test_no_way_of_showing_it_gives_the_text(show: Callable[[object], str]) -> None:
    shown = show(crypto.SecretText(TEXT))
    assert TEXT not in shown
    assert crypto.REDACTED in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_can_not_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(crypto.SecretText(TEXT), protocol)


def test_its_state_can_not_be_taken() -> None:
    with pytest.raises(TypeError):
        crypto.SecretText(TEXT).__getstate__()
    with pytest.raises(TypeError):
        vars(crypto.SecretText(TEXT))


def test_it_can_not_be_changed_or_hashed() -> None:
    secret = crypto.SecretText(TEXT)
    with pytest.raises(AttributeError):
        secret.anything = "x"
    with pytest.raises(AttributeError):
        secret._text = "x"
    with pytest.raises(AttributeError):
        del secret._text
    with pytest.raises(TypeError):
        hash(secret)


def test_copies_are_itself_so_that_asdict_works() -> None:
    secret = crypto.SecretText(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret


def test_equality_is_by_text_and_only_among_secrets() -> None:
    assert crypto.SecretText("a") == crypto.SecretText("a")
    assert crypto.SecretText("a") != crypto.SecretText("b")
    assert crypto.SecretText("é") == crypto.SecretText("é")  # compare_digest refuses such strings as str
    assert crypto.SecretText("\ud800") != crypto.SecretText("a")  # a lone surrogate from a client's JSON
    assert crypto.SecretText("a") != "a"


def test_reveal_gives_the_text() -> None:
    assert crypto.SecretText(TEXT).reveal() == TEXT
