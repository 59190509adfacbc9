"""HTML as values: whatever text comes in, the page stays the page that was meant."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from carbonledger.entrypoints.web.html import element, joined, table


class Reader(HTMLParser):
    """What a browser makes of it: the tags, and all text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(TEXT, TEXT)
def test_text_and_attributes_come_out_as_they_went_in(said: str, title: str) -> None:
    found = read(element("p", said, title=title).text)
    assert found.tags == [("p", {"title": title})]
    assert found.said == said


def test_pieces_of_html_are_not_escaped_twice() -> None:
    assert element("p", "a < b", element("em", "&")).text == "<p>a &lt; b<em>&amp;</em></p>"
    assert joined(("<", element("br")), ", ").text == "&lt;, <br>"


def test_attributes_are_named_as_in_html() -> None:
    assert element("div", class_="a", aria_label='"').text == '<div class="a" aria-label="&quot;"></div>'


def test_a_table_names_its_rows_and_columns() -> None:
    found = read(table("Sizes", ("name", "size"), [("one", "1")]).text)
    assert [(tag, attributes.get("scope")) for tag, attributes in found.tags if tag == "th"] == [
        ("th", "col"),
        ("th", "col"),
        ("th", "row"),
    ]
    assert found.tags[0] == ("p", {"class": "caption", "aria-hidden": "true"})
    assert found.tags[1] == ("div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Sizes"})
