"""Deadlines and follow-ups over nights: to be seen again moves no deadline, neither closer nor further away."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from detectors.contract import Finding, Impact, Severity
from escalation.ledger.records import Ticket
from escalation.people.silences import silence_subject
from tests.escalation.findings import finding
from tests.escalation.queues import Filed
from tests.escalation.town import FIRST, POLICY, Town

TINY = timedelta(microseconds=1)


def removal(severity: Severity = "P1", users: int = 1) -> Finding:
    impact = Impact(users=users, households=1)
    return finding("removal-not-applied", household="h1", user="u1", severity=severity, impact=impact)


def the_ticket(town: Town) -> Ticket:
    with town.ledger.begin() as tx:
        return tx.tickets()[-1]


def play(town: Town, story: str) -> None:
    """Each word is a night a day after the last one (or so many hours: `1h:P0`), or what a person or the queue does."""
    for word in story.split():
        hours, _, what = word.rpartition("h:")
        later = float(hours or 24)
        match what:
            case "P0" | "P1" | "P2":
                town.night(removal(what), hours=later)
            case "bigger":
                town.night(removal(users=50), hours=later)
            case "gone":
                town.night(hours=later)
            case "failed":
                town.night(status="failed", hours=later)
            case "acknowledges" | "resolves":
                town.queue.tickets[town.only_ticket].status = "acknowledged" if what == "acknowledges" else "resolved"
            case "down" | "up":
                town.queue.down = what == "down"
            case "snoozes":
                until = town.now + timedelta(days=2)
                silence_subject(
                    town.ledger,
                    "removal-not-applied",
                    {"household_id": "h1", "user_id": "u1"},
                    "snooze",
                    until=until,
                    reason="repair is under way",
                    author="kim",
                    policy=POLICY,
                    now=town.now,
                )
            case _:
                raise ValueError(word)


# What engineering promises, in hours: P0 0.5, 1 and 8; P1 2, 4 and 72; P2 4, 24 and 336.
@pytest.mark.parametrize(
    ("story", "began", "acknowledge", "investigate", "resolve"),
    [
        ("P1", 0, 2, 4, 72),
        ("P1 P1 P1 P1 P1 P1", 0, 2, 4, 72),
        ("P1 0h:P1 1h:P1 0.9h:P1 0.1h:P1", 0, 2, 4, 72),
        ("P1 bigger bigger P1", 0, 2, 4, 72),
        ("P1 failed failed P1", 0, 2, 4, 72),
        ("P1 240h:P1", 0, 2, 4, 72),
        ("P1 1h:acknowledges P1 P1", 0, 2, 4, 72),
        ("P1 snoozes P1 P1 P1", 0, 2, 4, 72),
        ("down P1 P1 up P1 P1", 48, 50, 52, 120),
        # Less urgent: what was promised stands.
        ("P1 P2 P2", 0, 2, 4, 72),
        ("P1 1h:P2 1h:P1 P1", 0, 2, 4, 72),
        # More urgent: what is promised now counts from now, but nothing is put off.
        ("P1 P0", 0, 2, 4, 24 + 8),
        ("P1 P0 P0 P0", 0, 2, 4, 24 + 8),
        ("P1 P0 P1 P0 P2 P0", 0, 2, 4, 24 + 8),
        ("P2 1h:P1", 0, 1 + 2, 1 + 4, 1 + 72),
        ("P2 1h:P1 1h:P0 P0", 0, 2 + 0.5, 2 + 1, 2 + 8),
        ("P2 100h:P0", 0, 4, 24, 100 + 8),
        # What has ended keeps what it had.
        ("P1 gone gone", 0, 2, 4, 72),
        ("P1 resolves gone gone", 0, 2, 4, 72),
        # What is opened again begins anew, once.
        ("P1 gone P1", 48, 48 + 2, 48 + 4, 48 + 72),
        ("P1 gone P1 P1 P1", 48, 48 + 2, 48 + 4, 48 + 72),
        ("P1 gone P0", 48, 48 + 0.5, 48 + 1, 48 + 8),
        ("P1 gone P2 P2", 48, 48 + 4, 48 + 24, 48 + 336),
        ("P1 acknowledges P1 resolves P1 P1", 48, 48 + 2, 48 + 4, 48 + 72),
        ("P1 gone failed P1 P1", 72, 72 + 2, 72 + 4, 72 + 72),
        # The third return in a fortnight is the last one that begins anew: from then on it is flapping.
        ("P1 gone P1 gone P1 gone P1 gone P1 gone P1", 144, 144 + 2, 144 + 4, 144 + 72),
    ],
)
def test_deadlines_over_nights(
    town: Town, story: str, began: float, acknowledge: float, investigate: float, resolve: float
) -> None:
    play(town, story)
    ticket = the_ticket(town)
    moments = (ticket.clock_began_at, ticket.acknowledge_due, ticket.investigate_due, ticket.resolve_due)
    assert [moment and (moment - FIRST) / timedelta(hours=1) for moment in moments] == [
        began,
        acknowledge,
        investigate,
        resolve,
    ]


def test_what_else_is_found_on_a_household_moves_no_deadline(town: Town) -> None:
    no_leader, transfer = finding("no-leader", household="h1"), finding("transfer-failed", household="h1")
    town.night(no_leader)
    first = the_ticket(town)
    for _ in range(3):
        town.night(no_leader, transfer)
    with town.ledger.begin() as tx:
        effect, cause = sorted(tx.tickets(), key=lambda ticket: ticket.id)
    # Each reminder of it came in its time; nothing else is new.
    assert effect == replace(first, ladder_step=3)
    assert (cause.opened_at, cause.clock_began_at) == (FIRST + timedelta(days=1),) * 2
    assert cause.resolve_due == cause.opened_at + timedelta(hours=8)


def test_a_ticket_that_was_deleted_and_put_back_keeps_its_clock(town: Town) -> None:
    play(town, "P1")
    external_id, before = town.only_ticket, the_ticket(town)
    filed: Filed = town.queue.tickets.pop(external_id)
    town.queue.tickets["other"] = Filed("so that the queue is not taken for an empty one")
    play(town, "P1")
    assert the_ticket(town).status == "missing"
    town.queue.tickets = {external_id: filed}
    play(town, "P1")
    after = the_ticket(town)
    assert (after.status, after.resolve_due) == ("open", before.resolve_due)


def follow_ups(town: Town) -> list[str]:
    return [text for text in town.queue.tickets[town.only_ticket].comments.values() if text.startswith("follow-up")]


@pytest.mark.parametrize("beginning", ["P1", "P1 acknowledges P1 resolves P1", "P1 gone P1"])
def test_the_ladder_over_nights(town: Town, beginning: str) -> None:
    """Acknowledged within 2 hours, or followed up after 2, 4 and 8; what is opened again is followed up anew."""
    play(town, beginning)
    said = len(follow_ups(town))
    began = town.now
    for after, steps in ((1.0, 0), (2.0, 0), (4.0, 1), (8.0, 2), (90.0, 3)):
        # One night at the very end of what is allowed, one just after it.
        town.night(removal(), hours=(began + timedelta(hours=after) - town.now) / timedelta(hours=1))
        assert len(follow_ups(town)) == said + steps, after
        town.night(removal(), hours=TINY / timedelta(hours=1))
        assert len(follow_ups(town)) == said + min(3, steps + (after >= 2)), after


def test_a_night_that_comes_late_takes_the_highest_step_alone(town: Town) -> None:
    play(town, "P1 P1")
    (only,) = follow_ups(town)
    assert POLICY.follow_up[2].says in only


def test_what_became_more_urgent_is_followed_up_from_its_new_deadline_on(town: Town) -> None:
    """After 3 hours it is a P0, to be acknowledged within half an hour of that."""
    play(town, "P2 3h:P0 0.5h:P0")
    assert follow_ups(town) == []
    for steps, hours in enumerate((0.5, 1.0, 90.0), start=1):
        town.night(removal("P0"), hours=TINY / timedelta(hours=1))
        assert len(follow_ups(town)) == steps
        assert POLICY.follow_up[steps - 1].says in follow_ups(town)[-1]
        assert "`" not in follow_ups(town)[-1], "the process's marks of code stand raw in a text"
        town.night(removal("P0"), hours=hours - TINY / timedelta(hours=1))


def test_what_became_less_urgent_is_followed_up_from_its_old_deadline_on(town: Town) -> None:
    """It was promised within 2 hours; the reminders after it keep the distance of a P2, 4 hours."""
    play(town, "P1 1h:P2 1h:P2")
    assert follow_ups(town) == []
    for steps, hours in enumerate((4.0, 8.0, 90.0), start=1):
        town.night(removal("P2"), hours=TINY / timedelta(hours=1))
        assert len(follow_ups(town)) == steps
        town.night(removal("P2"), hours=hours - TINY / timedelta(hours=1))
