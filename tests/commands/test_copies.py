"""The second night reads an older copy of a table, or another database: nothing is fixed, nothing is filed, and it is said."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import pytest
from alembic import command
from click.testing import CliRunner, Result
from sqlalchemy import create_engine

from cli import main
from detectors.engine.newest import newest_of
from detectors.source import SourceMapping, open_source
from escalation.ledger.upgrade import _config
from tests.support.folders import exported
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, NOON, Scanner, Town, uid

FIRST, LOOK, SECOND, THIRD = (
    f"2026-02-0{day}T{hour}:00:00Z" for day, hour in ((3, "03"), (3, "10"), (4, "03"), (5, "03"))
)
OLDER = "is an older copy than on the run of 2026-02-03 03:00:00 UTC"
ANOTHER = "households of the last run none is there any more, while others are: this is another database"
STATE = ("households", "household_members", "household_join_requests")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def run(source: str, as_of: str, *more: str, code: int = 0) -> Result:
    result = call("run", "--source", source, "--as-of", as_of, *more)
    assert result.exit_code == code, result.output
    return result


def tickets() -> list[str]:
    """The status of each ticket."""
    with sqlite3.connect("hearthwatch.db") as ledger:
        return [status for (status,) in ledger.execute("SELECT status FROM tickets ORDER BY id")]


def town(*, homes: int = 12, broken: bool = True, days: int = 0) -> Town:
    """Families that began an hour after each other; one home is led by nobody. `days` later as many more have come."""
    town = Town()
    for number in range(homes + days):
        at = NOON - (homes - number) * HOUR if number < homes else NOON + (number - homes + 1) * DAY - HOUR
        town.household(f"home {number}", f"leader {number}", at=at)
        town.member(f"home {number}", f"leader {number}", role="leader", at=at)
        town.account(f"leader {number}", created_at=at)
        town.session(f"session {number}", f"leader {number}", at=at)
    if broken:
        town.row("home 3", "leader 3")["role"] = "member"
        town.home("home 3")["leader_id"] = None
    return town


def without_newest(town: Town, tables: Iterable[str], number: int = 4) -> Town:
    """The town with these tables as they were before the last households came; their rows are filled up with older ones."""
    for table in tables:
        rows = getattr(town, table)
        del rows[len(rows) - number :]
    return town


def used_before(town: Town) -> None:
    """The last sessions as they were long ago. Where sessions are deleted, those that came last may be, so that all are there."""
    for row in town.sessions[8:]:
        row |= {"created_at": LONG_AGO, "last_activity_at": LONG_AGO}


def filled_up(town: Town, table: str, number: int = 4) -> Town:
    """As many rows as before: some that have been deleted since are there again."""
    for place in range(number):
        home = f"long gone {place}"
        if table == "households":
            town.household(home, f"of {home}", at=LONG_AGO)
        else:
            town.member("home 0", f"of {home}", status="removed", at=LONG_AGO)
    return town


def test_an_older_copy_repairs_nothing(scanner: Scanner, elsewhere: Path) -> None:
    run(scanner.open_town(town().tables()), FIRST)
    assert tickets() == ["open"]
    before = filled_up(without_newest(town(broken=False, homes=12), ["household_members"]), "household_members")
    # The home's own row is of tonight.
    before.home("home 3")["leader_id"] = None
    source = scanner.open_town(before.tables())
    said = run(source, SECOND, code=4)
    assert f"household_members {OLDER}: its newest joined_at is of 2026-02-02 07:00:00 UTC" in said.stderr
    assert "--accept-volume" in said.stderr
    assert tickets() == ["open"]
    (ticket,) = [one.stem for one in (elsewhere / "out" / "queue").glob("*.md")]
    verified = call("tickets", "verify", ticket, "--source", source, "--as-of", SECOND)
    assert (verified.exit_code, OLDER in verified.stderr) == (4, True), verified.output
    # A night that was not believed is nothing to compare with.
    assert OLDER in run(source, THIRD, code=4).stderr


def test_every_table_of_state_may_be_an_older_copy(tmp_path: Path) -> None:
    run(str(exported(tmp_path / "one", town())), FIRST)
    old = without_newest(town(), ["households", "users"], 3)
    used_before(old)
    for number in range(3):
        old.account(f"old {number}")
        old.household(f"old {number}", None, at=LONG_AGO)
    said = run(str(exported(tmp_path / "two", old)), SECOND, code=4)
    assert [line.split()[1] for line in said.stderr.splitlines() if OLDER in line] == [
        "households",
        "sessions",
        "users",
    ]
    assert tickets() == ["open"]


def test_older_copies_of_all_tables_are_each_told(tmp_path: Path) -> None:
    """A standby that lags behind, a backup that was restored; whoever wants to go on says so once."""
    run(str(exported(tmp_path / "one", town(homes=100, days=3))), "2026-02-06T03:00:00Z")
    lagging = str(exported(tmp_path / "two", town(homes=100, broken=False)))
    said = run(lagging, "2026-02-07T03:00:00Z", code=4)
    assert said.stderr.count(OLDER.replace("02-03", "02-06")) == 3
    assert tickets() == ["open"]
    quick = run(lagging, "2026-02-07T10:00:00Z", "--quick", code=4)
    assert OLDER.replace("02-03", "02-06") in quick.stderr
    assert tickets() == ["open"]
    run(lagging, "2026-02-08T03:00:00Z", "--accept-volume")
    assert tickets() == ["verified"]
    assert OLDER[:20] not in run(lagging, "2026-02-09T03:00:00Z").stderr


def test_what_towns_do_is_no_older_copy(tmp_path: Path) -> None:
    """Nothing; the household that came last leaves with its people; two more leave, and somebody comes."""
    alive = ("households", "household_members", "users", "sessions")
    run(str(exported(tmp_path / "one", town(homes=60))), FIRST)
    run(str(exported(tmp_path / "two", town(homes=60))), LOOK)
    run(str(exported(tmp_path / "three", without_newest(town(homes=60), alive, 1))), SECOND)
    later = without_newest(town(homes=60, broken=False), alive, 3)
    later.family("new", "somebody", at=NOON + DAY)
    run(str(exported(tmp_path / "four", later)), THIRD)
    assert tickets() == ["verified"]


def test_a_time_that_is_no_longer_filled_in_is_no_older_copy(tmp_path: Path) -> None:
    for name, at in (("one", NOON), ("two", None)):
        filled = town(broken=name == "one")
        for place, row in enumerate(filled.households):
            row["updated_at"] = at and at + place * HOUR / 4
        run(str(exported(tmp_path / name, filled)), FIRST if at else SECOND)
    assert tickets() == ["verified"]


def test_duplicates_that_somebody_deletes_are_repaired(tmp_path: Path) -> None:
    """The rows that were written last, three of one home."""
    broken = town(homes=70, broken=False)
    for _ in range(3):
        broken.member("home 5", "leader 5", role="leader", at=NOON)
    run(str(exported(tmp_path / "one", broken)), FIRST)
    assert tickets()[0] == "open"
    run(str(exported(tmp_path / "two", town(homes=70, broken=False))), SECOND)
    assert set(tickets()) == {"verified"}


def test_spam_that_a_job_deletes_has_gone_from_every_table(tmp_path: Path) -> None:
    """Of a hundred households the newest five are deleted: believed where somebody has come to another one since."""
    run(str(exported(tmp_path / "one", town(homes=100))), FIRST)
    gone = ["households", "household_members", "users", "sessions"]
    cleaned = without_newest(town(homes=100, broken=False), gone, 5)
    assert run(str(exported(tmp_path / "two", cleaned)), SECOND, code=4).stderr.count(OLDER) == 3
    cleaned.member("home 5", "a sitter", at=NOON + DAY)
    run(str(exported(tmp_path / "three", cleaned)), THIRD)
    assert tickets()[0] == "verified"


# --- another database


def renamed(town: Town) -> Town:
    """A copy whose ids were made anew."""
    told = json.dumps(town.tables(), default=str)
    other = Town()
    for name, rows in json.loads(told).items():
        getattr(other, name).extend(
            {key: uid(value) if value and (key == "id" or key.endswith("_id")) else value for key, value in row.items()}
            for row in rows
        )
    return other


def test_another_database_ends_the_run_and_is_taken_once(scanner: Scanner) -> None:
    run(scanner.open_town(town().tables()), FIRST)
    source = scanner.open_town(renamed(town()).tables())
    for as_of, more in ((LOOK, ("--quick",)), (SECOND, ())):
        said = run(source, as_of, *more, code=3)
        assert ANOTHER in said.stderr
        assert len(said.stderr.splitlines()) <= 3
    assert tickets() == ["open"]
    with sqlite3.connect("hearthwatch.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM nights").fetchall() == [(1,)]
        (ticket,) = ledger.execute("SELECT external_id FROM tickets").fetchone()
    verified = call("tickets", "verify", ticket, "--source", source, "--as-of", SECOND)
    assert (verified.exit_code, ANOTHER in verified.stderr) == (3, True), verified.output
    run(source, SECOND, "--accept-volume")
    # What was on the ticket is no longer there, which is no repair.
    assert tickets() == ["open", "open"]
    run(source, THIRD)


def test_of_another_database_a_few_households_may_be_known(tmp_path: Path) -> None:
    run(str(exported(tmp_path / "one", town(homes=30))), FIRST)
    other = renamed(town(homes=30))
    with sqlite3.connect("hearthwatch.db") as ledger:
        (sample,) = ledger.execute("SELECT sample FROM volumes WHERE table_name = 'households'").fetchone()
    known = {home for _, home in json.loads(sample)}
    for home in [f"home {number}" for number in range(30) if uid(f"home {number}") in known][:2]:
        other.family(home, f"{home} leader")
    said = run(str(exported(tmp_path / "two", other)), SECOND, code=3).stderr
    assert "households of the last run only 2 are there any more, while others are" in said


def capitals(value: str) -> str:
    return f"{{{value.upper()}}}"


def test_ids_that_are_written_another_way_are_the_same(tmp_path: Path) -> None:
    run(str(exported(tmp_path / "one", town())), FIRST)
    other = town(broken=False)
    for rows in other.tables().values():
        for row in rows:
            row |= {key: capitals(row[key]) for key in row if row[key] and (key == "id" or key.endswith("_id"))}
    run(str(exported(tmp_path / "two", other)), SECOND)
    assert tickets() == ["verified"]


def numbered(town: Town, *, later: int = 0) -> Town:
    """The town with ids that are counted up from one, and everything so many days later."""
    numbers: dict[str, str] = {}
    for name, rows in deepcopy(town).tables().items():
        for place, row in enumerate(rows):
            own = getattr(town, name)[place]
            for key, value in row.items():
                if key == "id" or key.endswith("_id"):
                    own[key] = value and numbers.setdefault(value, str(len(numbers) + 1))
                elif hasattr(value, "tzinfo"):
                    own[key] = value + later * DAY
    return town


@pytest.mark.parametrize(("later", "code"), [(0, 0), (-9, 3), (9, 3)])
def test_ids_that_are_counted_up_are_the_same_where_the_households_began_then(
    tmp_path: Path, later: int, code: int
) -> None:
    run(str(exported(tmp_path / "one", numbered(town()))), FIRST)
    other = numbered(town(broken=False), later=later)
    said = run(str(exported(tmp_path / "two", other)), "2026-02-20T03:00:00Z", code=code)
    assert (ANOTHER in said.stderr) == (code == 3)


def test_of_a_small_town_nothing_is_concluded(tmp_path: Path) -> None:
    """Five households may all have left."""
    run(str(exported(tmp_path / "one", town(homes=5))), FIRST)
    said = run(str(exported(tmp_path / "two", renamed(town(homes=5)))), SECOND)
    assert ANOTHER not in said.stderr
    assert tickets() == ["open", "open"]


# --- what is kept


def test_both_engines_keep_the_same(on_duckdb: Scanner, on_postgres: Scanner) -> None:
    lived = town()
    lived.request("late", "home 2", "asker", at=NOON)
    lived.event("household_dashboard_viewed", "home 1", "leader 1", at=AS_OF + HOUR)
    kept = []
    for one in (on_duckdb, on_postgres):
        with open_source(one.open_town(lived.tables()), SourceMapping()) as source:
            kept.append(newest_of(source, AS_OF, lived.tables().keys()))
    assert kept[0] == kept[1]
    assert {name: list(columns) for name, columns in kept[0].rows.items() if columns} == {
        "households": ["created_at or updated_at"],
        "household_members": ["joined_at"],
        "household_join_requests": ["requested_at"],
        "users": ["created_at"],
        "sessions": ["created_at or last_activity_at"],
    }
    last = [uid(f"home {11 - place}") for place in range(8)]
    assert [one for _, one in kept[0].rows["households"]["created_at or updated_at"]] == last
    assert {one for _, one in kept[0].sample} == {uid(f"home {place}") for place in range(12)}


def test_a_ledger_of_before_goes_on(tmp_path: Path) -> None:
    source = str(exported(tmp_path / "one", town()))
    run(source, FIRST)
    engine = create_engine("sqlite:///hearthwatch.db")
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        for column in ("newest", "sample"):
            connection.exec_driver_sql(f"ALTER TABLE volumes DROP COLUMN {column}")
        command.stamp(config, "0011_servers", purge=True)
    # Nothing was kept, so nothing is compared; from then on it is.
    before = town()
    used_before(before)
    run(str(exported(tmp_path / "two", before)), SECOND)
    assert tickets() == ["open"]
    with sqlite3.connect("hearthwatch.db") as ledger:
        told = ledger.execute("SELECT night_id, sample IS NULL FROM volumes WHERE table_name = 'households'").fetchall()
    assert told == [(1, 1), (2, 0)]
    assert ANOTHER in run(str(exported(tmp_path / "three", renamed(town()))), THIRD, code=3).stderr
