"""Forms with files: what comes out is what went in, byte for byte, and what is no form is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.entrypoints.web import uploads
from carbonledger.kernel import errors

BOUNDARY = "----WebKitFormBoundaryx7"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, *, filename: str | None = None) -> bytes:
    called = "" if filename is None else f'; filename="{filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{called}\r\n'
    kind = "" if filename is None else "Content-Type: application/pdf\r\n"
    return f"{head}{kind}\r\n".encode() + content + b"\r\n"


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def test_a_form_as_a_browser_sends_it_is_read() -> None:
    body = whole(part("csrf_token", b"abc"), part("file", b"%PDF-1.7\n\x00\xff", filename="Beleg für März.pdf"), part("page", b"/x"))
    sent = uploads.read(TYPE, body)
    assert sent.fields.pairs == (("csrf_token", "abc"), ("page", "/x"))
    file = sent.file("file")
    assert file == uploads.File("Beleg für März.pdf", b"%PDF-1.7\n\x00\xff")


@given(content=st.binary(max_size=2_000))
def test_a_file_comes_out_byte_for_byte(content: bytes) -> None:
    content = content.replace(f"\r\n--{BOUNDARY}".encode(), b"")
    found = uploads.read(TYPE, whole(part("file", content, filename="a"))).file("file")
    assert (found.content if found is not None else b"") == content


@given(body=st.binary(max_size=500))
def test_noise_is_refused_and_nothing_else(body: bytes) -> None:
    with pytest.raises(errors.Malformed):
        uploads.read(TYPE, body)


def test_a_field_without_a_file_is_none() -> None:
    assert uploads.read(TYPE, whole(part("file", b"", filename=""))).file("file") is None
    assert uploads.read(TYPE, whole(part("page", b"/"))).file("file") is None


@pytest.mark.parametrize(
    "kind, body",
    [
        ("multipart/form-data", whole(part("a", b"b"))),
        (f"multipart/form-data; boundary={'x' * 300}", whole(part("a", b"b"))),
        (TYPE, whole(part("file", b"abc", filename="a"))[:-20]),  # cut off
        (TYPE, whole(*(part("a", b"b") for _ in range(21)))),
        (TYPE, whole(part("a", b"x" * 20_000))),  # a field as long as a file
        (TYPE, whole(part("a", b"\x00"))),
        (TYPE, whole(part("a", b"\xff"))),
        (TYPE, whole(f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n".encode())),  # without a name
        (TYPE, whole(f"--{BOUNDARY}\r\nX: {'y' * 100_000}\r\n\r\nx\r\n".encode())),
        (TYPE, b""),
    ],
)
def test_what_is_no_form_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(errors.Malformed):
        uploads.read(kind, body)
