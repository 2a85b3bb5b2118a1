"""A real browser on the web interface: what a person clicks, and pictures of what is seen."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from playwright.sync_api import (
    Browser,
    Locator,
    Page,
    Request,
    TimeoutError,
    expect,
    sync_playwright,
)

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "artefacts" / "ui"
"""What every run of the tests leaves to be looked at; not in git."""
SHOWN = ROOT / "docs" / "images"
"""Pictures of the documentation; `MITT_DOCS_IMAGES=1` makes them anew, others are left alone."""
SIZE = (1360, 850)
COLOURS = 256
"""Of a documentation picture: a page has few, and this keeps it under 150 kB."""
PATIENCE = 60_000
"""Milliseconds for a page to show what is expected of it, on a busy machine."""
GLANCE = 3_000
"""Milliseconds until somebody who sees nothing happen tries again."""
expect.set_options(timeout=PATIENCE)
MISSING = (
    "the tests of the web interface need Chromium: `apt-get install chromium` (Debian), or put a"
    " `chromium` on the PATH"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium of this machine; nothing is downloaded."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, headless=True, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


class Person:
    """Somebody at the web interface of one address. ``abroad`` has requests to other machines."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url
        self.abroad: list[str] = []
        width, height = SIZE
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.context.set_default_timeout(PATIENCE)
        self.context.on("request", self._note)
        self.page = self.context.new_page()

    def _note(self, request: Request) -> None:
        if not re.match(r"(http://127\.0\.0\.1:|data:|blob:)", request.url):
            self.abroad.append(request.url)

    def go(self, path: str) -> Page:
        """Open a page of the web interface."""
        self.page.goto(f"{self.url}{path}", wait_until="domcontentloaded")
        return self.page

    def materialise(self, path: str, *chosen: str) -> None:
        """Open what is at ``path``, press Materialize and choose a value of each dimension.

        The dialog asks for dimensions in alphabetical order; "All" chooses all of one. It is left
        open: ``launch`` is its button. What has no partitions is launched at once.
        """
        page = self.go(path)
        page.get_by_role("button", name="Materialize").first.click()
        if not chosen:
            return
        dialog = page.get_by_role("dialog").first
        pickers = dialog.locator("[aria-haspopup=dialog]")
        for number, value in enumerate(chosen):
            if value == "All":
                dialog.get_by_role("button", name="All", exact=True).nth(number).click()
                continue
            pickers.nth(number).click()
            page.get_by_role("menuitem").filter(has=page.locator(f'[title="{value}"]')).click()
            page.keyboard.press("Escape")
        self.launch = dialog.get_by_role("button", name=re.compile("^Launch"))

    def choose(self, field: Locator, value: str) -> None:
        """Type into a field that offers values and take ``value``.

        The page may draw the field anew while it loads, and forget what was typed: then again.
        """
        offered = self.page.get_by_role("menuitem").filter(has_text=value)
        tries = PATIENCE // GLANCE
        for number in range(1, tries + 1):
            try:
                field.fill(value, timeout=GLANCE)
                offered.click(timeout=GLANCE)
                break
            except TimeoutError:
                if number == tries:
                    raise
        expect(field).to_have_value(value)

    def colour(self, partition: str) -> str:
        """Of the dot beside a partition's name in the list that is open: green, red, grey, blue."""
        dot = self.page.locator(f'div[data-tooltip="{partition}"] + div').first
        said = dot.evaluate("one => getComputedStyle(one).backgroundColor")
        red, green, blue = (int(part) for part in re.findall(r"\d+", said)[:3])
        if max(red, green, blue) - min(red, green, blue) < 60:
            return "grey"
        return max((red, "red"), (green, "green"), (blue, "blue"))[1]

    def picture(self, name: str, page: Page | None = None) -> None:
        """Keep what is seen now."""
        data = (page or self.page).screenshot()
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{name}.png").write_bytes(data)
        if os.environ.get("MITT_DOCS_IMAGES") == "1" and (SHOWN / f"{name}.png").exists():
            (SHOWN / f"{name}.png").write_bytes(_small(data))


def _small(data: bytes) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    # Not the default method: it has no colour left for a red dot.
    few = Image.open(BytesIO(data)).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
