"""What the rules about patterns say where optional tables and columns are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.contract import Context
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.rules.trust_safety import (
    bot_cadence,
    commercial_use,
    competitor_use,
    mass_creation,
    mass_removal,
    off_topic_use,
    scraping,
)
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, YESTERDAY, Town, with_later_life, write_csv

FROM_EVENTS = (mass_creation.DETECTOR, mass_removal.DETECTOR, bot_cadence.DETECTOR, scraping.DETECTOR)
FROM_TABLES = (commercial_use.DETECTOR, off_topic_use.DETECTOR, competitor_use.DETECTOR)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event("pet_activity_logged", "oak", "anna")
    return with_later_life(town)


def endings(folder: Path) -> dict[str, tuple[str, str | None]]:
    with open_source(str(folder), SourceMapping()) as source:
        result: ScanResult = scan(source, (*FROM_EVENTS, *FROM_TABLES), Context(as_of=AS_OF, window=YESTERDAY))
    return {entry.detector: (entry.status, entry.reason) for entry in result.coverage}


def without(folder: Path, table: str, column: str) -> Path:
    """The folder with a column of a table under another name."""
    file = folder / f"{table}.csv"
    head, rest = file.read_text().split("\n", 1)
    file.write_text(head.replace(column, f"x_{column}") + "\n" + rest)
    return folder


def test_only_the_core_tables_are_needed_for_texts_and_sittings(tmp_path: Path, town: Town) -> None:
    optional = ("users", "sessions", "support_requests", "household_events")
    found = endings(write_csv(tmp_path, town.tables(), leave_out=optional))
    assert {found[one.id] for one in FROM_EVENTS} == {("not_applicable", "needs household_events")}
    assert {found[one.id][0] for one in FROM_TABLES} == {"ran"}


def test_without_metadata_a_retry_would_look_like_a_deed(tmp_path: Path, town: Town) -> None:
    found = endings(without(write_csv(tmp_path, town.tables()), "household_events", "metadata"))
    assert {found[one.id] for one in FROM_EVENTS} == {("not_applicable", "needs household_events.metadata")}


def test_a_town_without_temporary_members_or_descriptions(tmp_path: Path, town: Town) -> None:
    folder = without(write_csv(tmp_path, town.tables()), "household_members", "is_temporary")
    found = endings(without(folder, "households", "description"))
    assert found["commercial-use"] == ("not_applicable", "needs household_members.is_temporary")
    assert {found[one] for one in ("off-topic-use", "competitor-use", "mass-creation")} == {("ran", None)}
