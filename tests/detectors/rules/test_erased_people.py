"""Who had their data erased leaves rows behind that name nobody: nothing is concluded from what these no longer tell."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from detectors.registry import DETECTORS
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, Scanner, Town, uid, with_later_life

PARTS = ("members", "requests", "events")
"""What the app erases, in no transaction."""
PEOPLE = ("anna", "ben", "cleo", "dora", "emil", "fay")
BEGAN = AS_OF - 20 * DAY


def begun() -> Town:
    town = Town()
    town.family("elm", "gus", "hal")
    town.event("pet_activity_logged", "elm", "gus", at=BEGAN - DAY)
    return town


def lived_in(town: Town, home: str) -> None:
    """A household that anna founded and ben led after her, and cleo leads now; emil was removed, fay sits the pets."""
    anna, ben, cleo, _, emil, fay = (f"{home} {name}" for name in PEOPLE)
    town.household(home, cleo, at=BEGAN)
    town.event("household_created", home, anna, at=BEGAN)
    town.member(home, anna, role="leader", status="removed", at=BEGAN)
    for place, name in enumerate(PEOPLE[1:5], start=1):
        _let_in(town, home, name, place)
    town.member(home, fay, is_temporary=True, at=BEGAN + 6 * DAY, invited_by=uid(anna))
    town.event("household_member_removed", home, anna, member_id=emil, at=BEGAN + 7 * DAY)
    town.row(home, emil)["status"] = "removed"
    _hand_over(town, home, anna, ben, 8)
    _hand_over(town, home, ben, cleo, 9)


def _let_in(town: Town, home: str, name: str, day: int) -> None:
    asked, who, leader = BEGAN + day * DAY, f"{home} {name}", f"{home} anna"
    told = {"request_id": f"of {who}", "new_member_id": who}
    town.request(f"of {who}", home, who, status="approved", by=leader, at=asked)
    town.event("household_join_request_submitted", home, who, request_id=f"of {who}", at=asked)
    town.event("household_join_request_approved", home, leader, at=asked + HOUR, **told)
    town.member(home, who, at=asked + HOUR, invited_by=uid(leader))


def _hand_over(town: Town, home: str, old: str, new: str, day: int) -> None:
    at, named = BEGAN + day * DAY, {"from_user_id": old, "to_user_id": new}
    town.event("household_leave_started", home, old, at=at, has_successor=True)
    town.event("household_leadership_transferred", home, old, at=at + MINUTE / 6, reason="leave", **named)
    town.event("household_left", home, old, at=at + MINUTE / 3, was_leader=True)
    town.row(home, new)["role"] = "leader"
    town.row(home, old)["status"] = "removed"


def found(scanner: Scanner, town: Town) -> list[tuple[str, tuple[str, ...]]]:
    result = scanner(with_later_life(town), *DETECTORS)
    assert {entry.status for entry in result.coverage} <= {"ran", "proved", "not_applicable"}
    return [(finding.detector, finding.households) for finding in result.findings]


def test_nothing_is_found_of_who_had_all_or_a_part_erased(scanner: Scanner) -> None:
    town = begun()
    lived_in(town, "oak")
    for who in PEOPLE:
        for parts in (some for number in (1, 2, 3) for some in combinations(PARTS, number)):
            # Who leads is told to hand over first; and a row that lacks alone was never written, for all that is told.
            if "members" in parts and (who == "cleo" or (who == "dora" and parts == ("members",))):
                continue
            home = f"{who} {' '.join(parts)}"
            lived_in(town, home)
            town.erase(f"{home} {who}", parts)
    assert found(scanner, town) == []


def test_nothing_is_found_of_all_who_ever_led(on_duckdb: Scanner) -> None:
    town = begun()
    lived_in(town, "oak")
    for who in ("anna", "ben", "dora"):
        town.erase(f"oak {who}")
    town.erase("oak cleo", ("events", "requests"))
    assert found(on_duckdb, town) == []


def test_an_erasure_explains_nothing_of_which_the_trail_tells(on_duckdb: Scanner) -> None:
    town = begun()
    for home in ("answered", "joined", "lacking", "taken"):
        lived_in(town, home)
        town.erase(f"{home} emil")
    (asked,) = (one for one in town.household_join_requests if one["id"] == uid("of answered dora"))
    asked["responded_by"] = uid("stranger")
    town.member("joined", "mallory", at=BEGAN + 5 * DAY)
    town.erase("lacking dora", ("members",))
    town.home("taken")["leader_id"] = uid("taken dora")
    town.row("taken", "taken dora")["role"], town.row("taken", "taken cleo")["role"] = "leader", "member"
    assert sorted(found(on_duckdb, town)) == sorted(
        [
            ("self-approved-request", (uid("answered"),)),
            ("member-without-approval", (uid("joined"),)),
            ("approval-not-applied", (uid("lacking"),)),
            ("unauthorised-transfer", (uid("taken"),)),
        ]
    )


def test_a_trail_that_never_says_who_acted_is_not_one_of_erased_people(on_duckdb: Scanner) -> None:
    town = begun()
    lived_in(town, "oak")
    town.request("unheeded", "oak", "gina", status="approved", by="oak anna", at=BEGAN + 5 * DAY)
    mine = [one for one in DETECTORS if one.id == "approval-not-applied"]
    every = {one["event_type"] for one in town.household_events}
    unnamed: list[tuple[set[str], dict[str, Any]]] = [({"household_created"}, {}), (every, {"metadata": {}})]
    for types, lost in unnamed:
        for event in town.household_events:
            if event["event_type"] in types:
                event.update(user_id=None, **lost)
        assert on_duckdb.subjects(town, *mine) == [{"request_id": uid("unheeded")}]
