"""The two healthy households from which inputs of the field are made, on both engines, and how the program is called."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from cli import main
from detectors.source import CANONICAL
from tests.support.towns import Tables, write_csv

NIGHT_1, NIGHT_2, NIGHT_3 = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"
REMOVAL_AT = datetime(2026, 2, 2, 11, tzinfo=UTC)


def home(letter: str) -> str:
    """The id of household a or b (or any other hexadecimal digit)."""
    return f"11111111-0000-4000-8000-00000000000{letter}"


def person(number: int) -> str:
    """The id of a user."""
    return f"aaaaaaaa-0000-4000-8000-00000000000{number}"


def base() -> Tables:
    """Households a (led by 1, with 3) and b (led by 2), as of 3 February 2026 without any finding."""
    created = datetime(2026, 1, 10, 10, tzinfo=UTC)
    asked, answered = datetime(2026, 1, 12, 10, tzinfo=UTC), datetime(2026, 1, 12, 10, 5, tzinfo=UTC)
    tables: Tables = {name: [] for name in CANONICAL}
    for letter, name, code, leader, at in (
        ("a", "Rex House", "REXH-ALPHA-BRAVO", 1, created),
        ("b", "Mia House", "MIAH-ALPHA-DELTA", 2, created + timedelta(days=1)),
    ):
        tables["households"].append(household(letter, leader, at=at, name=name, invite_code=code))
        tables["household_members"].append(member(letter, leader, at=at + timedelta(seconds=1), role="leader"))
        tables["household_events"].append(
            event(tables, "household_created", letter, leader, at, correlation_id=f"c{len(tables['households'])}")
        )
    tables["household_members"].append(member("a", 3, at=answered + timedelta(seconds=1), invited_by=person(1)))
    tables["household_join_requests"].append(
        {
            "id": "22222222-0000-4000-8000-000000000001",
            "household_id": home("a"),
            "user_id": person(3),
            "invite_code": "REXH-ALPHA-BRAVO",
            "status": "approved",
            "requested_at": asked,
            "responded_at": answered,
            "responded_by": person(1),
        }
    )
    request = {"request_id": "22222222-0000-4000-8000-000000000001"}
    submitted = event(tables, "household_join_request_submitted", "a", 3, asked, correlation_id="c3", **request)
    tables["household_events"].append(submitted)
    named = {"correlation_id": "c4", "new_member_id": person(3), **request}
    tables["household_events"].append(event(tables, "household_join_request_approved", "a", 1, answered, **named))
    tables["users"] = [
        {"id": person(number), "email": f"u{number}@example.org", "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
        for number in (1, 2, 3)
    ]
    return tables


def household(letter: str, leader: int, *, at: datetime, **columns: Any) -> dict[str, Any]:
    """A household row whose code is in order."""
    plain = {
        "id": home(letter),
        "name": "The Home",
        "invite_code": f"HOME{letter.upper()}X"[:6] + "-ECHO-ZULU",
        "invite_code_expires_at": datetime(2026, 3, 10, tzinfo=UTC),
        "leader_id": person(leader),
        "created_at": at,
        "updated_at": at,
    }
    return plain | columns


def member(letter: str, user: int, *, at: datetime, **columns: Any) -> dict[str, Any]:
    """An active member row."""
    plain = {
        "id": f"33333333-0000-4000-8000-00000000{ord(letter):02x}{user:02x}",
        "household_id": home(letter),
        "user_id": person(user),
        "role": "member",
        "status": "active",
        "is_temporary": False,
        "joined_at": at,
    }
    return plain | columns


def event(
    tables: Tables, kind: str, letter: str | None, user: int | None, at: datetime, **metadata: Any
) -> dict[str, Any]:
    """The next audit row."""
    return {
        "id": len(tables["household_events"]) + 1,
        "event_type": kind,
        "household_id": letter and home(letter),
        "user_id": user and person(user),
        "event_timestamp": at,
        "metadata": metadata,
    }


def with_removal(tables: Tables) -> Tables:
    """With one event more: user 3 was removed from a by user 1, though the row stays active: one removal-not-applied."""
    removed = event(tables, "household_member_removed", "a", 1, REMOVAL_AT, member_id=person(3), correlation_id="c5")
    return tables | {"household_events": [*tables["household_events"], removed]}


def changed(tables: Tables, change: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Tables:
    """Every row as `change` makes it, given the table's name."""
    return {name: [change(name, copy.copy(row)) for row in rows] for name, rows in tables.items()}


@dataclass(frozen=True)
class Told:
    """What a scan with --format json said: exit code, (detector, severity) of the findings, coverage, standard error."""

    code: int
    findings: list[dict[str, Any]]
    coverage: dict[str, dict[str, Any]]
    talk: str

    @property
    def detectors(self) -> list[str]:
        return [finding["detector"] for finding in self.findings]


def call(*arguments: str) -> Result:
    """`hearthwatch` with these arguments."""
    return CliRunner().invoke(main, list(arguments))


def scanned(source: str, *more: str, as_of: str = NIGHT_1) -> Told:
    """A scan of `source`; without findings where it ended before it printed any."""
    result = call("scan", "--source", source, "--as-of", as_of, "--format", "json", *more)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    document = json.loads(result.stdout) if result.stdout.strip() else {"findings": [], "coverage": []}
    coverage = {entry["detector"]: entry for entry in document["coverage"]}
    return Told(result.exit_code, document["findings"], coverage, result.stderr)


def folder_of(path: Path, tables: Tables, *, leave_out: Sequence[str] = ()) -> str:
    """The tables as a new folder of CSV files."""
    path.mkdir(parents=True)
    return str(write_csv(path, tables, leave_out=leave_out))
