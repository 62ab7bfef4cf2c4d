"""A headless Chromium that opens files and tells what it showed, asked for and complained of."""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
ROWS = """() => [...document.querySelectorAll('[data-indicator]')].map(row => ({
  indicator: row.dataset.indicator,
  observed: row.querySelector('.observed').innerText,
  promise: row.querySelector('.promise').innerText,
  verdict: row.querySelector('.verdict').innerText,
}))"""
LEVELS = "() => [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"


@dataclass(frozen=True)
class Visit:
    """One page as the browser had it."""

    text: str
    language: str
    levels: Sequence[int]
    rows: Sequence[Mapping[str, str]]
    requests: Sequence[str]
    messages: Sequence[str]
    violations: Sequence[str]
    width: int
    """What it takes to see everything without scrolling sideways, px."""
    height: int


def chromium():
    """The installed program; a missing one fails where everything has to be tested."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed; run make test-packages")
    assert found, "Chromium is not installed; run make test-packages"
    return found


@contextmanager
def headless():
    """A browser for pages that are served."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opening(browser, address, patience_ms=30_000, **always):
    """Gives a function that opens a path; afterwards nothing may have been complained of."""
    contexts, complaints = [], []

    def opens(path, view, **more):
        (width, height), scheme, locale = view
        size = {"width": width, "height": height}
        context = browser.new_context(
            viewport=size, color_scheme=scheme, locale=locale, **always, **more
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(patience_ms)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}{path}")
        return page

    yield opens
    for context in contexts:
        context.close()
    assert complaints == []


CUT = """() => [...document.querySelectorAll(
    'header, nav, main, h1, h2, h3, p, form, th, td, dt, dd, li, button, a, .scroll, #table')]
  .filter((one) => one.checkVisibility() && !one.closest('thead:not(#table thead)')
    && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline'
    // A picture is moved about in its frame; a row of any length goes on where it is sorted.
    && !one.querySelector(':scope > .paper'))
  .map((one) => `cut: ${one.outerHTML.slice(0, 120)}`)"""


def obstacles(page):
    """What stands seriously in somebody's way, as axe sees it, and what is cut or too wide."""
    found = [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in {"serious", "critical"}
    ]
    width = page.evaluate("document.documentElement.scrollWidth")
    return found + page.evaluate(CUT) + ["sideways"] * (width > page.viewport_size["width"])


@contextmanager
def running_browser(folder):
    """Gives a function that opens a file, in a window of so many pixels."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=chromium(),
            headless=True,
            args=FLAGS,
            # Only to let the checker in: that nothing is asked for is seen from the requests.
            bypass_csp=True,
        )
        try:
            yield lambda path, width=1280: _visit(context, path, width)
        finally:
            context.close()


def _visit(context, path, width):
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    requests, messages = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(path.as_uri())
    visit = Visit(
        text=" ".join(page.inner_text("body").split()),
        language=page.get_attribute("html", "lang"),
        levels=page.evaluate(LEVELS),
        rows=page.evaluate(ROWS),
        requests=requests,
        messages=messages,
        violations=[
            f"{one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in Axe().run(page).response["violations"]
        ],
        width=page.evaluate("document.documentElement.scrollWidth"),
        height=page.evaluate("document.documentElement.scrollHeight"),
    )
    page.close()
    return visit
