"""The scan's formats: each says what was found, and tells `found nothing` from `could not look`."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from rich.cells import cell_len

from detectors.contract import Coverage, Impact, ScanDocument
from reports import scan_formats, terminal
from reports.scan_words import since, verdict
from tests.reports.examples import COVERAGE, MASS_CREATION, TRANSFER_FAILED, bare, document, incident

EARLIER, LATER = datetime(2026, 2, 2, 11, tzinfo=UTC), datetime(2026, 2, 3, 3, tzinfo=UTC)
SCHEMA = Path(scan_formats.__file__).with_name("findings.schema.json")
UUIDS = tuple(f"3f2504e0-4f89-41d3-9a0c-0305e82c330{digit}" for digit in range(3))
FULL = document(
    TRANSFER_FAILED,
    bare(households=UUIDS, users=UUIDS, marks=("vip-affected",), impact=Impact(users=3, households=3)),
    incident(30),
    MASS_CREATION,
    coverage=COVERAGE,
)

PICTURE = """\
Engineering (2)

 Severity  What, where, who                                    Since (UTC)
 ──────────────────────────────────────────────────────────────────────────────
 P0        Household Leadership Transfer Failure               2026-02-02 14:35
           household household_67890
           user user_12345
           4 users affected; explains no-leader
 P0        Household Without a Leader                          not known
           household household_1 +29
           30 rows

2 findings. 2 of 5 detectors ran, 1 proved, 1 failed, 1 not applicable (needs
household_events).

Failed: could not look
  mass-removal (pass actors: canceling statement due to time-out)
Not applicable: did not look
  mass-creation (needs household_events.user_id)
Looked and found
  transfer-failed (1)
Looked and found nothing
  no-leader
Proved: nothing to find
  duplicate-member (made impossible by household_members_unique)

postgresql://db.example/petforce (postgresql) as of 2026-02-03 02:00:00 UTC;
window 2026-02-02 00:00 to 2026-02-03 00:00 UTC; 1,000,000 households, 3,000,000
household members in 8.2 s
"""


def test_the_terminals_picture() -> None:
    assert terminal.render(document(TRANSFER_FAILED, incident(30), coverage=COVERAGE)) == PICTURE


@pytest.mark.parametrize("width", [80, 200])
def test_no_line_is_wider_than_the_terminal_and_no_id_is_cut(width: int) -> None:
    drawn = terminal.render(FULL, width=width)
    assert max(map(cell_len, drawn.splitlines())) <= width
    assert f"household {UUIDS[0]} +2\n" in drawn


def test_colours_come_only_where_they_are_asked_for() -> None:
    assert "\x1b[" not in terminal.render(FULL)
    assert "\x1b[1;31mP0" in terminal.render(FULL, colour=True)


def test_markup_of_the_terminal_library_is_only_text() -> None:
    drawn = terminal.render(
        document(bare(title="[bold]Household[/bold] [link=x]y[/link] :warning:")), width=120, colour=True
    )
    assert "[bold]Household[/bold] [link=x]y[/link] :warning:" in drawn


@pytest.mark.parametrize(
    ("coverage", "says"),
    [
        ((), "Nothing was looked at: no detector could run."),
        (
            COVERAGE[3:],
            "Nothing was looked at: no detector could run. 0 of 2 detectors ran, 1 failed, 1 not applicable "
            "(needs household_events).",
        ),
        (COVERAGE[1:3], "Nothing found. 1 of 2 detectors ran, 1 proved."),
        (
            (Coverage(detector="transfer-failed", status="ran", reason="without transfers"), COVERAGE[1]),
            "Nothing found. 2 of 2 detectors ran (1 in part).",
        ),
        (
            tuple(
                Coverage(detector=f"d{place}", status="not_applicable", reason=reason)
                for place, reason in enumerate(
                    (
                        "needs sessions.id, sessions.user_id",
                        "needs sessions.created_at",
                        "the source never wrote household_left",
                        "household_left never names was_leader",
                        "needs the catalog of a database server (files have no indexes)",
                        "users has no rows",
                        "the policy lists no words",
                    )
                )
            ),
            "Nothing was looked at: no detector could run. 0 of 7 detectors ran, 7 not applicable (2: needs sessions; "
            "2: the source never wrote what they conclude from; 1: needs the catalog of a database server (files have "
            "no indexes); 2: other reasons).",
        ),
    ],
)
def test_nothing_found_is_not_said_like_could_not_look(coverage: tuple[Coverage, ...], says: str) -> None:
    assert verdict(document(coverage=coverage)) == says
    assert says in " ".join(terminal.render(document(coverage=coverage)).split())
    assert says in scan_formats.to_markdown(document(coverage=coverage))


def test_the_schema_in_the_repository_is_that_of_the_models() -> None:
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(scan_formats.schema())), (
        "write it anew: json.dumps(reports.scan_formats.schema(), indent=2)"
    )


@pytest.mark.parametrize("scan", [FULL, document(), document(coverage=COVERAGE)])
def test_the_json_validates_against_the_schema(scan: ScanDocument) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(scan_formats.to_json(scan)))


@pytest.mark.parametrize("spoil", ["team", "story"])
def test_the_schema_refuses_what_is_not_in_the_contract(spoil: str) -> None:
    plain = json.loads(scan_formats.to_json(FULL))
    plain["findings"][0][spoil] = "somebody"
    assert not jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).is_valid(plain)


def test_the_json_is_the_contracts_document() -> None:
    plain = json.loads(scan_formats.to_json(FULL))
    assert list(plain) == ["scan", "findings", "coverage"]
    assert plain["scan"]["window"] == {"from": "2026-02-02T00:00:00Z", "to": "2026-02-03T00:00:00Z"}
    assert plain["findings"][0]["occurred_at"] == "2026-02-02T14:35:00Z"
    assert plain["coverage"][1] == {"detector": "no-leader", "status": "ran", "reason": None, "findings": 0}
    assert scan_formats.to_json(FULL) == scan_formats.to_json(FULL.model_copy(deep=True))


def test_the_csv_has_one_row_for_each_finding_and_no_formula() -> None:
    scan = document(TRANSFER_FAILED, bare(title="=cmd|' /C calc'!A0", households=("-1+1", "h2")))
    rows = list(csv.DictReader(io.StringIO(scan_formats.to_csv(scan))))
    assert [row["detector"] for row in rows] == ["transfer-failed", "no-leader"]
    assert rows[0]["explains"] == "no-leader"
    assert json.loads(rows[0]["evidence"]) == TRANSFER_FAILED.evidence
    assert rows[1]["title"] == "'=cmd|' /C calc'!A0"
    assert rows[1]["households"] == "'-1+1; h2"


def test_the_markdown_has_a_table_for_each_team() -> None:
    text = scan_formats.to_markdown(FULL)
    assert "## Engineering (3)" in text
    assert "## Trust & Safety (1)" in text
    assert "| P0 | Household Leadership Transfer Failure | household household_67890 | 2026-02-02 14:35 |" in text


@pytest.mark.parametrize(
    ("first_seen", "occurred_at", "told"),
    [
        (LATER, EARLIER, "2026-02-02 11:00"),
        (EARLIER, LATER, "2026-02-02 11:00"),
        (LATER, None, "2026-02-03 03:00"),
        (None, None, ""),
    ],
)
def test_since_is_the_earliest_time_that_anything_tells(
    first_seen: datetime | None, occurred_at: datetime | None, told: str
) -> None:
    """A look may have come long after the event; of several events the first counts."""
    assert since(bare(first_seen=first_seen, occurred_at=occurred_at)) == told
