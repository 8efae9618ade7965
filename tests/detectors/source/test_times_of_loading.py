"""A trail that holds when it was loaded, ids that are written otherwise since some day, and a log of refreshes as a server's sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from detectors.contract import Context
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.limits import Limits
from detectors.rules.customer_success import policy_question
from detectors.rules.integrity import no_leader
from detectors.rules.security import session_survives_removal
from detectors.source import SourceError, SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, NOON, YESTERDAY, Scanner, Town, uid


def town() -> Town:
    town = Town()
    for place in range(6):
        home = f"home {place}"
        at = LONG_AGO + place * DAY + timedelta(minutes=place)
        town.family(home, f"{home} one", f"{home} two", at=at)
        town.event("household_created", home, f"{home} one", at=at)
        town.event("household_join_request_submitted", home, f"{home} two", at=at + DAY)
        town.session(home, f"{home} one")
    return town


def scanned(where: str) -> ScanResult:
    rules = no_leader.DETECTOR, session_survives_removal.DETECTOR
    with open_source(where, SourceMapping()) as source:
        return scan(source, rules, Context(as_of=AS_OF, window=YESTERDAY, limits=Limits()))


def test_audit_rows_of_one_moment_end_the_scan(on_duckdb: Scanner) -> None:
    loaded = town()
    for place, row in enumerate(loaded.household_events):
        row["event_timestamp"] = NOON + timedelta(seconds=place)
    with pytest.raises(
        SourceError,
        match=r"event_timestamp is one moment for acts that households\.created_at tells of on different days",
    ):
        scanned(on_duckdb.open_town(loaded.tables()))


def many_homes(last: int = 12) -> Town:
    town = Town()
    for place in range(last):
        at = LONG_AGO + place * 7 * HOUR + timedelta(minutes=place * 7, seconds=place)
        town.family(f"home {place}", f"{place} one", f"{place} two", at=at)
        town.event("household_created", f"home {place}", f"{place} one", at=at)
        town.event("pet_activity_logged", f"home {place}", f"{place} two", at=at + 3 * DAY)
    return town


def of_that_night(at: datetime) -> datetime:
    return at.replace(hour=2, minute=1 + at.hour % 7, second=at.minute) + DAY


def of_the_next_hour(at: datetime) -> datetime:
    return at.replace(minute=5, second=at.minute) + HOUR


def a_little_later(at: datetime) -> datetime:
    return at + timedelta(minutes=9)


@pytest.mark.parametrize("load", [of_that_night, of_the_next_hour])
def test_audit_rows_of_each_nights_load_end_the_scan(scanner: Scanner, load: Callable[[datetime], datetime]) -> None:
    loaded = many_homes()
    for row in loaded.household_events:
        row["event_timestamp"] = load(row["event_timestamp"])
    with pytest.raises(SourceError, match="in the same minutes after the hour for acts that households"):
        scanned(scanner.open_town(loaded.tables()))
    loaded.household_events[-1]["event_timestamp"] -= timedelta(minutes=25)
    assert scanned(scanner.open_town(loaded.tables())).findings == ()


@pytest.mark.parametrize("made", [lambda at: at, lambda at: at.replace(minute=4, second=0), a_little_later])
def test_audit_rows_at_round_times_are_scanned(on_duckdb: Scanner, made: Callable[[datetime], datetime]) -> None:
    """Of a town that was made up, all of whose times are of one minute of the hour, or whose clocks go differently."""
    town = many_homes()
    if made is not a_little_later:
        for rows, column in ((town.households, "created_at"), (town.household_members, "joined_at")):
            for row in rows:
                row[column] = made(row[column])
    for row in town.household_events:
        row["event_timestamp"] = made(row["event_timestamp"])
    assert scanned(on_duckdb.open_town(town.tables())).findings == ()


def test_beginnings_may_have_been_audited_afterwards(on_duckdb: Scanner) -> None:
    filled = town()
    for row in filled.household_events:
        if row["event_type"] == "household_created":
            row["event_timestamp"] = NOON
    assert scanned(on_duckdb.open_town(filled.tables())).findings == ()


def test_a_town_of_one_moment_is_scanned(on_duckdb: Scanner) -> None:
    made = Town()
    for place in range(12):
        made.family(f"home {place}", f"{place} one", f"{place} two")
        made.event("household_created", f"home {place}", f"{place} one", at=LONG_AGO)
    assert scanned(on_duckdb.open_town(made.tables())).findings == ()


def test_ids_that_are_written_otherwise_since_yesterday_are_told(on_duckdb: Scanner) -> None:
    changed = town()
    for place in range(6):
        for how, day, who in (("{}", 5, "two"), ("usr_{}", 1, "one")):
            named = how.format(uid(f"home {place} {who}"))
            at = NOON - day * DAY + place * HOUR
            changed.event(
                "household_join_request_approved", f"home {place}", f"home {place} one", at=at, new_member_id="x"
            )
            changed.household_events[-1]["metadata"]["new_member_id"] = named
    said = [notice.said for notice in scanned(on_duckdb.open_town(changed.tables())).notices]
    assert [one for one in said if "household_events.metadata names (new_member_id)" in one]


@pytest.mark.parametrize(
    ("table", "column"),
    [("household_members", "joined_at"), ("households", "created_at"), ("sessions", "last_activity_at")],
)
def test_a_column_of_one_moment_is_told(on_duckdb: Scanner, table: str, column: str) -> None:
    loaded = town()
    for place in range(6):
        loaded.family(f"more {place}", f"{place} three", f"{place} four", at=LONG_AGO + place * DAY)
        loaded.session(f"more {place}", f"{place} three", at=LONG_AGO + place * DAY)
    for place, row in enumerate(getattr(loaded, table)):
        row[column] = NOON + timedelta(seconds=place)
    result = scanned(on_duckdb.open_town(loaded.tables()))
    assert [notice.said for notice in result.notices if f"{table}.{column} is one moment in every row" in notice.said]
    assert result.findings == ()
    getattr(loaded, table)[0][column] = NOON - DAY
    assert scanned(on_duckdb.open_town(loaded.tables())).notices == ()


def test_a_moment_before_which_hardly_anybody_lived_is_believed(on_duckdb: Scanner) -> None:
    young = town()
    for place in range(6):
        young.family(f"more {place}", f"{place} three", f"{place} four", at=LONG_AGO + place * DAY)
    for row in young.household_members:
        row["joined_at"] = NOON
    for rows, column in (
        (young.households, "created_at"),
        (young.household_join_requests, "requested_at"),
        (young.household_join_requests, "responded_at"),
        (young.sessions, "created_at"),
        (young.sessions, "last_activity_at"),
    ):
        for row in rows:
            row[column] = NOON - timedelta(minutes=5)
    said = [notice.said for notice in scanned(on_duckdb.open_town(young.tables())).notices]
    assert not [one for one in said if "is one moment in every row" in one]


def test_a_town_whose_accounts_are_all_deleted_is_not_believed(on_duckdb: Scanner) -> None:
    gone = town()
    for place in range(6):
        for who in ("one", "two"):
            gone.account(f"home {place} {who}", deleted_at=NOON)
    with pytest.raises(SourceError, match=r"users\.deleted_at is set in every row"):
        scanned(on_duckdb.open_town(gone.tables()))
    for never in (None, datetime(1970, 1, 1, tzinfo=UTC), AS_OF + DAY):
        gone.users[0]["deleted_at"] = never
        assert scanned(on_duckdb.open_town(gone.tables())).findings == ()
    for row in gone.users:
        row["deleted_at"] = datetime(1970, 1, 1, tzinfo=UTC)
    assert scanned(on_duckdb.open_town(gone.tables())).findings == ()


def test_a_request_to_support_of_several_rows_is_read_once(on_postgres: Scanner) -> None:
    asked = town()
    asked.report("r", "policy_question", "home 0 one", status="open")
    where = on_postgres.open_town(asked.tables())
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("ALTER TABLE support_requests DROP CONSTRAINT IF EXISTS support_requests_pkey")
        server.execute("INSERT INTO support_requests SELECT * FROM support_requests")
    with open_source(where, SourceMapping()) as source:
        result = scan(source, (policy_question.DETECTOR,), Context(as_of=AS_OF, window=YESTERDAY, limits=Limits()))
    assert [(ending.status, ending.findings) for ending in result.coverage] == [("ran", 1)]
    assert "1 row of support_requests repeats another row's id: read once" in result.notices[0].said


def test_a_servers_log_of_refreshes_is_not_its_sessions(on_postgres: Scanner) -> None:
    where = on_postgres.open_town(town().tables())
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("ALTER TABLE sessions DROP CONSTRAINT IF EXISTS sessions_pkey CASCADE")
        server.execute("CREATE TEMP TABLE later AS SELECT * FROM sessions")
        server.execute("UPDATE later SET created_at = created_at + interval '2 days'")
        server.execute("INSERT INTO sessions SELECT * FROM later")
    endings = {ending.detector: ending for ending in scanned(where).coverage}
    assert "6 ids of sessions stand in rows" in str(endings["session-survives-removal"].reason)
    assert endings["no-leader"].status == "ran"


def test_refreshes_of_less_than_a_day_are_told(on_postgres: Scanner) -> None:
    where = on_postgres.open_town(town().tables())
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("ALTER TABLE sessions DROP CONSTRAINT IF EXISTS sessions_pkey CASCADE")
        server.execute("INSERT INTO sessions SELECT * FROM sessions")
        assert scanned(where).notices == ()
        server.execute(
            "INSERT INTO sessions (id, user_id, created_at) SELECT id, user_id, created_at + interval '1 hour' FROM sessions"
        )
    (notice,) = scanned(where).notices
    assert "6 ids of sessions stand in several rows that differ in when they began" in notice.said
