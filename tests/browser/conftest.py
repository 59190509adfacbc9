"""A real Chromium, the system's own, driven by Playwright; it reaches nothing but the installation under test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright import sync_api

from tests.browser import signing

sync_api.expect.set_options(timeout=signing.PATIENCE_MS)


@pytest.fixture
def browser() -> Iterator[sync_api.Browser]:
    """Return a browser of this test's own."""
    with sync_api.sync_playwright() as playwright:
        chromium = signing.launch(playwright)
        try:
            yield chromium
        finally:
            chromium.close()


@pytest.fixture
def page(browser: sync_api.Browser) -> sync_api.Page:
    """Return a page that fails the test when its script fails or the policy refuses something."""
    opened = signing.context(browser).new_page()
    opened.on("pageerror", lambda error: pytest.fail(f"the page's script failed: {error}"))
    opened.on("console", lambda message: pytest.fail(message.text) if "Content Security Policy" in message.text else None)
    return opened
