"""One case is one ticket: it grows, shrinks, ends and comes back, and nothing that was found is lost."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Finding, Impact, Involved, Story
from detectors.text.wording import stamp
from escalation.decide.cases import case_of
from escalation.deliver.linking import Links
from escalation.ledger.ledger import open_ledger
from escalation.ledger.records import Ticket
from escalation.nights.night import NightReport
from escalation.people.outcomes import outcome_of
from escalation.people.silences import close_ticket, silence_subject, silence_ticket
from escalation.views.review import story_of
from reports.night import summary
from reports.ticket_list import story
from tests.escalation.findings import finding
from tests.escalation.queues import Filed
from tests.escalation.town import POLICY, Town
from tests.support.effort import tries

A, B, C = (finding("duplicate-member", household="h1", user=user, title=f"Double {user}") for user in "abc")
MADE = finding("mass-creation", user="kim", households=("h1", "h2"))
REMOVED = finding("mass-removal", user="kim", households=("h2",), users=("kim", "ann", "bob"))
BYPASS = finding("rate-limit-bypass", {"user_id": "kim", "limit": "household_creation"}, user="kim")
MANY = finding("member-of-many-households", user="kim", households=("h1", "h2"))


def told(report: NightReport) -> list[tuple[str, str]]:
    return sorted((one.action, one.reason) for one in report.told)


def tickets(town: Town) -> list[Ticket]:
    with town.ledger.begin() as tx:
        return tx.tickets()


def text(town: Town, ticket: Ticket) -> str:
    return town.queue.tickets[ticket.external_id].text


def closed(town: Town, ticket: Ticket, action: str) -> None:
    """Somebody is done with a Trust & Safety ticket and has written down what came of it."""
    town.queue.tickets[ticket.external_id].status = "closed"
    town.night()
    outcome = outcome_of(
        ticket, outcome="reviewed", action=action, learning=None, author="jo", policy=POLICY, now=town.now
    )
    with town.ledger.begin() as tx:
        tx.add_outcome(outcome)


def test_a_case_is_one_ticket_that_names_everybody(town: Town) -> None:
    report = town.night(A, B, C, finding("duplicate-member", household="h2", user="d"))
    assert told(report) == [("none", "same-case"), ("none", "same-case"), ("open", "new"), ("open", "new")]
    (mine,) = [one.text for one in town.queue.tickets.values() if "Double" in one.text]
    assert all(f"Double {user}" in mine for user in "abc")
    assert told(town.night(A, B, C)) == [("none", "still-there")] * 3 + [("verify", "fixed")]


def test_a_case_grows_and_shrinks_on_its_ticket_until_all_of_it_is_gone(town: Town) -> None:
    town.night(A)
    assert told(town.night(A, B)) == [("comment", "joined"), ("none", "still-there")]
    assert "Double b" in town.queue.tickets[town.only_ticket].text
    assert told(town.night(B)) == [("comment", "part-fixed"), ("none", "still-there")]
    assert "Double a" not in town.queue.tickets[town.only_ticket].text
    assert ("verify", "fixed") in told(town.night())
    assert told(town.night(A, C)) == [("comment", "joined"), ("reopen", "back")]
    said = [one for one in town.said if one != "follow-up"]
    assert said == ["joined", "part-fixed", "fixed", "back"]
    (last,) = list(town.queue.tickets[town.only_ticket].comments.values())[-1:]
    assert ("Double a: It was fixed and is back" in last, "One more of this case" in last) == (True, True)


def test_a_night_says_in_one_comment_what_has_changed_of_which_finding(town: Town) -> None:
    """Somebody joined the household: that is one more for each of its findings."""

    def with_users(number: int, *of: Finding) -> list[Finding]:
        return [one.model_copy(update={"impact": Impact(users=number, households=1)}) for one in of]

    town.night(*with_users(3, A, B), C.model_copy(update={"severity": "P1"}))
    report = town.night(*with_users(4, A, B), C)
    assert "Tonight: 1 ticket commented." in summary(report)
    (said,) = (text for text in town.queue.tickets[town.only_ticket].comments.values() if "follow-up" not in text)
    assert said.startswith("more-urgent: Double c: Severity is now P0 (was P1).")
    assert "Double a and Double b: Each has become worse as of" in said
    assert said.count("Affected now: 4 (when last said: 3).") == 1


def test_what_joins_a_ticket_that_was_called_resolved_opens_it_again(town: Town) -> None:
    town.night(A)
    town.queue.tickets[town.only_ticket].status = "resolved"
    assert told(town.night(B)) == [("comment", "part-fixed"), ("reopen", "joined")]


def test_a_new_finding_of_a_case_that_has_ended_is_a_new_ticket_that_knows_the_old_one(town: Town) -> None:
    town.night(A)
    town.night()
    town.night(B)
    old, new = tickets(town)
    assert (old.status, new.status) == ("verified", "open")
    assert f"linked {old.external_id} fixed" in text(town, new)
    # What comes back joins the ticket that is in progress.
    assert told(town.night(A, B)) == [("comment", "joined"), ("none", "still-there")]


def test_the_acts_of_one_person_are_one_ticket_for_one_team(town: Town) -> None:
    report = town.night(MADE, REMOVED, BYPASS, MANY)
    assert told(report) == [("none", "explained"), ("none", "explained"), ("none", "same-case"), ("open", "new")]
    (ticket,) = tickets(town)
    assert (ticket.team, ticket.severity) == ("trust-safety", "Same-day")
    # The next night sees the memberships alone: they stay there, and do not make the ticket an engineer's.
    assert ("none", "still-there") in told(town.night(MANY))
    assert [(one.team, one.severity) for one in tickets(town)] == [("trust-safety", "Same-day")]


def test_what_a_team_leaves_behind_goes_to_the_team_that_can_repair_it(town: Town) -> None:
    town.night(MADE, MANY)
    town.queue.tickets[town.only_ticket].status = "resolved"
    report = town.night(MANY)
    assert ("open", "new") in told(report)
    abuse, left = tickets(town)
    assert (abuse.status, left.team, left.detector) == ("closed", "engineering", "member-of-many-households")
    assert f"linked {abuse.external_id}" in text(town, left)


def test_a_false_alarm_of_one_team_silences_nothing_of_another(town: Town) -> None:
    town.night(MADE, MANY)
    (ticket,) = tickets(town)
    close_ticket(
        town.ledger, ticket.external_id, "false-positive", reason="a test", author="jo", policy=POLICY, now=town.now
    )
    assert ("open", "new") in told(town.night(MANY))


def test_a_worse_part_raises_the_case_and_its_clock_and_a_repaired_one_lowers_it(town: Town) -> None:
    town.night(A.model_copy(update={"severity": "P2"}))
    before = tickets(town)[0]
    town.night(A.model_copy(update={"severity": "P2"}), B)
    (after,) = tickets(town)
    assert (after.severity, before.resolve_due > after.resolve_due) == ("P0", True)  # type: ignore[operator]
    town.night(A.model_copy(update={"severity": "P2"}))
    assert tickets(town)[0].severity == "P2"


def test_silences_are_of_one_finding_and_the_ticket_says_so(town: Town) -> None:
    until = town.now + timedelta(days=3)
    silence_subject(
        town.ledger,
        "removal-not-applied",
        {"household_id": "h1", "user_id": "b"},
        "snooze",
        until=until,
        reason="under way",
        author="jo",
        policy=POLICY,
        now=town.now,
    )
    one, other = (finding("removal-not-applied", household="h1", user=user) for user in "ab")
    assert told(town.night(one, other)) == [("none", "snoozed"), ("open", "new")]
    assert "snoozed until" in text(town, tickets(town)[0])
    assert told(town.night(one, other)) == [("none", "snoozed"), ("none", "still-there")]
    assert told(town.night(one, other, hours=48)) == [("comment", "joined"), ("none", "still-there")]


def test_a_snoozed_case_speaks_of_what_is_new_in_it(town: Town) -> None:
    one, other = (finding("removal-not-applied", household="h1", user=user) for user in "ab")
    town.night(one)
    silence_ticket(
        town.ledger,
        town.only_ticket,
        "snooze",
        until=town.now + timedelta(days=5),
        reason="r",
        author="jo",
        policy=POLICY,
        now=town.now,
    )
    assert told(town.night(one)) == [("none", "snoozed")]
    assert told(town.night(one, other)) == [("comment", "joined"), ("none", "snoozed")]
    assert [one for one in town.said if one != "follow-up"] == ["joined"]


def test_what_waits_for_the_end_of_a_silence_says_so(town: Town) -> None:
    one, other = (finding("removal-not-applied", household="h1", user=user) for user in "ab")
    town.night(one)
    ends = town.now + timedelta(days=5)
    silence_ticket(
        *(town.ledger, town.only_ticket, "snooze"), until=ends, reason="r", author="jo", policy=POLICY, now=town.now
    )
    town.night(one, other)
    report = town.night(one)
    assert told(report) == [("comment", "part-fixed"), ("none", "snoozed")]
    assert report.put_off == {town.only_ticket: ends}
    waits = f"silenced until {stamp(ends)}"
    assert waits in summary(report)
    told_of = story_of(town.ledger, town.only_ticket, town.now)
    assert told_of is not None
    assert "still to be sent: comment, tried 0 times; waits, as all that is on it is silenced until" in story(told_of)


def test_a_repeated_offender_shows(town: Town) -> None:
    for one, action in ((MADE, "warning"), (REMOVED, "none")):
        town.night(one)
        closed(town, tickets(town)[-1], action)
    town.night(finding("fake-households", user="kim", households=("h1",)))
    first, second, third = tickets(town)
    assert "user kim before: confirmed, dismissed" in text(town, third)
    assert f"linked {second.external_id} dismissed | linked {first.external_id} confirmed" in text(town, third)


def test_what_was_found_of_somebody_before_is_known_also_without_a_ticket(town: Town) -> None:
    """Kim's creations were silenced; ann was among the people whom Kim removed."""
    silence_subject(
        *(town.ledger, "mass-creation", MADE.subject, "dismiss"),
        until=town.now + timedelta(days=30),
        reason="r",
        author="jo",
        policy=POLICY,
        now=town.now,
    )
    town.night(MADE)
    town.night(REMOVED)
    people = tuple(Involved(user_id=one, role="actor") for one in ("kim", "ann", "zoe"))
    abuse = finding("fake-households", user="zoe", story=Story(people=people))
    town.night(abuse)
    ticket = tickets(town)[-1]
    with town.ledger.begin() as tx:
        found = Links(tx, POLICY, town.now).earlier(ticket, [abuse])
    assert [(one.user_id, one.acted, one.named) for one in found] == [
        ("kim", {"mass-creation": 1, "mass-removal": 1}, {}),
        ("ann", {}, {"mass-removal": 1}),
    ]


