"""unauthorised-transfer: leadership moves by its holder's own hand, or not at all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.findings import whole
from detectors.limits import Limits
from detectors.rules.trust_safety.unauthorised_transfer import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, NOON, YESTERDAY, Scanner, Town, uid, with_later_life

TICK = timedelta(microseconds=1)


@pytest.fixture
def town() -> Town:
    """A household that anna led and ben leads now, older than the audit table."""
    town = Town()
    town.family("elm", "dora", "emil")
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    town.row("oak", "anna")["status"] = "removed"
    return written(town)


def written(town: Town) -> Town:
    """With one event of each type without which nothing can be concluded, of people who are nobody's concern."""
    if not any(event["event_type"] == "household_leave_started" for event in town.household_events):
        town.event("household_leave_started", None, None, at=NOON - HOUR)
        town.event("household_leadership_transferred", None, None, at=NOON - HOUR, to_user_id="nobody")
    return town


def ways(scanner: Scanner, town: Town) -> list[str]:
    found = scanner.findings(town, DETECTOR)
    assert [finding.subject for finding in found] in ([], [{"household_id": uid("oak")}])
    return list(found[0].evidence["ways"]) if found else []


def transfer(town: Town, by: str | None = "anna", **metadata: object) -> None:
    facts = {"at": NOON, "from_user_id": "anna", "to_user_id": "ben", **metadata}
    town.event("household_leadership_transferred", "oak", by, **facts)  # type: ignore[arg-type]  # times and texts


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert ways(scanner, town) == []
    assert ways(scanner, Town()) == []


def test_silent_when_the_old_leader_left(scanner: Scanner, town: Town) -> None:
    town.event("household_leave_started", "oak", "anna", at=NOON - MINUTE, ip_address="1.2.3.4")
    transfer(town, ip_address="1.2.3.4")
    town.event("household_left", "oak", "anna", at=NOON + MINUTE, was_leader=True)
    assert ways(scanner, town) == []


@pytest.mark.parametrize("by", ["ben", "mallory"])
def test_fires_when_somebody_else_moved_it(scanner: Scanner, town: Town, by: str) -> None:
    transfer(town, by)
    assert ways(scanner, town) == ["not-by-old-leader"]


def test_counts_a_retried_transfer_once(scanner: Scanner, town: Town) -> None:
    transfer(town, "ben", correlation_id="c")
    transfer(town, "ben", correlation_id="c", at=NOON + MINUTE)
    (finding,) = scanner.findings(town, DETECTOR)
    assert len(finding.evidence["transfers"]) == 1
    assert finding.occurred_at == NOON


@pytest.mark.parametrize(("before", "expected"), [(HOUR - TICK, []), (HOUR, ["not-by-old-leader"])])
def test_the_old_leaders_own_leave_explains_it_for_an_hour(
    scanner: Scanner, town: Town, before: timedelta, expected: list[str]
) -> None:
    town.event("household_leave_started", "oak", "anna", at=NOON - before)
    transfer(town, "ben")
    assert ways(scanner, town) == expected


def test_somebody_elses_leave_explains_nothing(scanner: Scanner, town: Town) -> None:
    town.event("household_leave_started", "oak", "cleo", at=NOON - MINUTE)
    transfer(town, "ben")
    assert ways(scanner, town) == ["not-by-old-leader"]


def test_an_event_without_an_actor_or_an_old_leader_proves_nothing(scanner: Scanner, town: Town) -> None:
    transfer(town, None)
    town.event("household_leadership_transferred", "oak", "ben", at=NOON, to_user_id="ben")
    assert ways(scanner, town) == []


def test_fires_on_a_foreign_session(scanner: Scanner, town: Town) -> None:
    town.session("hers", "anna")
    town.session("his", "mallory")
    transfer(town, session_id=uid("hers"))
    assert ways(scanner, town) == []
    transfer(town, session_id=uid("his"))
    assert ways(scanner, town) == ["foreign-session"]


