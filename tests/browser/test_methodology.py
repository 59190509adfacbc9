"""The methodology in a real browser: readable without JavaScript, on a phone, by daylight and at night."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright import sync_api

from tests import installation
from tests.browser import signing

pytestmark = pytest.mark.requires("chromium")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with installation.new_home() as home, installation.up(home) as started:
        yield started.address


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_screen_and_contrasts_without_javascript(browser: sync_api.Browser, address: str, scheme: str, width: int) -> None:
    wrong: list[str] = []
    context = signing.context(browser, viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=False)
    with context:
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text))
        page.on("requestfailed", lambda asked: wrong.append(asked.url))
        answer = page.goto(f"{address}/methodology")
        assert answer is not None
        assert answer.status == 200
        sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("How costs and emissions are made")
        sync_api.expect(page.get_by_text("Cached input is an assumption")).to_be_visible()
        box = page.locator("body").bounding_box()
        assert box is not None
        assert box["width"] <= width
        for heading in page.get_by_role("heading", level=2).all():
            place = heading.bounding_box()
            assert place is not None
            assert place["x"] + place["width"] <= width
        page.get_by_role("link", name="Sources", exact=True).click()
        sync_api.expect(page.get_by_role("region", name="Sources of the factor set")).to_be_in_viewport()
    assert wrong == [], "a console message is a broken policy or a missing file"
