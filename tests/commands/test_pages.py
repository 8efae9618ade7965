"""`run --report` and `report --format html`: which files there are, for whom, and what they say of a run that failed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.towns import Town, write_csv

FIRST, SECOND, THIRD = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def source(tmp_path: Path) -> str:
    town = Town()
    town.family("oak", "anna", "ben")
    town.home("oak")["leader_id"] = None
    (tmp_path / "town").mkdir()
    return str(write_csv(tmp_path / "town", town.tables()))


def test_a_run_keeps_tonights_page_an_archive_and_an_index(elsewhere: Path, source: str) -> None:
    mask = os.umask(0)
    try:
        for as_of in (FIRST, SECOND):
            assert call("run", "--source", source, "--as-of", as_of, "--report", "out/pages").exit_code == 0
    finally:
        os.umask(mask)
    pages = elsewhere / "out" / "pages"
    written = {path.name: path.stat().st_mode & 0o777 for path in pages.iterdir()}
    assert written == dict.fromkeys(
        ("index.html", "night-2026-02-03.html", "night-2026-02-04.html", "tonight.html"), 0o600
    )
    tonight = (pages / "tonight.html").read_text()
    assert tonight == (pages / "night-2026-02-04.html").read_text()
    assert "Household Has No Leader" in tonight
    index = (pages / "index.html").read_text()
    assert index.index("night-2026-02-04.html") < index.index("night-2026-02-03.html")
    failed = call("run", "--source", "nowhere", "--as-of", THIRD, "--report", "out/pages")
    assert failed.exit_code == 3
    tonight = (pages / "tonight.html").read_text()
    assert "The run of 2026-02-05 03:00 failed (exit code 3)" in tonight
    assert "Household Has No Leader" in tonight
    assert not (pages / "night-2026-02-05.html").exists()


def test_pages_that_cannot_be_written_are_a_warning(elsewhere: Path, source: str) -> None:
    (elsewhere / "file").write_text("in the way")
    run = call("run", "--source", source, "--as-of", FIRST, "--report", "file/pages")
    assert run.exit_code == 0
    assert "warning: file/pages: no page written" in run.stderr


def test_what_others_have_put_among_the_pages_stops_no_run(elsewhere: Path, source: str) -> None:
    pages = elsewhere / "pages"
    pages.mkdir()
    (pages / "night-2026-99-99.html").write_text("of no day")
    curve = {
        "limit": "creations_per_day",
        "detectors": ["<script>"],
        "since": FIRST,
        "until": SECOND,
        "nights": 1,
        "incomplete": 0,
    }
    for name, most in (("curve-large.json", 10**400), ("curve-small.json", 7)):
        (pages / name).write_text(json.dumps({**curve, "rows": [[5, 1, 1, 0], [most, 1, 1, 0]]}))
    run = call("run", "--source", source, "--as-of", FIRST, "--report", "pages")
    assert run.exit_code == 0
    assert "curve-large.json: is no curve" in run.stderr
    tonight = (pages / "tonight.html").read_text()
    assert "&lt;script&gt;" in tonight
    assert "<script>" not in tonight
    assert "2026-99-99" not in (pages / "index.html").read_text()
    assert (pages / "night-2026-99-99.html").exists()


def test_report_writes_the_page_for_its_user_alone(elsewhere: Path, source: str) -> None:
    assert call("report", "--format", "html").exit_code == 2, "there is no ledger"
    assert call("run", "--source", source, "--as-of", FIRST).exit_code == 0
    made = call("report", "--as-of", FIRST, "--format", "html", "--output", "new/page.html")
    assert (made.exit_code, made.output) == (0, "")
    page = elsewhere / "new" / "page.html"
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.read_text() == call("report", "--as-of", FIRST, "--format", "html").stdout
    assert call("report", "--as-of", FIRST, "--format", "html", "--since", "2026-02-01").exit_code == 2
    refused = call("report", "--as-of", FIRST, "--output", "new/page.html/page")
    assert (refused.exit_code, "cannot be written" in refused.stderr) == (2, True)
    hidden = elsewhere / "policy.toml"
    hidden.write_text('[redaction]\npage = "ids"\n')
    no_key = call("report", "--as-of", FIRST, "--format", "html", "--policy", str(hidden))
    assert (no_key.exit_code, "HEARTHWATCH_PSEUDONYM_KEY" in no_key.stderr) == (2, True)