def test_the_older_ticket_hears_once_of_the_newer_one(town: Town) -> None:
    town.night(A)
    for _ in range(3):
        town.night(A, finding("no-leader", household="h1"))
    old, new = tickets(town)
    assert [town.queue.said(one.external_id).count("linked") for one in (old, new)] == [1, 0]


def test_nobody_is_told_of_what_legal_is_told_by_e_mail(town: Town) -> None:
    matter = A.model_copy(
        update={"detector": "legal-matter", "team": "legal", "severity": "P0", "fingerprint": "f" * 32}
    )
    town.night(matter)
    town.night(matter, A)
    legal, ours = tickets(town)
    assert (legal.team, "linked" in text(town, ours), town.queue.said(legal.external_id)) == ("legal", False, [])


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Town]:
    """A ledger of the version before: two tickets of one case, and one for somebody's creations that explained removals."""
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.executescript(Path(__file__).with_name("ledger_before_cases.sql").read_text())
    connection.close()
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        town = Town(ledger)
        town.now += timedelta(days=2)
        town.queue.tickets = {one.external_id: Filed(one.title) for one in tickets(town)}
        yield town


def test_tickets_of_before_go_on_until_they_end(before: Town) -> None:
    happened = {"occurred_at": before.now}
    report = before.night(A, B, C, MADE.model_copy(update=happened), REMOVED.model_copy(update=happened))
    assert told(report) == [("comment", "happened-again")] * 2 + [("comment", "joined")] + [("none", "still-there")] * 2
    first, second, abuse = tickets(before)
    assert before.queue.creations == []
    assert ("Double c" in text(before, first), "Double a" in text(before, first)) == (True, True)
    assert "mass-removal it is" in text(before, abuse)
    assert sorted(told(before.night(A, C)))[-1] == ("verify", "fixed")
    assert [one.status for one in tickets(before)] == ["open", "verified", "open"]
    assert second.external_id in text(before, first)


