"""`tickets list`: whom a ticket is about, who has it, what is put off; filters and formats."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.towns import Town, uid, write_csv

EVIL = "kim \x1b[31m=cmd() https://evil.example"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two leaderless households after two nights; somebody has taken oak's ticket, and elm's is put off."""
    place = tmp_path_factory.mktemp("list")
    town = Town()
    for home in ("oak", "elm"):
        town.family(home, f"{home} 0", f"{home} 1")
        town.home(home)["leader_id"] = None
    options = ["--ledger", f"sqlite:///{place}/ledger.db", "--queue", f"folder:{place}/queue"]
    night = ["run", *options, "--source", str(write_csv(place, town.tables())), "--as-of"]
    assert CliRunner().invoke(main, [*night, "2026-02-03T03:00Z"]).exit_code == 0
    for path in (place / "queue").glob("*.json"):
        record = json.loads(path.read_text())
        if uid("oak") in str(record["ticket"]):
            path.write_text(json.dumps(record | {"owner": EVIL + "\0"}))
        else:
            put_off = ["tickets", "snooze", path.stem, "--days", "1", "--reason", "known", *options]
            done = CliRunner().invoke(main, [*put_off, "--as-of", "2026-02-03T20:00Z"])
            assert done.exit_code == 0, done.output
    assert CliRunner().invoke(main, [*night, "2026-02-04T03:00Z"]).exit_code == 0
    return [*options[:2], "--as-of", "2026-02-04T03:00Z"]


def listed(ledger: list[str], *arguments: str) -> Result:
    return CliRunner().invoke(main, ["tickets", "list", *ledger, *arguments])


def test_each_ticket_says_whom_it_is_about_who_has_it_and_until_when_it_is_put_off(ledger: list[str]) -> None:
    shown = listed(ledger).stdout
    assert f"engineering · household {uid('elm')} · owner nobody · snoozed until 2026-02-04 20:00 UTC" in shown
    assert f"engineering · household {uid('oak')} · owner kim \\x1b[31m=cmd() https[:]//evil[.]example" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("arguments", "homes"),
    [
        ((), {"oak", "elm"}),
        (("--household", uid("oak")), {"oak"}),
        (("--household", uid("oak"), "--household", uid("elm")), {"oak", "elm"}),
        (("--user", uid("elm 1")), {"elm"}),
        (("--team", "trust-safety"), set()),
        (("--team", "engineering", "--severity", "P0", "--state", "snoozed"), {"elm"}),
        (("--state", "acknowledged"), {"oak"}),
        (("--owner", "nobody"), {"elm"}),
        (("--owner", "kim"), set()),
        (("--overdue",), {"oak", "elm"}),
    ],
)
def test_filters_narrow_the_list_in_every_format(
    ledger: list[str], arguments: tuple[str, ...], homes: set[str]
) -> None:
    wanted = {uid(home) for home in homes}
    found = json.loads(listed(ledger, *arguments, "--format", "json").stdout)["tickets"]
    assert {home for one in found for home in one["households"]} == wanted
    rows = list(csv.DictReader(io.StringIO(listed(ledger, *arguments, "--format", "csv").stdout)))
    assert {row["households"] for row in rows} == wanted
    shown = listed(ledger, *arguments).stdout
    assert shown.count("household") == len(homes) or shown == "No tickets.\n"


def test_the_formats_hold_what_is_asked_for_and_nothing_that_acts(ledger: list[str], tmp_path: Path) -> None:
    (taken,) = json.loads(listed(ledger, "--state", "acknowledged", "--format", "json").stdout)["tickets"]
    assert taken["owner"].startswith("kim \x1b[31m")
    assert (taken["severity"], taken["next"] is None) == ("P0", False)
    written = listed(ledger, "--format", "csv").stdout
    assert "\x1b" not in written
    assert "snoozed_until" in written.splitlines()[0]
