"""Reading an answer: what is there is read exactly, everything else is a fault that names the place and never the content."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import Carries, Node, Stream, Window
from carbonledger.infra import retry
from carbonledger.kernel import decimals
from carbonledger.kernel.usage import TokenBuckets

AT = datetime(2026, 11, 1, tzinfo=UTC)
HOURS = Stream(name="completions", bucket_width_s=3600, carries=Carries.TOKENS)
DAY = Window(AT, AT + timedelta(days=1))


def test_numbers_of_a_document_are_exact() -> None:
    page = types.document(b'{"a": 0.1, "b": 9007199254740991, "c": 1e-7, "d": -2}')
    assert page.member("a").number() == Decimal("0.1")
    assert page.member("b").count() == 2**53 - 1
    assert page.member("c").number() == Decimal("0.0000001")
    assert page.member("d").number() == -2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"a": 1',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999999999}',
        b'{"a": 1, "a": 2}',  # which of them is meant?
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(types.AnswerUnreadable):
        types.document(body)


TEXTS = [
    # as a text, what is kept
    ("1.2E-7", "0.00000012"),
    ("0E-6176", "0"),  # a zero of decimal128
    ("-0E+6111", "0"),
    ("6e-2", "0.06"),
    ("1.5E+3", "1500"),
    ("-12.50", "-12.5"),
    ("1E-38", "0." + "0" * 37 + "1"),
    ("9" * 38, "9" * 38),
    ("1E+37", "1" + "0" * 37),
    ("1E-39", "0"),  # the nearest with 38 places
    ("-6E-39", "-0." + "0" * 37 + "1"),
    ("1E-999999999", "0"),
    ("5.5511151231257827e-17", "0.000000000000000055511151231257827"),  # 33 places: what 0.1 + 0.2 - 0.3 is in floats
    ("12." + "0" * 35 + "15", "12." + "0" * 35 + "2"),  # 37 places beside two digits: one too many, a tie goes to the even digit
    ("0." + "3" * 45, "0." + "3" * 38),
]


@pytest.mark.parametrize("text, kept", TEXTS)
def test_a_number_is_exact_up_to_the_digits_that_are_kept(text: str, kept: str) -> None:
    assert decimals.to_api_decimal(Node(text).number_in_text()) == kept
    assert decimals.to_api_decimal(types.document(f'{{"a": {text}}}'.encode()).member("a").number()) == kept


def test_cents_with_all_their_digits_are_read_as_dollars() -> None:
    assert Node("123.45").number_in_text(shift=-2) == Decimal("1.2345")
    assert Node("1.2E-7").number_in_text(shift=-2) == Decimal("0.0000000012")
    # 38 places of a cent are 40 of a dollar: the last two are rounded off.
    assert Node("0." + "0" * 35 + "150").number_in_text(shift=-2) == Decimal("2E-38")
    assert Node("1" * 39).number_in_text(shift=-2) == Decimal("1" * 37 + ".1")


COUNTS: list[object] = [-1, 2**53, 1.5, Decimal("1.0"), "1", True, None, [], {}, float("nan"), 10**400]


@pytest.mark.parametrize("value", COUNTS, ids=lambda value: repr(value)[:20])
def test_what_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(types.CountInvalid, match=r"^/input_tokens is not"):
        Node({"input_tokens": value}).member("input_tokens").count()


def test_a_count_in_text_is_read_where_the_provider_writes_them_so() -> None:
    assert Node("186685").count(may_be_text=True) == 186_685
    for text in ("", "-1", "1.0", "1e3", "٣", " 1", "9" * 17):
        with pytest.raises(types.CountInvalid):
            Node(text).count(may_be_text=True)


READERS: list[tuple[Callable[[Node], object], object]] = [
    (lambda node: node.member("x"), []),
    (lambda node: list(node.items()), {}),
    (lambda node: list(node.items(at_most=1)), [1, 2]),
    (Node.text, ""),
    (Node.text, "a\nb"),
    (Node.text, " a"),
    (Node.text, "a" * 257),
    (Node.text, 54321),
    (Node.text, "\ud800"),
    (Node.flag, 1),
    (Node.number, "1"),
    (Node.number, True),
    (Node.number, Decimal("1e38")),
    (Node.number, 10**38),
    (Node.number_in_text, 1),
    *((Node.number_in_text, text) for text in ("", "NaN", "Infinity", "-Infinity", "sNaN", "1e", "+1", ".5", "5.", "01", " 1", "1_0", "٣")),
    *((Node.number_in_text, text) for text in ("1e38", "1E+999999999", "1E+9999999999", "1E-9999999999", "1" * 39, "0." + "1" * 255)),
    (Node.unix_second, -1),
    (Node.unix_second, 253_402_300_800),
    (Node.unix_second, 1.0),
    (Node.rfc_3339, "2026-11-01"),
    (Node.rfc_3339, None),
    (Node.day, "2026-02-30"),
    (Node.day, "20261101"),
    (Node.day, 20261101),
]


@pytest.mark.parametrize("read, value", READERS, ids=lambda item: getattr(item, "__name__", repr(item)[:30]))
def test_what_is_something_else_is_refused_without_repeating_it(read: Callable[[Node], object], value: object) -> None:
    with pytest.raises(types.AnswerUnreadable) as caught:
        read(Node(value, "/place"))
    assert str(caught.value).startswith("/place is not ")
    assert repr(value) not in str(caught.value)


def bucket(start: timedelta, width: timedelta = timedelta(hours=1), rows: tuple[types.Row, ...] = ()) -> types.Bucket:
    return types.Bucket(stream="completions", starts_at=AT + start, ends_at=AT + start + width, rows=rows)


def row(*dimensions: tuple[str, str], output: int = 1) -> types.Row:
    return types.Row(dimensions=dimensions, model="m", tokens=TokenBuckets(uncached_input=0, output=output), requests=1)


MISPLACED = [
    # buckets, the fault
    ([bucket(timedelta(0), timedelta(days=1))], types.BucketWidthWrong),
    ([bucket(timedelta(0), timedelta(minutes=1))], types.BucketWidthWrong),
    ([bucket(timedelta(0), timedelta(0))], types.BucketWidthWrong),
    ([bucket(timedelta(minutes=30))], types.BucketMisplaced),  # not at a full hour
    ([bucket(timedelta(hours=-1))], types.BucketMisplaced),  # before the window
    ([bucket(timedelta(hours=24))], types.BucketMisplaced),  # after it
    ([bucket(datetime(1970, 1, 1, tzinfo=UTC) - AT)], types.BucketMisplaced),
    ([bucket(datetime(2100, 1, 1, tzinfo=UTC) - AT)], types.BucketMisplaced),
    ([bucket(timedelta(hours=1)), bucket(timedelta(hours=1))], types.BucketMisplaced),  # twice
    ([bucket(timedelta(hours=2)), bucket(timedelta(hours=1))], types.BucketMisplaced),  # backwards
    ([bucket(timedelta(0), rows=(row(("model", "m")), row(("model", "m"), output=2)))], types.RowRepeated),  # its value is no identity
]


@pytest.mark.parametrize("buckets, fault", MISPLACED)
def test_buckets_are_where_they_should_be(buckets: list[types.Bucket], fault: type[types.AnswerUnreadable]) -> None:
    with pytest.raises(types.AnswerUnreadable) as caught:
        types.arranged(buckets, stream=HOURS, window=DAY)
    assert type(caught.value) is fault


def test_a_gap_between_buckets_is_none_of_our_business() -> None:
    buckets = [bucket(timedelta(hours=1)), bucket(timedelta(hours=5), rows=(row(("model", "a")), row(("model", "b"))))]
    assert types.arranged(buckets, stream=HOURS, window=DAY) == tuple(buckets)


def test_dimensions_are_sorted_and_null_ones_left_out() -> None:
    assert types.dimensions({"model": "m", "batch": None, "api": "b"}) == (("api", "b"), ("model", "m"))


@pytest.mark.parametrize("starts, ends", [(1, 3600), (0, 5400)])
def test_a_window_that_cuts_a_bucket_is_not_read(starts: int, ends: int) -> None:
    window = Window(AT + timedelta(seconds=starts), AT + timedelta(seconds=ends))
    with pytest.raises(ValueError, match="cuts a bucket"):
        window.checked(HOURS)


def test_a_window_lists_its_buckets() -> None:
    assert DAY.checked(HOURS).bucket_starts(HOURS) == tuple(AT + timedelta(hours=hour) for hour in range(24))


UNREADABLE: list[type[types.AnswerUnreadable]] = [types.AnswerUnreadable, *types.AnswerUnreadable.__subclasses__()]
OUTCOMES: list[tuple[types.ProviderFault, retry.Outcome]] = [
    (types.KeyRefused("no"), retry.Outcome.PERMANENT),
    (types.KeyInsufficient("no"), retry.Outcome.PERMANENT),
    (types.StreamRefused("no"), retry.Outcome.PERMANENT),
    (types.RequestRefused("no"), retry.Outcome.PERMANENT),
    (types.ProviderLimited("no"), retry.Outcome.TRANSIENT),
    (types.ProviderUnavailable("no"), retry.Outcome.TRANSIENT),
    *((fault("no"), retry.Outcome.TRANSIENT) for fault in UNREADABLE),
]


@pytest.mark.parametrize("fault, outcome", OUTCOMES, ids=lambda item: type(item).__name__)
def test_the_runner_of_jobs_knows_which_failure_is_worth_another_attempt(fault: types.ProviderFault, outcome: retry.Outcome) -> None:
    assert retry.classify(fault) is outcome