@pytest.mark.parametrize("leaves", [(), ("household_left",)])
def test_without_leaves_it_still_looks_at_sessions(scanner: Scanner, leaves: tuple[str, ...]) -> None:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.event("household_updated", "oak", "anna", at=LONG_AGO - DAY)
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    town.row("oak", "anna")["status"] = "removed"
    town.session("his", "mallory")
    for event in leaves:
        town.event(event, None, None, at=NOON - HOUR)
    transfer(town, "mallory", session_id=uid("his"))
    town.event("household_leadership_transferred", None, None, at=NOON - HOUR, to_user_id="nobody")
    result = scanner(town, DETECTOR)
    told = [way for finding in result.findings for way in whole(finding).evidence["ways"]]
    assert told == (["not-by-old-leader"] if leaves else []) + ["foreign-session"]
    reason = result.coverage[0].reason
    assert reason is not None
    assert "the source never wrote household_leave_started" in reason


@pytest.mark.parametrize(
    ("failures", "since", "address", "expected"),
    [
        (2, 59 * MINUTE, "6.6.6.6", ["new-address"]),
        (2, HOUR, "6.6.6.6", []),
        (1, 59 * MINUTE, "6.6.6.6", []),
        (2, 59 * MINUTE, "1.2.3.4", []),
    ],
)
def test_a_new_address_after_failed_logins(
    scanner: Scanner, town: Town, failures: int, since: timedelta, address: str, expected: list[str]
) -> None:
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON - DAY, ip_address="1.2.3.4")
    for number in range(failures):
        town.event("login_failed", None, None, at=NOON - since + number * TICK, user_id="anna", ip_address="6.6.6.6")
    if since == HOUR:
        town.household_events[-1]["event_timestamp"] = NOON - HOUR
    town.event("household_leave_started", "oak", "anna", at=NOON - MINUTE)
    transfer(town, ip_address=address)
    assert ways(scanner, town) == expected


def test_a_new_address_after_a_reset(scanner: Scanner, town: Town) -> None:
    town.session("hers", "anna", ip_address="1.2.3.4")
    town.event("password_reset", None, "anna", at=NOON - MINUTE)
    transfer(town, ip_address="6.6.6.6")
    assert ways(scanner, town) == ["new-address"]


def test_without_a_known_address_none_is_new(scanner: Scanner, town: Town) -> None:
    for _ in range(3):
        town.event("login_failed", None, "anna", at=NOON - MINUTE, ip_address="6.6.6.6")
    transfer(town, ip_address="6.6.6.6")
    assert ways(scanner, town) == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (YESTERDAY.start - TICK, 0),
        (YESTERDAY.start, 1),
        (YESTERDAY.end - TICK, 1),
        (YESTERDAY.end, 0),
    ],
)
def test_looks_at_the_windows_transfers(scanner: Scanner, town: Town, at: timedelta, expected: int) -> None:
    transfer(town, "ben", at=at)
    assert len(ways(scanner, town)) == expected


def young(town: Town) -> Town:
    """The same household, younger than the audit table."""
    town.event("pet_activity_logged", "elm", "dora", at=LONG_AGO - DAY)
    town.row("oak", "anna")["role"] = "member"
    return town


def test_fires_on_a_leader_whom_no_event_made_one(scanner: Scanner, town: Town) -> None:
    (finding,) = scanner.findings(young(town), DETECTOR)
    assert finding.evidence["ways"] == ["no-event"]
    # The creator led before: it is they who are to be asked.
    assert finding.evidence["transfers"] == [{"way": "no-event", "old_leader": uid("anna"), "new_leader": uid("ben")}]
    assert finding.users == tuple(sorted((uid("anna"), uid("ben"))))


def test_silent_when_the_audit_table_began_with_the_household(scanner: Scanner, town: Town) -> None:
    for event in young(town).household_events:
        event["event_timestamp"] = max(event["event_timestamp"], LONG_AGO)
    assert ways(scanner, town) == []


def test_silent_when_a_transfer_names_the_leader(scanner: Scanner, town: Town) -> None:
    transfer(young(town), at=NOON - 9 * DAY)
    assert ways(scanner, town) == []


@pytest.mark.parametrize("event", ["household_leave_started", "household_left"])
def test_silent_when_the_old_leader_left_and_the_transfers_event_was_lost(
    scanner: Scanner, town: Town, event: str
) -> None:
    young(town).event(event, "oak", "anna", at=NOON - 9 * DAY)
    assert ways(scanner, town) == []


