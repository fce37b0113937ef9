"""A real Chromium, driven by Playwright: pages of their own that note what goes wrong and what they ask for."""

import os
import shutil
from pathlib import Path

import pytest
from optional import optional

SYSTEM = ("chromium", "chromium-browser", "google-chrome")
"""Browsers of the system, taken before the one that Playwright may have downloaded."""


@pytest.fixture(scope="session")
def chromium():
    """Return a headless browser; the test is skipped where there is none, unless GLOROTLAB_REQUIRE_BROWSER is 1."""
    playwright = optional("playwright.sync_api", "BROWSER")
    executable = next(filter(None, map(shutil.which, SYSTEM)), None)
    with playwright.sync_playwright() as driver:
        if executable is None and not Path(driver.chromium.executable_path).exists():
            assert os.environ.get("GLOROTLAB_REQUIRE_BROWSER") != "1", "no Chromium"
            pytest.skip("no Chromium here: apt-get install chromium")
        # root has no sandbox in a container, and the pages are our own
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Return a function that opens a file; errors of its console, and requests for anything else, fail the test.

    A page of a site may ask for other files of its folder, ``within``.
    """
    contexts, faults = [], []

    def open_page(path, within=None, **settings):
        address = Path(path).resolve().as_uri()
        allowed = ("data:",) if within is None else ("data:", f"{Path(within).resolve().as_uri()}/")
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()

        def note_request(request):
            if request.url.partition("#")[0] != address and not request.url.startswith(allowed):
                faults.append(f"asks for {request.url}")

        page.on(
            "console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", note_request)
        page.on("requestfailed", lambda request: faults.append(f"does not get {request.url}"))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
