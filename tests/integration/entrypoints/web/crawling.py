"""Following every link from page to page, and reading the forms that stand on them: what a test of all pages is made from."""

from __future__ import annotations

import html
import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx2

from carbonledger.entrypoints.web import chosen, site
from tests.integration.entrypoints.web.conftest import Person

_HREF = re.compile(r'(?:href|data-hx-get)="(/[^"]*)"')
_ID = re.compile(r"[{][a-z_]+[}]")
_TYPED = frozenset({"text", "search", "email", "password", "date", "number"})
_QUERY_NAMES_MAX = 3  # of what the links of Explore combine
_ALIKE_MAX = 3  # of one kind of thing: a draft, an invoice, a void one
_PATHS = sorted({(route.method, route.path) for route in site.routes()}, key=lambda one: ("{" in one[1], one[1]))
_ROUTES = [(method, path, re.compile(_ID.sub("[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}")))) for method, path in _PATHS]


def route(method: str, path: str) -> str | None:
    """Return the route that serves an address, a plain one before one with a part in braces; None for what is no page."""
    return next((known for of, known, pattern in _ROUTES if of == method and pattern.fullmatch(path)), None)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is sent: its fields with what stands in them, and which of them somebody types."""

    action: str
    is_multipart: bool
    fields: tuple[tuple[str, str], ...]
    typed: tuple[str, ...]

    async def send(self, person: Person, values: dict[str, str], *, headers: dict[str, str] | None = None) -> httpx2.Response:
        """Send it with other values in some fields."""
        filled = dict(self.fields) | values
        options = {"headers": headers or {}, "follow_redirects": False}
        if self.is_multipart:
            parts = {name: (None, value.encode()) for name, value in filled.items()}
            return await person.client.post(self.action, files=parts, **options)  # type: ignore[arg-type]  # as httpx takes fields of a file's form
        return await person.client.post(self.action, data=filled, **options)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Forms(HTMLParser):
    found: list[Form] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self._action: str | None = None
        self._is_multipart = False
        self._fields: list[tuple[str, str]] = []
        self._typed: list[str] = []
        self._choice: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form" and given.get("method") == "post":
            self._action, self._is_multipart = given["action"], "enctype" in given
            self._fields, self._typed = [], []
        elif self._action is None:
            return
        elif tag == "input" and name:
            kind = given.get("type", "text")
            if kind in _TYPED:
                self._typed.append(name)
            if kind not in {"checkbox", "radio", "file"} or (kind != "file" and "checked" in given):
                self._fields.append((name, given.get("value", "")))
        elif tag == "select" and name:
            self._choice = name
        elif tag == "option" and self._choice is not None and ("selected" in given or self._choice not in dict(self._fields)):
            self._fields.append((self._choice, given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._choice = None
        elif tag == "form" and self._action is not None:
            self.found.append(Form(self._action, self._is_multipart, tuple(self._fields), tuple(self._typed)))
            self._action = None


def forms(text: str) -> list[Form]:
    """Return the forms of a page that change something."""
    reader = _Forms()
    reader.feed(text)
    return reader.found


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was reached: its route, its address, and what was answered."""

    route: str
    address: str
    answer: httpx2.Response

    @property
    def is_html(self) -> bool:
        """Whether it is a page, rather than a file."""
        return self.answer.headers.get("content-type", "").startswith("text/html")


async def crawl(person: Person, *begin: str) -> list[Page]:
    """Return every page that links lead to, for each route and set of names in its address one, or some of what has an id."""
    opened = set[str]()
    waiting, met, pages = deque(["/", *begin]), Counter[tuple[str, frozenset[str]]](), list[Page]()
    while waiting:
        address = waiting.popleft()
        path, _, query = address.partition("#")[0].partition("?")
        known = route("GET", path)
        names = frozenset(part.partition("=")[0] for part in query.split("&") if part) - {*chosen.NAMES, "cursor"}
        if known is None or address in opened or met[known, names] == (_ALIKE_MAX if "{" in known else 1) or len(names) > _QUERY_NAMES_MAX:
            continue
        met[known, names] += 1
        opened.add(address)
        page = Page(known, address, await person.open(address))
        pages.append(page)
        if page.is_html:
            waiting += [html.unescape(found) for found in _HREF.findall(page.answer.text)]
    return pages


def sent_from(pages: Iterable[Page]) -> list[Form]:
    """Return the forms of pages, one for each route and set of fields."""
    found: dict[tuple[str, frozenset[str]], Form] = {}
    for page in pages:
        for form in forms(page.answer.text) if page.is_html else ():
            known = route("POST", form.action)
            assert known is not None, f"{page.address} has a form to {form.action}, which nothing takes"
            found.setdefault((known, frozenset(name for name, _ in form.fields)), form)
    return list(found.values())