def test_a_hand_over_that_stopped_half_way_was_started(scanner: Scanner, town: Town) -> None:
    """The creator still leads beside the new leader: a hand-over, if they had started to leave, and else none."""
    young(town).row("oak", "anna").update(status="active", role="leader")
    assert ways(scanner, town) == ["no-event"]
    town.event("household_leave_started", "oak", "anna", at=NOON - 9 * DAY)
    assert ways(scanner, town) == []


@pytest.mark.parametrize("seconds", [7, 3600])
def test_who_created_it_is_the_policys_to_say(scanner: Scanner, town: Town, seconds: int) -> None:
    limits = Limits(creator_seconds=seconds)
    for joined, expected in ((seconds, 0), (seconds + 1, 1)):
        young(town).row("oak", "ben")["joined_at"] = LONG_AGO + timedelta(seconds=joined)
        assert len(scanner.findings(town, DETECTOR, limits=limits)) == expected


@pytest.mark.parametrize(("joined", "expected"), [(MINUTE, []), (MINUTE + TICK, ["no-event"])])
def test_the_creator_joins_within_a_minute(
    scanner: Scanner, town: Town, joined: timedelta, expected: list[str]
) -> None:
    young(town).row("oak", "ben")["joined_at"] = LONG_AGO + joined
    assert ways(scanner, town) == expected


def test_silent_when_the_creator_is_unknown(scanner: Scanner, town: Town) -> None:
    young(town).household_members = [row for row in town.household_members if row["user_id"] != uid("anna")]
    assert ways(scanner, town) == []


def test_silent_once_leadership_was_given_back(scanner: Scanner, town: Town) -> None:
    young(town).home("oak")["leader_id"] = uid("anna")
    town.row("oak", "ben")["role"] = "member"
    town.row("oak", "anna").update(role="leader", status="active")
    assert ways(scanner, town) == []


def test_waits_for_what_is_under_way(scanner: Scanner, town: Town) -> None:
    young(town).event("household_leave_started", "oak", "ben", at=AS_OF - MINUTE)
    assert ways(scanner, town) == []


@pytest.mark.parametrize(
    ("known", "used", "expected"),
    [
        ("1.2.3.4", "1.2.3.4", []),
        ("2001:DB8:0::1", "2001:db8::1", []),
        ("1.2.3.4", "::ffff:1.2.3.4", []),
        ("1.2.3.4", "1.2.3.4:5555", []),
        ("1.2.3.4", "6.6.6.6", ["new-address"]),
    ],
)
@pytest.mark.parametrize("before", [DAY, 60 * DAY])
def test_an_address_once_used_is_never_new(
    scanner: Scanner, town: Town, before: timedelta, known: str, used: str, expected: list[str]
) -> None:
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON - before, ip_address=known)
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON - 2 * DAY, ip_address="9.9.9.9")
    for minutes in (9, 8, 7):
        town.event("login_failed", None, "anna", at=NOON - minutes * MINUTE, ip_address="6.6.6.6")
    town.event("household_leave_started", "oak", "anna", at=NOON - MINUTE, ip_address=used)
    transfer(town)
    assert ways(scanner, town) == expected


def test_failed_logins_make_no_address_known(scanner: Scanner, town: Town) -> None:
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON - DAY, ip_address="1.2.3.4")
    for before in (60 * DAY, 2 * DAY, 3 * MINUTE, 2 * MINUTE):
        town.event("login_failed", None, "anna", at=NOON - before, ip_address="6.6.6.6")
    town.session("the intruder's", "anna", at=NOON - MINUTE, ip_address="6.6.6.6")
    transfer(town, ip_address="6.6.6.6")
    assert ways(scanner, town) == ["new-address"]


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
@pytest.mark.parametrize("started", [True, False])
def test_a_leave_that_stopped_between_two_steps(
    scanner: Scanner, town: Town, stopped_after: int, started: bool
) -> None:
    """The app's own steps: leader_id, the successor's role, the event, the leaver's row."""
    young(town).row("oak", "anna").update(status="active", role="leader")
    if started:
        town.event("household_leave_started", "oak", "anna", at=NOON - MINUTE)
    if stopped_after < 2:
        town.row("oak", "ben")["role"] = "member"
    if stopped_after == 3:
        transfer(town)
    # A hand-over always starts with its event: without one, and without the transfer's, it was none.
    assert ways(scanner, town) == (["no-event"] if stopped_after == 2 and not started else [])


