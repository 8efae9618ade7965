"""The tickets' pages are as the program writes them today: `python -m tests.support.golden_tickets` renews them."""

from __future__ import annotations

from pathlib import Path

from tests.support.golden_tickets import PAGES, pages


def test_each_detectors_ticket_is_as_it_was_read(tmp_path: Path) -> None:
    made = dict(pages(tmp_path))
    kept = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.txt")}
    assert kept.keys() == made.keys()
    changed = [name for name in made if made[name] != kept[name]]
    assert changed == [], "read what has changed, then run `python -m tests.support.golden_tickets`"


def test_no_ticket_points_to_what_is_not_there() -> None:
    for path in PAGES.glob("*.txt"):
        page = path.read_text(encoding="utf-8")
        if "timeline" in page:
            assert "\nTimeline\n" in page, path.name
        assert ("Screenshots: Attached" in page) == ("\nAttached: the picture " in page), path.name
        assert " above" not in page.partition("What to do")[0], path.name
        if "is attached" in page:
            assert "\nAttached: " in page, path.name
