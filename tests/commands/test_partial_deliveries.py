"""Nights on which a part of the source does not arrive: nothing is called fixed, nothing is filed, and it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.folders import rewritten
from tests.support.postgres import Database
from tests.support.towns import DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

FIRST, SECOND, THIRD = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"
Change = Callable[[Town], None]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


class Nights:
    """Nights of one town from the command line; `queue` has the tickets of the folder queue."""

    def __init__(self, scanner: Scanner, elsewhere: Path) -> None:
        self.scanner, self.elsewhere = scanner, elsewhere

    def source(self, town: Town, missing: Iterable[str] = ()) -> str:
        return self.scanner.without(*missing).open_town(town.tables())

    def run(self, town: Town, as_of: str, *more: str, missing: Iterable[str] = ()) -> Result:
        return call("run", "--source", self.source(town, missing), "--as-of", as_of, *more)

    @property
    def queue(self) -> list[str]:
        return sorted(path.stem for path in (self.elsewhere / "out" / "queue").glob("*.md"))

    def text(self, ticket: str) -> str:
        return (self.elsewhere / "out" / "queue" / f"{ticket}.md").read_text(encoding="utf-8")


@pytest.fixture
def nights(scanner: Scanner, elsewhere: Path) -> Nights:
    return Nights(scanner, elsewhere)


def base() -> Town:
    """Two healthy households and an audit trail; what is wrong is added by each test."""
    town = Town()
    town.family("rex", "one", "three")
    town.family("mia", "two")
    for number, at in enumerate((NOON - 3 * DAY, NOON - 2 * DAY, NOON - HOUR)):
        town.event("household_dashboard_viewed", "rex", "one", at=at, correlation_id=f"c{number}")
    town.event("household_dashboard_viewed", "rex", "one", at=NOON + 14 * HOUR, correlation_id="c9")
    for name in ("one", "two", "three"):
        town.account(name)
    return town


def with_faults(town: Town) -> Town:
    """A removal that was not applied, a court order and a threat: three tickets."""
    town.event("household_member_removed", "rex", "one", at=NOON, member_id="three", correlation_id="r")
    town.report("order", "court_order", "two", household_id="mia")
    town.report("threat", "child_safety", "two", household_id="rex")
    return town


def repaired() -> Town:
    town = with_faults(base())
    town.row("rex", "three")["status"] = "removed"
    for report in town.support_requests:
        report["status"] = "closed"
    return town


def empty(*tables: str) -> Change:
    def change(town: Town) -> None:
        for table in tables:
            getattr(town, table).clear()

    return change


def line_of(result: Result, table: str) -> str:
    (line,) = [one for one in result.stderr.splitlines() if one.startswith(f"hearthwatch: {table} ")]
    return line


@pytest.mark.parametrize(
    "tables", [("household_events", "support_requests"), ("support_requests",), ("household_events",)]
)
@pytest.mark.parametrize("how", ["emptied", "missing"])
def test_what_does_not_arrive_repairs_nothing(nights: Nights, tables: tuple[str, ...], how: str) -> None:
    first = nights.run(with_faults(base()), FIRST)
    assert (first.exit_code, len(nights.queue)) == (0, 3), first.output
    before = nights.queue
    damaged = with_faults(base())
    if how == "emptied":
        empty(*tables)(damaged)
    second = nights.run(damaged, SECOND, missing=tables if how == "missing" else ())
    assert second.exit_code == 4, second.output
    for table in tables:
        assert ("came empty" if how == "emptied" else "is missing") in line_of(second, table)
        assert "--accept-volume" in line_of(second, table)
    assert len([one for one in second.stderr.splitlines() if one.startswith("hearthwatch: ")]) == len(tables)
    assert "fixed" not in second.stdout.split("Tonight:")[1]
    assert "tell the customer" not in second.stdout
    assert nights.queue == before
    assert not any("Fixed" in nights.text(ticket) for ticket in before)
    # The night was incomplete: once all of it is there again, it is covered, and what was repaired meanwhile is noticed.
    third = nights.run(repaired(), THIRD, "--format", "json")
    assert third.exit_code == 0, third.output
    assert '"from": "2026-02-03T00:00:00Z"' in third.stdout
    assert "3 tickets verified as fixed" in third.stderr


def lonely(number: int = 40) -> Town:
    """One-person households; nobody leads the first."""
    town = Town()
    for place in range(number):
        town.family(f"home {place}", f"leader {place}")
        town.account(f"leader {place}")
    town.home("home 0")["leader_id"] = None
    town.row("home 0", "leader 0")["role"] = "member"
    return town


@pytest.mark.parametrize(
    ("table", "arrive"), [("household_members", 19), ("household_members", 31), ("households", 19), ("users", 0)]
)
def test_an_implausible_drop_files_nothing_and_repairs_nothing(nights: Nights, table: str, arrive: int) -> None:
    assert nights.run(lonely(), FIRST).exit_code == 0
    (ticket,) = nights.queue
    cut = lonely()
    del getattr(cut, table)[arrive:]
    if table == "household_members":
        cut.household_members.pop(0)
        cut.household_members.append(lonely().household_members[arrive])
    second = nights.run(cut, SECOND)
    assert second.exit_code == 4, second.output
    said = f"lost {40 - arrive} of 40 rows since the run of 2026-02-03 03:00:00 UTC (more than 5 %)"
    assert (said if arrive else "came empty") in line_of(second, table)
    assert nights.queue == [ticket]
    assert "Fixed" not in nights.text(ticket)
    # Waiting does not make it normal.
    assert nights.run(cut, THIRD).exit_code == 4
    healthy = lonely()
    healthy.home("home 0")["leader_id"] = uid("leader 0")
    healthy.row("home 0", "leader 0")["role"] = "leader"
    assert "1 ticket verified as fixed" in nights.run(healthy, "2026-02-06T03:00:00Z").output


def test_a_drop_is_taken_once(nights: Nights) -> None:
    assert nights.run(lonely(), FIRST).exit_code == 0
    fewer = lonely()
    kept = {row["id"] for row in fewer.households[10:]}
    fewer.households[:] = fewer.households[10:]
    fewer.household_members[:] = [row for row in fewer.household_members if row["household_id"] in kept]
    assert nights.run(fewer, SECOND).exit_code == 4
    taken = nights.run(fewer, THIRD, "--accept-volume")
    assert taken.exit_code == 0, taken.output
    # The household without a leader was deleted: that is no repair.
    (ticket,) = nights.queue
    assert "1 ticket commented" in taken.output
    assert nights.text(ticket).count("No longer there") == 1
    assert "Fixed" not in nights.text(ticket)
    assert "tell the customer" not in taken.output
    quiet = nights.run(fewer, "2026-02-06T03:00:00Z")
    assert (quiet.exit_code, "commented" in quiet.output, "P0 1" in quiet.output) == (0, False, False), quiet.output
    few = lonely()
    few.households[:] = fewer.households[20:]
    few.household_members[:] = fewer.household_members[20:]
    assert nights.run(few, "2026-02-07T03:00:00Z").exit_code == 4


def deleted(number: int) -> Town:
    """The lonely town without the first households."""
    town = lonely()
    kept = {row["id"] for row in town.households[number:]}
    town.households[:] = town.households[number:]
    town.household_members[:] = [row for row in town.household_members if row["household_id"] in kept]
    return town


def test_a_deleted_household_waits_for_a_person(nights: Nights) -> None:
    assert nights.run(lonely(), FIRST).exit_code == 0
    (ticket,) = nights.queue
    # A night that could not look says nothing; the first that could says it, once.
    without_members = deleted(2)
    del without_members.household_members[20:]
    assert nights.run(without_members, SECOND).exit_code == 4
    assert "1 ticket commented" in nights.run(deleted(2), THIRD).output
    assert nights.run(without_members, "2026-02-06T03:00:00Z").exit_code == 4
    assert "commented" not in nights.run(deleted(2), "2026-02-07T03:00:00Z").output
    assert nights.text(ticket).count("No longer there") == 1
    # Its rows are back, with the fault, and go again: that is news.
    assert "1 finding unchanged" in nights.run(lonely(), "2026-02-08T03:00:00Z").output
    assert "1 ticket commented" in nights.run(deleted(2), "2026-02-09T03:00:00Z").output
    assert call("tickets", "resolve", ticket, "--as-of", "2026-02-09T04:00:00Z").exit_code == 0
    closed = nights.run(deleted(2), "2026-02-10T03:00:00Z")
    assert "Open tickets: none" in closed.output
    assert "tell the customer" not in closed.output
    assert "nothing found, nothing to do" in nights.run(deleted(2), "2026-02-11T03:00:00Z").output
    # What comes back after that reopens it.
    assert "1 ticket reopened" in nights.run(lonely(), "2026-02-12T03:00:00Z").output


@pytest.mark.parametrize("how", ["emptied", "missing"])
def test_what_was_in_a_table_that_stays_away_waits_for_a_person(nights: Nights, how: str) -> None:
    assert nights.run(with_faults(base()), FIRST).exit_code == 0
    town, missing = with_faults(base()), ("support_requests",) if how == "missing" else ()
    town.support_requests.clear()
    taken = nights.run(town, SECOND, "--accept-volume", missing=missing)
    assert (taken.exit_code, "2 tickets commented" in taken.output) == (0, True), taken.output
    reports = [one for one in nights.queue if "No longer there" in nights.text(one)]
    source = nights.source(town, missing)
    for ticket in reports:
        verified = call("tickets", "verify", ticket, "--source", source, "--as-of", THIRD)
        assert (verified.exit_code, verified.stdout[:16]) == (0, "no longer there:"), verified.output
        assert call("tickets", "resolve", ticket, "--as-of", SECOND).exit_code == 0
    ended = nights.run(town, THIRD, missing=missing)
    assert "Open tickets: engineering 1." in ended.output
    assert "tell the customer" not in ended.output


@pytest.mark.parametrize(("how", "said"), [("removed", "verified as fixed"), ("deleted", "commented")])
def test_the_household_that_was_missing_need_not_be_there(nights: Nights, how: str, said: str) -> None:
    town = base()
    for user in ("one", "two"):
        town.member("ghost", user)
    assert "members-without-household" in nights.run(town, FIRST).output
    for user in ("one", "two"):
        row = town.row("ghost", user)
        row["status"] = "removed"
        if how == "deleted":
            town.household_members.remove(row)
    assert said in nights.run(town, SECOND).output


def test_a_table_cannot_dwindle_unnoticed(on_duckdb: Scanner, elsewhere: Path) -> None:
    nights, town, codes = Nights(on_duckdb, elsewhere), lonely(60), []
    for day in range(5):
        codes.append(nights.run(town, f"2026-02-0{3 + day}T03:00:00Z").exit_code)
        del town.users[-2:]
    assert codes == [0, 0, 4, 4, 4]


def test_small_tables_live(on_duckdb: Scanner, elsewhere: Path) -> None:
    nights, town = Nights(on_duckdb, elsewhere), lonely(6)
    assert nights.run(town, FIRST).exit_code == 0
    del town.users[4:]
    assert nights.run(town, SECOND).exit_code == 0


def busy(days: int = 6) -> Town:
    town = base()
    for day in range(days):
        for minute in range(20):
            at = NOON - day * DAY + minute * MINUTE
            town.event("household_dashboard_viewed", "rex", "one", at=at, correlation_id=f"v{day}-{minute}")
    return town


@pytest.mark.parametrize(
    "lost", [lambda row: row["id"] % 2, lambda row: row["event_timestamp"].date() == (NOON - 4 * DAY).date()]
)
def test_audit_rows_are_counted_again(nights: Nights, lost: Callable[[dict[str, object]], object]) -> None:
    town = with_faults(busy())
    assert nights.run(town, FIRST).exit_code == 0
    town.household_events[:] = [row for row in town.household_events if not lost(row)]
    second = nights.run(town, SECOND)
    assert second.exit_code == 4, second.output
    assert line_of(second, "household_events")
    assert "fixed" not in second.stdout.split("Tonight:")[1]


def test_a_quiet_week_is_no_loss(nights: Nights) -> None:
    assert nights.run(busy(), FIRST).exit_code == 0
    for day in range(4, 10):
        assert nights.run(busy(), f"2026-02-{day:02}T03:00:00Z").exit_code == 0


def test_what_retention_purged_is_not_repaired(nights: Nights) -> None:
    town = with_faults(busy(30))
    town.support_requests.clear()
    assert nights.run(town, FIRST).exit_code == 0
    (ticket,) = nights.queue
    later = NOON + 60 * DAY
    for minute in range(20):
        town.event("household_dashboard_viewed", "rex", "one", at=later + minute * MINUTE, correlation_id=f"l{minute}")
    assert nights.run(town, "2026-04-04T03:00:00Z").exit_code == 0
    town.household_events[:] = [row for row in town.household_events if row["event_timestamp"] > NOON + DAY]
    purged = nights.run(town, "2026-05-04T03:00:00Z")
    assert purged.exit_code == 0, purged.output
    assert "verified" not in purged.output
    assert "The audit rows that showed it are no longer there" in nights.text(ticket)
    verified = call("tickets", "verify", ticket, "--source", nights.source(town), "--as-of", "2026-05-04T04:00:00Z")
    assert "not looked at: removal-not-applied" in verified.output
    assert "the audit rows that showed it are no longer there" in verified.output
    # Said once, and what a person has resolved is not watched any more, but nobody is told that it was seen fixed.
    again = nights.run(town, "2026-05-05T03:00:00Z")
    assert "commented" not in again.output
    assert call("tickets", "resolve", ticket, "--as-of", "2026-05-05T04:00:00Z").exit_code == 0
    resolved = nights.run(town, "2026-05-06T03:00:00Z")
    assert "tell the customer" not in resolved.output
    assert "Open tickets: none" in resolved.output


@pytest.mark.parametrize("how", ["emptied", "missing"])
def test_verifying_a_ticket_obeys_the_same(nights: Nights, how: str) -> None:
    assert nights.run(with_faults(base()), FIRST).exit_code == 0
    damaged = with_faults(base())
    tables = ("household_events", "support_requests")
    if how == "emptied":
        empty(*tables)(damaged)
    source = nights.source(damaged, tables if how == "missing" else ())
    for ticket in nights.queue:
        verified = call("tickets", "verify", ticket, "--source", source, "--as-of", SECOND)
        assert verified.exit_code == 4, verified.output
        assert verified.stdout.startswith("not looked at: ")
        assert verified.stderr.count("hearthwatch: ") == 1
    whole, gone = nights.source(repaired()), repaired()
    gone.support_requests[:] = base().support_requests
    gone.report("other", "capacity", "two", status="closed")
    for ticket in nights.queue:
        assert call("tickets", "verify", ticket, "--source", whole, "--as-of", SECOND).stdout.startswith("fixed: ")
        verified = call("tickets", "verify", ticket, "--source", nights.source(gone), "--as-of", SECOND)
        about_request = "support_id" in verified.stdout
        assert verified.stdout.startswith("no longer there: " if about_request else "fixed: "), verified.output


def test_a_column_that_is_gone_verifies_nothing(on_duckdb: Scanner, elsewhere: Path) -> None:
    nights = Nights(on_duckdb, elsewhere)
    assert nights.run(with_faults(base()), FIRST).exit_code == 0
    source = Path(nights.source(with_faults(base())))
    rewritten(source / "support_requests.csv", lambda rows: without(rows, "household_id"))
    rewritten(source / "household_events.csv", lambda rows: without(rows, "metadata"))
    ends = [call("tickets", "verify", ticket, "--source", str(source), "--as-of", SECOND) for ticket in nights.queue]
    assert any("not looked at" in one.stdout for one in ends)
    for one in ends:
        assert one.exit_code == (4 if "not looked at" in one.stdout else 0), one.output
        assert ("hearthwatch: " in one.stderr) == (one.exit_code == 4)


def without(rows: list[list[str]], column: str) -> list[list[str]]:
    place = rows[0].index(column)
    return [row[:place] + row[place + 1 :] for row in rows]


def test_a_half_table_verifies_nothing(nights: Nights) -> None:
    assert nights.run(lonely(), FIRST).exit_code == 0
    (ticket,) = nights.queue
    cut = lonely()
    del cut.household_members[:21]
    verified = call("tickets", "verify", ticket, "--source", nights.source(cut), "--as-of", SECOND)
    assert verified.exit_code == 4
    assert "not looked at: no-leader" in verified.stdout


def test_the_first_run_believes_what_it_sees(nights: Nights) -> None:
    town = base()
    empty("household_events", "support_requests")(town)
    assert nights.run(town, FIRST).exit_code == 0


def test_a_town_that_is_all_gone_is_no_town(nights: Nights) -> None:
    assert nights.run(lonely(), FIRST).exit_code == 0
    gone = nights.run(Town(), SECOND)
    assert (gone.exit_code, "no rows at all" in gone.stderr) == (3, True)


def test_an_empty_source_is_no_clean_one(nights: Nights) -> None:
    """Not even for a scan or a first night; an app without a household is one where somebody says so, once."""
    source = nights.source(Town())
    assert call("scan", "--source", source, "--as-of", FIRST).exit_code == 3
    assert nights.run(Town(), FIRST).exit_code == 3
    assert nights.run(Town(), FIRST, "--accept-volume").exit_code == 0
    assert nights.run(Town(), SECOND).exit_code == 0


def test_an_index_that_lacks_is_no_sign_of_life(petforce_db: Database) -> None:
    """As in tables of an old schema that nobody fills any more."""
    with petforce_db.connect() as admin:
        admin.execute("DROP INDEX household_members_user_id_idx")
    told = call("scan", "--source", petforce_db.url, "--as-of", FIRST)
    assert (told.exit_code, "no rows at all" in told.stderr) == (3, True)


def test_what_an_audit_table_tells_alone_is_shown_with_a_note(nights: Nights) -> None:
    town = Town()
    for number in range(12):
        town.event("household_created", f"h{number}", "anna", at=NOON + number * MINUTE)
    told = call("scan", "--source", nights.source(town), "--as-of", FIRST)
    assert (told.exit_code, "mass-creation" in told.stdout) == (0, True)
    assert "note: households and household_members have no rows at all" in told.stderr