def handed_on(town: Town) -> Town:
    """anna left and handed over to ben, which was written; now cleo leads."""
    young(town).event("household_leave_started", "oak", "anna", at=NOON - 9 * DAY)
    transfer(town, at=NOON - 9 * DAY + TICK)
    town.event("household_left", "oak", "anna", at=NOON - 9 * DAY + MINUTE, was_leader=True)
    town.home("oak")["leader_id"] = uid("cleo")
    town.row("oak", "ben")["role"] = "member"
    town.row("oak", "cleo")["role"] = "leader"
    return town


def test_a_leave_that_led_to_a_transfer_explains_no_later_leader(scanner: Scanner, town: Town) -> None:
    (finding,) = scanner.findings(handed_on(town), DETECTOR)
    assert finding.evidence["ways"] == ["no-event"]
    assert finding.evidence["transfers"][0]["old_leader"] == uid("ben")


@pytest.mark.parametrize(("who", "expected"), [("ben", []), ("anna", ["no-event"]), ("emil", ["no-event"])])
@pytest.mark.parametrize("event", ["household_leave_started", "household_left"])
def test_the_last_known_leaders_leave_explains_it(
    scanner: Scanner, town: Town, event: str, who: str, expected: list[str]
) -> None:
    handed_on(town).event(event, "oak", who, at=NOON - 5 * DAY)
    assert ways(scanner, town) == expected


@pytest.mark.parametrize("key", ["session_id", "from_user_id"])
def test_an_id_with_a_line_break_is_none(scanner: Scanner, town: Town, key: str) -> None:
    town.session("s", "anna")
    transfer(town, "zoe", session_id=uid("s"))
    town.household_events[-1]["metadata"][key] += "\n"
    (entry,) = scanner(town, DETECTOR).coverage
    assert entry.status == "ran"


def test_a_household_without_an_id_has_no_beginning(on_duckdb: Scanner, town: Town) -> None:
    young(town)
    for number in range(6):
        town.family(f"elm {number}", f"elm {number} anna", at=LONG_AGO + DAY)
        town.event("household_created", f"elm {number}", f"elm {number} anna", at=LONG_AGO + DAY)
    town.households.append(town.home("elm 5") | {"id": None, "invite_code": None})
    (finding,) = on_duckdb.findings(town, DETECTOR)
    assert finding.households == (uid("oak"),)


def test_silent_where_the_trail_tells_nothing_of_how_households_began(scanner: Scanner, town: Town) -> None:
    """A row of long before makes the trail look older than it is; without it the leader is found."""
    young(town)
    for number in range(6):
        town.family(f"elm {number}", f"elm {number} anna", at=LONG_AGO + DAY)
        town.event("household_created", f"elm {number}", f"elm {number} anna", at=LONG_AGO + DAY)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["ways"] == ["no-event"]
    began = [row for row in town.household_events if row["event_type"] == "household_created"]
    town.household_events = [row for row in town.household_events if row not in began[1:]]
    result = scanner(town, DETECTOR)
    assert not result.findings
    assert any("tells nothing of how" in notice.said for notice in result.notices)
    # Whose beginning it tells is judged as ever, and a few creations may be lost.
    town.event("household_created", "oak", "anna", at=LONG_AGO)
    assert len(scanner(town, DETECTOR).findings) == 1
    town.household_events.pop()
    town.household_events += began[2:]
    assert len(scanner(town, DETECTOR).findings) == 1


@pytest.mark.parametrize(
    ("told", "began"), [(30, timedelta()), (0, -2 * DAY)], ids=["lost one by one", "before the trail"]
)
def test_a_few_untold_beginnings_and_older_households_do_not_silence_it(
    on_duckdb: Scanner, town: Town, told: int, began: timedelta
) -> None:
    young(town)
    for number in range(told + 5):
        home, at = f"elm {number}", LONG_AGO + began
        town.family(home, f"{home} anna", at=at)
        if number < told:
            town.event("household_created", home, f"{home} anna", at=at)
    town.event("household_created", "far", "fay", at=LONG_AGO + DAY)
    (finding,) = on_duckdb.findings(town, DETECTOR)
    assert finding.evidence["ways"] == ["no-event"]


