"""A look at what changed finds what a look at everything finds, whatever is written between two looks and whenever it commits."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st

from detectors.engine import comparing, foreseen
from detectors.engine.feed import FIRST_LOOK
from detectors.engine.result import ScanResult
from detectors.source import SourceMapping, open_source
from detectors.source.bucket_sums import BUCKETS
from detectors.source.row_versions import COMPARED, FAR, Coming, Since, statement
from tests.support.acts import HOMES
from tests.support.changes import PEOPLE, WRITES, Clients, Write
from tests.support.effort import tries
from tests.support.looker import Looker, town
from tests.support.postgres import RESTORED_PETFORCE, PostgresServer, load
from tests.support.standby import catch_up, hot_standby
from tests.support.town_life import MINUTE, uid
from tests.support.towns import DAY, HOUR

FIRST = datetime(2026, 2, 3, 9, tzinfo=UTC)
NEXT = FIRST + 5 * MINUTE
WRITTEN = st.builds(
    Write,
    st.sampled_from((0, 0, 1, 2)),
    st.sampled_from(sorted(WRITES)),
    st.sampled_from(HOMES),
    st.sampled_from(PEOPLE),
    st.sampled_from((0, 0, 0, 1, 3, 50)),
)
COMMIT = st.sampled_from((1, 2))
WAIT = st.sampled_from((1, 2, 5, 5, 30, 70))
"""Minutes until the next look."""
STEPS = st.lists(st.tuples(st.lists(WRITTEN | COMMIT, max_size=6), WAIT), min_size=2, max_size=5)


IN_TURN: list[tuple[list[Write | int], int]] = [
    (
        [
            Write(1, "unled", "oak", "one"),
            Write(0, "stranger", "elm", "one"),
            *(Write(0, name, "fir", "two") for name in ("guessed", "from everywhere", "tried", "struck")),
        ],
        5,
    ),
    (
        [
            1,
            Write(0, "moved", "fir", "three"),
            Write(0, "struck", "fir", "one", 3),
            Write(0, "timed out", "oak", "one"),
        ],
        5,
    ),
    ([Write(0, "erased", "elm", "one"), Write(0, "sitter", "ash", "one"), Write(0, "visited", "bay", "two")], 5),
    ([Write(2, "second home", "bay", "two"), Write(0, "account deleted", "fir", "one")], 52),
    ([2, Write(0, "requests lost", "yew", "three"), Write(0, "account deleted", "fir", "one")], 1),
    (
        [
            *(Write(0, "not removed", "bay", person, 50) for person in ("two", "three")),
            Write(0, "asked often", "oak", "two"),
        ],
        2,
    ),
    (
        [
            Write(0, "session used", "bay", "two"),
            Write(0, "session told", "bay", "three"),
            Write(0, "cleared", "yew", "one", 50),
            Write(0, "asked often", "oak", "two"),
        ],
        5,
    ),
]
"""What commits after newer rows were seen, goes away without a trace, or is wrong after a time."""


@tries(
    6,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(STEPS)
@example(IN_TURN)
def test_what_is_found_by_changes_is_what_is_found_by_reading_everything(
    postgres: PostgresServer, steps: list[tuple[list[Write | int], int]]
) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database:
        load(database, town().tables())
        looker, clients, now = Looker(database.url), Clients(database.url), FIRST
        try:
            looker.look(now)
            for writes, minutes in steps:
                for one in writes:
                    if isinstance(one, Write):
                        clients.do(one, now)
                    else:
                        clients.commit(one)
                now += minutes * MINUTE
                looker.look(now)
        finally:
            clients.close()
        looker.look(now + 5 * MINUTE)
        looker.look(now + 10 * MINUTE)
        assert looker.reasons[-1] is None


def test_a_row_that_goes_over_to_a_household_of_the_same_bucket_is_lost_to_its_own(postgres: PostgresServer) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database, database.connect() as connection:
        one, other = _in_one_bucket(connection)
        lived_in = town()
        for home in (one, other):
            lived_in.family(home, f"{home} one", f"{home} two")
        load(database, lived_in.tables())
        looker = Looker(database.url)
        looker.look(FIRST)
        connection.execute(
            "UPDATE household_members SET household_id = %s WHERE user_id = %s", (uid(other), uid(f"{one} one"))
        )
        looker.look(NEXT)
        assert looker.reasons[-1] is None
        assert "no-leader" in {found.detector for found in looker.known if uid(one) in map(UUID, found.households)}


@pytest.mark.parametrize(("kept", "ahead"), [(10_000, 6 * HOUR), (0, 6 * HOUR), (10_000, 7 * MINUTE)])
def test_a_time_that_passes_is_seen_though_nothing_is_written(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, kept: int, ahead: timedelta
) -> None:
    """Whether the look before could keep it, has kept too many, or looked less far ahead."""
    monkeypatch.setattr(foreseen, "MOST_AHEAD", kept)
    monkeypatch.setattr(comparing, "HORIZON", ahead)
    with postgres.new_database(RESTORED_PETFORCE) as database, database.connect() as connection:
        lived_in = town()
        for number, sitter in enumerate(("first", "second", "third")):
            expires = FIRST + (1 + 10 * number) * MINUTE
            lived_in.member("oak", sitter, at=FIRST - DAY, is_temporary=True, temporary_expires_at=expires)
        load(database, lived_in.tables())
        looker, later = (
            Looker(database.url),
            "UPDATE household_members SET temporary_expires_at = %s WHERE user_id = %s",
        )
        looker.look(FIRST)
        looker.look(NEXT)
        assert _expired(looker) == {uid("first")}
        connection.execute(later.encode(), (FIRST + 8 * MINUTE, uid("third")))
        connection.execute(later.encode(), (FIRST + 30 * MINUTE, uid("second")))
        for minutes, expired in ((6, {"first"}), (10, {"first", "third"}), (20, {"first", "third"})):
            looker.look(FIRST + minutes * MINUTE)
            assert _expired(looker) == set(map(uid, expired))
        looker.look(FIRST + 33 * MINUTE)
        assert _expired(looker) == {uid("first"), uid("second"), uid("third")}
        assert set(looker.reasons[1:]) == {None}


def _expired(looker: Looker) -> set[UUID]:
    return {UUID(one.subject["user_id"]) for one in looker.known if one.detector == "temporary-access-expired"}


def test_what_was_foreseen_is_asked_of_no_row(postgres: PostgresServer) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database:
        load(database, town().tables())
        looker = Looker(database.url)
        for at in (FIRST, NEXT):
            looker.look(at)
            assert looker.bookmark is not None
            told = looker.bookmark.foreseen
            assert {name: one.until for name, one in told.items()} == {
                one.table: FIRST - 2 * MINUTE + 6 * HOUR for one in COMPARED
            }
        with open_source(database.url, SourceMapping()) as source:
            for one in COMPARED:
                for known in (True, False):
                    since = Since(9, FIRST, FIRST, NEXT, foreseen=known)
                    asked = statement(source.tables, one, since, Coming(NEXT, NEXT + DAY), by_bucket=False)
                    # Times are taken out of the rows that were found by what is newer.
                    assert ("ctid" in str(asked)) is known


def _wait_for_open_transactions(connection: psycopg.Connection) -> None:
    """Until all that began before now have ended: beside one that a test keeps open, younger rows look new at the next look."""
    began = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    ended = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s"
    until = time.monotonic() + 60
    while connection.execute(ended, began).fetchone() == (False,) and time.monotonic() < until:
        time.sleep(0.1)


def test_the_sessions_of_those_who_were_removed_before_yesterday_are_left_to_the_night(
    postgres: PostgresServer,
) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database, database.connect() as connection:
        lived_in, midnight = town(), FIRST.replace(hour=0)
        for name, removed in (("fir", midnight - DAY), ("yew", midnight - DAY - MINUTE)):
            lived_in.event("household_member_removed", name, f"{name} one", at=removed, member_id=f"{name} two")
            lived_in.session(f"{name} two", f"{name} two", at=FIRST - 5 * DAY)
        load(database, lived_in.tables())
        _wait_for_open_transactions(connection)
        looker = Looker(database.url)
        looker.look(FIRST)
        connection.execute("UPDATE sessions SET last_activity_at = %s", (NEXT,))
        found, everything = (looker.scan(NEXT + 20 * MINUTE, feed) for feed in (looker.feed(), None))
        assert found.fed is not None
        assert found.fed.reason is None
        assert [of_sessions(one) for one in (found, everything)] == [
            {str(uid("fir two"))},
            {str(uid("fir two")), str(uid("yew two"))},
        ]


def of_sessions(result: ScanResult) -> set[str]:
    return {one.subject["user_id"] for one in result.findings if one.detector == "session-survives-removal"}


def _in_one_bucket(connection: psycopg.Connection) -> tuple[str, str]:
    """Two households of one bucket, by their names."""
    seen: dict[int, str] = {}
    for number in range(1_000):
        name = f"drawn {number}"
        row = connection.execute("SELECT uuid_hash(%s) & %s", (uid(name), BUCKETS - 1)).fetchone()
        if row is not None and row[0] in seen:
            return seen[row[0]], name
        seen[row[0] if row else -1] = name
    raise AssertionError("no two households share a bucket")


def test_what_cannot_be_told_is_read_whole_and_said(postgres: PostgresServer) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database, database.connect() as connection:
        load(database, town().tables())
        connection.execute("CREATE TYPE member_status AS ENUM ('active')")
        with postgres.new_reader(database, bypass_rls=False) as reader:
            # SELECT and nothing else will do.
            looker = Looker(reader.url)
            looker.look(FIRST)
            assert (looker.reasons, looker.reason(NEXT)) == ([FIRST_LOOK], None)
        bookmark = looker.bookmark
        assert bookmark is not None
        looker.url = database.url
        for other, said in (
            (replace(bookmark, server="another"), "restored, promoted or exchanged"),
            (replace(bookmark, next=bookmark.next + 10**6), "counted anew"),
            (replace(bookmark, least=bookmark.least - FAR - 1), "counted anew"),
            (replace(bookmark, rules="others"), "the policy"),
            (replace(bookmark, as_of=NEXT + MINUTE), "a later time"),
        ):
            looker.bookmark = other
            assert said in str(looker.reason(NEXT))
        looker.bookmark = replace(bookmark, outlook="another")
        looker.look(NEXT)
        assert "what the rules can look at" in str(looker.reasons[-1])
        for statement in (
            "ALTER TABLE households DROP COLUMN leader_id, ADD COLUMN leader_id uuid",
            "ALTER TYPE member_status RENAME VALUE 'active' TO 'removed'",
        ):
            # Rows say something else, and their versions are the old ones.
            looker.bookmark = looker.scan(NEXT, looker.feed()).bookmark
            assert looker.reason(NEXT) is None
            connection.execute(statement.encode())
            assert "its tables were made anew" in str(looker.reason(NEXT))
        connection.execute("CREATE TABLE more_requests () INHERITS (household_join_requests)")
        assert "household_join_requests is no plain table" in str(looker.reason(NEXT))
        connection.execute("DROP TABLE more_requests")
        connection.execute("ALTER TABLE households RENAME TO homes")
        connection.execute("CREATE VIEW households AS SELECT * FROM homes")
        assert "households is no plain table" in str(looker.reason(NEXT))


def test_rows_that_are_held_twice_are_read_whole_and_not_relied_on(postgres: PostgresServer) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database, database.connect() as connection:
        load(database, town().tables())
        looker, leader = Looker(database.url), uid("oak one")
        looker.look(FIRST)
        connection.execute("ALTER TABLE users DROP CONSTRAINT users_pkey")
        connection.execute("INSERT INTO users SELECT * FROM users WHERE id = ANY(%s)", ([leader, uid("elm one")],))
        connection.execute(
            "UPDATE users SET deleted_at = %s WHERE id = %s AND ctid = (SELECT max(ctid) FROM users WHERE id = %s)",
            (FIRST, leader, leader),
        )
        connection.execute("UPDATE households SET leader_id = NULL WHERE id = %s", (uid("oak"),))
        looker.look(NEXT)
        assert not looker.known
        connection.execute("DELETE FROM users WHERE id = %s AND deleted_at IS NULL", (leader,))
        looker.look(NEXT + 5 * MINUTE)
        assert {"no-leader"} == {one.detector for one in looker.known}
        assert "users" in str(looker.reasons[-1])


def test_a_standby_tells_as_much_and_its_primary_is_another_server(postgres: PostgresServer) -> None:
    with hot_standby(postgres) as standby, postgres.new_database(RESTORED_PETFORCE) as database:
        load(database, town().tables())
        clients = Clients(database.url)
        try:
            clients.do(Write(1, "unled", "oak", "one"), FIRST)
            clients.do(Write(0, "stranger", "elm", "one"), FIRST)
            catch_up(postgres, standby)
            looker = Looker(standby.url(database.name))
            looker.look(NEXT)
            clients.commit(1)
            clients.do(Write(0, "erased", "fir", "one"), NEXT)
            catch_up(postgres, standby)
            looker.look(NEXT + 5 * MINUTE)
        finally:
            clients.close()
        assert looker.reasons[1] is None
        assert {"no-leader", "transfer-failed"} & {one.detector for one in looker.known}
        looker.url = database.url
        assert "promoted or exchanged" in str(looker.reason(NEXT + 10 * MINUTE))
