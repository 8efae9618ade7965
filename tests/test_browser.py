"""The page in a real browser: nothing is loaded, nothing runs, everything can be reached, at three widths in both themes.

Needs Debian's chromium and the extra `browser` (playwright and axe); without them each test says why it was skipped.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from escalation.policy.policy import load_policy
from reports.page.hiding import Hiding
from reports.page.render import render
from tests.reports.examples import MASS_CREATION, TRANSFER_FAILED
from tests.reports.hostile import strings
from tests.reports.mornings import morning
from tests.reports.test_page import hostile

CHROMIUM = shutil.which("chromium") or ""
WIDTHS, THEMES = (320, 1024, 1920), ("light", "dark")
SERIOUS = ("serious", "critical")
MISSING = [name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING) or not CHROMIUM,
    reason=f"no browser to try the page in: {', '.join([*MISSING, *([] if CHROMIUM else ['chromium'])])} is not installed",
)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = list(strings(5, 60))
    findings = [TRANSFER_FAILED, MASS_CREATION, hostile(texts)]
    file = tmp_path_factory.mktemp("page") / "page.html"
    file.write_text(
        render(
            morning(findings, words=texts[0], reason="without what was never written"),
            Hiding(load_policy(), "personal"),
        )
    )
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # not everybody has it

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def test_nothing_is_loaded_nothing_runs_and_nothing_hurts(browser: Any, page_file: Path) -> None:
    axe = next(Path(importlib.util.find_spec("axe_playwright_python").origin).parent.glob("axe.min.js")).read_text()  # type: ignore[union-attr,arg-type]  # see pytestmark
    for width in WIDTHS:
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("dialog", lambda dialog, said=said: said.append(dialog.message))
        page.goto(page_file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page itself never scrolls sideways"
        page.evaluate(axe)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            hurts = {f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in SERIOUS}
            assert hurts == set(), f"{width} pixels, {theme}"
        assert (asked, said) == ([page_file.as_uri()], [])
        page.close()


def test_the_keyboard_reaches_everything_and_a_link_opens_its_ticket(browser: Any, page_file: Path) -> None:
    page = browser.new_page(viewport={"width": 1024, "height": 900})
    page.goto(f"{page_file.as_uri()}#{'hw-0000000000000001'}")
    assert page.locator("#hw-0000000000000001").is_visible()
    assert not page.locator("#hw-0000000000000002").is_visible()
    page.goto("about:blank")
    page.goto(page_file.as_uri())
    reachable = (
        "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')].filter(one => one.checkVisibility())"
    )
    number = page.evaluate(f"(window.reachable = {reachable}).length")
    reached = set()
    for _ in range(number):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("window.reachable.indexOf(document.activeElement)"))
    assert reached == set(range(number))
    page.close()


def test_print_begins_each_part_on_a_page_of_its_own(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    printed = page.pdf(format="A4", print_background=True)
    assert 4 <= printed.count(b"/Type /Page\n") <= 12
    page.close()
