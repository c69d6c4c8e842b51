"""A headless browser for tests of pages; Chromium as the system has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


class Page:
    """An open page: `page` of Playwright, what it complained of, and what it asked the network for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@contextmanager
def opened(url: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> Iterator[Page]:
    """The page at `url` in a window of this size."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            size = {"width": width, "height": height}
            page = Page(browser.new_page(viewport=size, color_scheme="dark" if dark else "light"))  # type: ignore[arg-type]
            page.page.goto(url)
            yield page
        finally:
            browser.close()