POOL = [
    *(finding("duplicate-member", household=home, user=user) for home in ("h1", "h2") for user in "ab"),
    *(finding("approval-not-applied", {"request_id": one}, household="h1", user=one) for one in ("r1", "r2")),
    finding("no-leader", household="h1"),
    finding("transfer-failed", household="h1"),
    finding("unauthorised-transfer", household="h1", evidence={"transfers": [{"actor": "kim"}]}),
    finding("fake-households", user="kim"),
    *(MADE, REMOVED, BYPASS, MANY),
    finding("rate-limit-bypass", {"user_id": "kim", "limit": "join_request"}, user="kim"),
]
DEEDS = ["nobody", "resolves", "deletes"]
a_night = st.tuples(st.sets(st.sampled_from(range(len(POOL)))), st.sampled_from(DEEDS))


@given(st.lists(a_night, min_size=2, max_size=4))
@tries(30)
def test_every_finding_is_on_exactly_one_ticket(nights: list[tuple[set[int], str]]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_ledger(f"sqlite:///{Path(folder) / 'ledger.db'}") as ledger,
    ):
        town = Town(ledger)
        for drawn, deed in nights:
            found = [POOL[number] for number in sorted(drawn)]
            town.night(*found)
            check_where_they_are(town, found)
            if town.queue.tickets:
                first = min(town.queue.tickets)
                if deed == "deletes":
                    del town.queue.tickets[first]
                elif deed == "resolves":
                    town.queue.tickets[first].status = "resolved"


def check_where_they_are(town: Town, found: list[Finding]) -> None:
    """Each finding is on a ticket in progress or on what people ended; as its own on one of its team, and one of its case."""
    with town.ledger.begin() as tx:
        entries = tx.entries_for(one.fingerprint for one in found)
        kept = {one.id: one for one in tx.tickets()}
    case_tickets: dict[object, set[int]] = defaultdict(set)
    for one in found:
        entry = entries[one.fingerprint]
        cause = entries.get(entry.explained_by or "")
        if cause is not None and (cause.ticket_id is None or kept[cause.ticket_id].status == "missing"):
            # Somebody has deleted the ticket of what explains it.
            continue
        assert entry.ticket_id is not None
        ticket = kept[entry.ticket_id]
        assert not ticket.ended or ticket.status == "missing" or one.kind == "occurrence"
        if entry.explained_by is None and not ticket.ended:
            case_tickets[case_of(one, one.subject, one.evidence)].add(ticket.id)
            assert entry.team != ticket.team or one.story.issue in text(town, ticket)
    assert all(len(some) == 1 for some in case_tickets.values()), case_tickets
