"""Forms that a file comes in (RFC 7578): fields as text, files as bytes, both bounded. Nothing of them is written anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from python_multipart import exceptions
from python_multipart.multipart import MultipartParser, parse_options_header

from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.web import forms
from carbonledger.kernel import errors

MEDIA_TYPE: Final = "multipart/form-data"
FILE_BYTES_MAX: Final = 5 * 2**20
"""Of one file. A bundle and a file of lots have at most 4 MiB; the page around a bundle and what it embeds some hundred kilobytes."""
LARGE_FILE_BYTES_MAX: Final = 24 * 2**20
"""Of one file where audit packs are taken: one of a month with some 60,000 events."""
AROUND_BYTES_MAX: Final = 64 * 1024
"""Of all that a form has beside its file."""
_PARTS_MAX: Final = 20
_NAME_CHARS_MAX: Final = 200
_FIELD_BYTES_MAX: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file that was chosen. ``name``: as the browser calls it, which may be anything."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form held."""

    fields: forms.Fields = field(default_factory=forms.Fields)
    files: tuple[tuple[str, File], ...] = ()

    def file(self, name: str) -> File | None:
        """Return the file of a field; None where none was chosen, or an empty one."""
        return next((file for key, file in self.files if key == name and file.content), None)


@dataclass(slots=True)
class _Part:
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    content: bytearray = field(default_factory=bytearray)


class _Reading:
    """Gathers parts as the parser meets them."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_whole = False

    def begin(self) -> None:
        if len(self.parts) == _PARTS_MAX:
            raise _unreadable()
        self.parts.append(_Part())

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].value += data[start:end]

    def header_end(self) -> None:
        part = self.parts[-1]
        if part.header.lower() == b"content-disposition":
            part.disposition = bytes(part.value)
        part.header.clear()
        part.value.clear()

    def data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content += memoryview(data)[start:end]

    def end(self) -> None:
        self.is_whole = True


def sent(call: routing.Call) -> Sent:
    """Return the form that was sent. Raises ``Malformed``."""
    return read(call.exchange.headers.get("content-type", ""), call.body)


def read(content_type: str, body: bytes) -> Sent:
    """Return what a form holds; of fields of one name all, in their order. Raises ``Malformed``."""
    reading = _Reading()
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise _unreadable()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reading.begin,
                "on_header_field": reading.header_field,
                "on_header_value": reading.header_value,
                "on_header_end": reading.header_end,
                "on_part_data": reading.data,
                "on_end": reading.end,
            },
        )
        parser.write(body)
        parser.finalize()
    except exceptions.FormParserError:
        raise _unreadable() from None
    if not reading.is_whole:
        raise _unreadable()
    return _sorted(reading.parts)


def _sorted(parts: list[_Part]) -> Sent:
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, File]] = []
    for part in parts:
        kind, options = parse_options_header(part.disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _unreadable()
        name = _text(options[b"name"])
        if b"filename" in options:
            called = options[b"filename"].decode(errors="replace").replace("\x00", "\ufffd")
            files.append((name, File(called[:_NAME_CHARS_MAX], bytes(part.content))))
        elif len(part.content) > _FIELD_BYTES_MAX:
            raise _unreadable()
        else:
            fields.append((name, _text(bytes(part.content))))
    return Sent(forms.Fields(tuple(fields)), tuple(files))


def _text(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _unreadable() from None
    if "\x00" in text:
        raise _unreadable()
    return text


def _unreadable() -> errors.Malformed:
    return errors.Malformed("The form can't be read, or did not arrive whole. Go back, choose the file and send it again.")
