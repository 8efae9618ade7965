"""`run --quick`: what it finds between two nights, and what it leaves alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.towns import HOUR, MINUTE, Town, uid, write_csv

NIGHT = datetime(2026, 2, 3, 3, tzinfo=UTC)
MORNING = datetime(2026, 2, 3, 10, tzinfo=UTC)


class Played:
    """A town with its ledger and queue in the current folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.town = Town()
        self.town.family("oak", "anna", "ben", "cleo")
        self.town.family("elm", "dora", "emil")
        self.town.event("household_leave_started", "elm", "emil", at=NIGHT - 30 * HOUR)

    def run(self, at: datetime, *options: str, code: int = 0) -> Result:
        self.folder.mkdir(exist_ok=True)
        source = str(write_csv(self.folder, self.town.tables()))
        result = CliRunner().invoke(
            main, ["run", "--source", source, "--as-of", at.isoformat(), "--format", "json", *options]
        )
        assert result.exit_code == code, result.output
        return result

    def quick(self, at: datetime, code: int = 0) -> Result:
        return self.run(at, "--quick", code=code)

    def tickets(self) -> dict[str, list[dict[str, Any]]]:
        """What stands in the queue, by detector."""
        found: dict[str, list[dict[str, Any]]] = {}
        for path in sorted(Path("out/queue").glob("*.json")):
            ticket = json.loads(path.read_text(encoding="utf-8"))
            found.setdefault(ticket["message"]["detector"] if "detector" in ticket["message"] else path.name, []).append(ticket)
        return found


@pytest.fixture
def played(tmp_path: Path) -> Played:
    return Played(tmp_path / "town")


def test_x(played: Played) -> None:
    played.run(NIGHT)
    for minute in range(6):
        played.town.event("login_failed", None, "ben", at=MORNING + minute * MINUTE, user_id="ben", ip_address="192.0.2.7")
    played.town.event("login_succeeded", None, "ben", at=MORNING + 7 * MINUTE)
    played.town.event("household_invite_code_regenerated", "oak", "ben", at=MORNING + 8 * MINUTE)
    played.town.home("oak")["leader_id"] = None
    played.town.home("oak")["updated_at"] = MORNING
    print(played.quick(MORNING + 12 * MINUTE).stderr)
    print(list(played.tickets().items())[0])
    played.town.home("oak")["leader_id"] = uid("anna")
    print(played.quick(MORNING + 22 * MINUTE).stderr)
    print(played.run(NIGHT + timedelta(days=1)).stderr)