def test_silent_where_types_that_nobody_knows_may_be_transfers(on_duckdb: Scanner, town: Town) -> None:
    young(town)
    assert len(on_duckdb(with_later_life(town), DETECTOR).findings) == 1
    town.event("household.leadership_transferred", "oak", "anna", at=NOON - 9 * DAY)
    assert not on_duckdb(with_later_life(town), DETECTOR).findings


@pytest.mark.parametrize(
    ("written", "lost", "others", "expected"),
    [
        (timedelta(minutes=1), timedelta(), 2, 1),
        (5 * DAY, timedelta(), 2, 1),
        (10 * DAY, timedelta(), 2, 0),
        (10 * DAY, timedelta(), 0, 1),
        (10 * DAY, timedelta(), 4, 1),
        (5 * DAY, 2 * DAY, 2, 0),
        (5 * DAY, 2 * DAY, 0, 1),
        (5 * DAY, 10 * HOUR, 2, 1),
        (3 * DAY, 2 * DAY, 2, 1),
    ],
    ids=[
        "with its creation",
        "while the trail told",
        "after its end",
        "alone after its end",
        "as most after its end",
        "in a hole",
        "alone in a hole",
        "in a night",
        "before the hole",
    ],
)
def test_what_the_trail_could_not_tell_is_no_evidence(
    scanner: Scanner, town: Town, written: timedelta, lost: timedelta, others: int, expected: int
) -> None:
    """Of nine days something is audited in each hour, but for those that were lost; `others` were written as late."""
    young(town)
    middle = LONG_AGO + 5 * DAY
    for place in range(4):
        town.family(f"beech {place}", f"erin {place}")
        town.home(f"beech {place}")["updated_at"] = LONG_AGO + (written if place < others else timedelta())
    town.household_events.clear()
    for kind in ("household_leave_started", "household_leadership_transferred"):
        town.event(kind, None, None, at=LONG_AGO - DAY, to_user_id="nobody")
    for hour in range(9 * 24):
        at = LONG_AGO + hour * HOUR
        if not middle - lost / 2 < at < middle + lost / 2:
            town.event("pet_activity_logged", "elm", "dora", at=at)
    town.home("oak")["updated_at"] = LONG_AGO + written
    assert len(scanner(town, DETECTOR).findings) == expected


def test_a_transfer_to_somebody_written_otherwise_proves_nothing(on_duckdb: Scanner, town: Town) -> None:
    transfer(young(town))
    town.household_events[-1]["event_timestamp"] -= 9 * DAY
    town.household_events[-1]["metadata"]["to_user_id"] = f"User:{uid('ben')}"
    assert not on_duckdb(town, DETECTOR).findings


def test_a_transfer_between_people_written_otherwise_proves_nothing(on_duckdb: Scanner, town: Town) -> None:
    transfer(town, "mallory")
    assert len(on_duckdb.findings(town, DETECTOR)) == 1
    written = town.household_events[-1]["metadata"]
    written |= {key: f"User:{written[key]}" for key in ("from_user_id", "to_user_id")}
    assert not on_duckdb(town, DETECTOR).findings
    # The row of who was removed afterwards may be deleted.
    written |= {"from_user_id": uid("anna"), "to_user_id": uid("ben")}
    town.household_members.remove(town.row("oak", "anna"))
    assert len(on_duckdb(town, DETECTOR).findings) == 1


def test_fires_where_an_earlier_leaders_row_is_deleted(on_duckdb: Scanner, town: Town) -> None:
    """Leadership went to zoe and from her to cleo; ben, who has it now, nobody gave it to."""
    young(town)
    for number, (old, new) in enumerate((("anna", "zoe"), ("zoe", "cleo"))):
        at = LONG_AGO + (number + 1) * DAY
        town.event("household_leave_started", "oak", old, at=at)
        transfer(town, old, at=at + MINUTE, from_user_id=old, to_user_id=new)
        town.event("household_left", "oak", old, at=at + 2 * MINUTE, was_leader=True)
    assert ways(on_duckdb, town) == ["no-event"]
