"""Whatever the policy's numbers are, no pass leaves out what its rule would find: no number stands anywhere a second time."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from pydantic import ValidationError

from detectors.contract import Context, Window
from detectors.engine import runner
from detectors.engine.runner import scan
from detectors.engine.subscribed import opens
from detectors.engine.waiting_cases import Cases, Counting
from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source

FOLDER = Path(__file__).parents[3] / "fixtures" / "demo" / "night-2"
AS_OF = datetime(2026, 2, 4, 3, tzinfo=UTC)
NUMBERS = {
    name: field
    for name, field in Limits.model_fields.items()
    if field.annotation in (int, float) and not name.startswith("incident_")
}
HOUSEHOLDS = (
    "SELECT id FROM households UNION SELECT household_id FROM household_members"
    " UNION SELECT household_id FROM household_events"
)
PEOPLE = "SELECT id FROM users UNION SELECT user_id FROM household_members UNION SELECT user_id FROM household_events"
ADDRESSES = "SELECT DISTINCT 'ip:' || (metadata ->> 'ip_address') FROM household_events"


TIMES = {"low": [0.02, 0.05, 0.1, 0.2], "high": [1.1, 2, 3, 7], "both": [0.02, 0.1, 0.3, 0.9, 1.1, 3, 20]}


def odd(how: str) -> Limits:
    """Limits of which each number is another than the default: `low` ones, that everyday life exceeds, `high` ones, or both."""
    chosen = random.Random(how)
    limits = Limits(incident_size=10**6)
    for name, field in NUMBERS.items():
        times = chosen.choice(TIMES[how])
        number = max(1, round(field.default * times)) if field.annotation is int else field.default * times
        try:
            limits = Limits.model_validate(limits.model_dump() | {name: number})
        except ValidationError:
            # Some must keep to others, which have their turn too.
            continue
    return limits


@pytest.fixture(scope="module")
def everybody() -> dict[str, list[str]]:
    """Every key that a case can have, by what the kind of case is about."""
    with duckdb.connect() as connection:
        for path in FOLDER.glob("*.parquet"):
            connection.execute(f"CREATE VIEW {path.stem} AS FROM '{path}'")
        asked = {"household": HOUSEHOLDS, "person": PEOPLE, "address": ADDRESSES}
        return {
            what: [str(key) for (key,) in connection.execute(question).fetchall() if key is not None]
            for what, question in asked.items()
        }


def subjects(limits: Limits) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    context = Context(as_of=AS_OF, window=Window(AS_OF - timedelta(days=1), AS_OF), limits=limits)
    with open_source(str(FOLDER), SourceMapping()) as source:
        result = scan(source, DETECTORS, context)
    assert [one for one in result.coverage if one.status == "failed"] == []
    return {(finding.detector, tuple(sorted(finding.subject.items()))) for finding in result.findings}


@pytest.mark.parametrize("how", TIMES)
def test_no_pass_leaves_out_what_its_rule_would_find(
    everybody: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    limits = odd(how)
    found = subjects(limits)
    assert len(found) > 10
    as_it_is = runner._Run._cases_to_recheck

    def of_everybody(run: runner._Run, recheck: Mapping[str, Sequence[str]], counting: Counting | None) -> Cases:
        cases = as_it_is(run, recheck, counting)
        for detector in run._running:
            if detector.evaluate is None:
                continue
            for subscription in detector.subscriptions:
                kind = opens(subscription)
                if kind is None or kind == "support_id":
                    continue
                keys = everybody["household" if "household" in kind else "person"]
                for key in keys + (everybody["address"] if kind == "actor" else []):
                    cases.name(kind, key, detector)
        return cases

    monkeypatch.setattr(runner._Run, "_cases_to_recheck", of_everybody)
    assert subjects(limits) == found
