"""Nights: what becomes a ticket, what is said on it, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from detectors.contract import Finding, Impact, Status, Window
from escalation.errors import LedgerError
from escalation.nights.night import NightReport
from escalation.nights.windows_of_runs import look_back_days, next_window
from escalation.people.silences import silence_subject
from tests.escalation.findings import finding
from tests.escalation.queues import Crash, QueueError
from tests.escalation.town import FIRST, POLICY, Town

DAY = timedelta(days=1)
NO_LEADER = finding("no-leader", household="h1", impact=Impact(users=4, households=1))
TRANSFER = finding("transfer-failed", household="h1")


def told(report: NightReport) -> list[tuple[str, str, str]]:
    return [(one.status, one.action, one.reason) for one in report.told]


def households(numbers: Sequence[int]) -> list[Finding]:
    return [
        finding("duplicate-member", household=f"h{one:03}", user=f"u{one:03}", impact=Impact(users=1, households=1))
        for one in numbers
    ]


def test_a_new_finding_makes_one_ticket_and_the_second_night_is_quiet(town: Town) -> None:
    report = town.night(NO_LEADER)
    assert told(report) == [("new", "open", "new")]
    assert town.only_ticket == f"hw-{NO_LEADER.fingerprint[:16]}"
    assert town.queue.tickets[town.only_ticket].text.endswith("no-leader it is 4")
    assert [(one.external_id, one.kind) for one in report.delivered] == [(town.only_ticket, "create")]
    assert report.open_tickets == {"engineering": 1}
    assert not report.undelivered
    town.queue.tickets[town.only_ticket].status = "acknowledged"
    second = town.night(NO_LEADER)
    assert told(second) == [("still-there", "none", "still-there")]
    assert (second.delivered, town.queue.creations, town.said) == ((), [town.only_ticket], [])


def test_the_second_night_files_only_what_is_new(town: Town) -> None:
    town.night(NO_LEADER)
    report = town.night(NO_LEADER, finding("no-leader", household="h2"))
    assert sorted(told(report)) == [("new", "open", "new"), ("still-there", "none", "still-there")]
    assert len(town.queue.creations) == 2


def test_a_state_that_is_gone_is_said_and_verified(town: Town) -> None:
    town.night(NO_LEADER)
    town.queue.tickets[town.only_ticket].status = "acknowledged"
    report = town.night()
    assert told(report) == [("gone", "verify", "fixed")]
    assert town.said == ["fixed"]
    assert report.open_tickets == {}
    assert told(town.night()) == []


@pytest.mark.parametrize("status", ["failed", "not_applicable"])
def test_what_was_not_looked_at_is_not_gone(town: Town, status: Status) -> None:
    town.night(NO_LEADER)
    town.queue.tickets[town.only_ticket].status = "acknowledged"
    assert told(town.night(status=status)) == [("not-looked-at", "none", "not-looked-at")]
    assert town.said == []
    assert told(town.night(NO_LEADER)) == [("still-there", "none", "still-there")]


def test_what_is_proved_impossible_is_gone(town: Town) -> None:
    town.night(NO_LEADER)
    assert told(town.night(status="proved")) == [("gone", "verify", "fixed")]


def test_back_again_is_the_same_ticket(town: Town) -> None:
    town.night(NO_LEADER)
    town.night()
    assert told(town.night(NO_LEADER)) == [("back", "reopen", "back")]
    assert town.said[-2:] == ["fixed", "back"]
    assert len(town.queue.creations) == 1


def test_resolved_and_still_seen_is_reopened_once(town: Town) -> None:
    town.night(NO_LEADER)
    filed = town.queue.tickets[town.only_ticket]
    filed.status = "resolved"
    assert told(town.night(NO_LEADER)) == [("still-there", "reopen", "still-seen")]
    # The queue still says resolved, since a comment reopens nothing here: that is no news.
    assert told(town.night(NO_LEADER, hours=0.1)) == [("still-there", "none", "still-there")]
    filed.status = "open"
    town.night(NO_LEADER, hours=0.1)
    filed.status = "resolved"
    assert told(town.night(NO_LEADER, hours=0.1)) == [("still-there", "reopen", "still-seen")]
    assert town.said.count("still-seen") == 2


def test_what_we_opened_again_ourselves_nobody_has_acknowledged(town: Town) -> None:
    # Some queues say of a ticket that is opened again that somebody is at it.
    town.queue.reopens_as = "acknowledged"
    town.night(NO_LEADER)
    town.queue.tickets[town.only_ticket].status = "resolved"
    assert told(town.night(NO_LEADER)) == [("still-there", "reopen", "still-seen")]
    town.night(NO_LEADER, hours=0.1)
    with town.ledger.begin() as tx:
        (ticket,) = tx.tickets()
    assert (ticket.status, ticket.acknowledged_at, ticket.queue_status) == ("open", None, "acknowledged")
    # That a person resolves it once more is news.
    town.queue.tickets[town.only_ticket].status = "resolved"
    assert told(town.night(NO_LEADER, hours=0.1)) == [("still-there", "reopen", "still-seen")]


def test_what_we_opened_and_could_not_record_nobody_has_acknowledged_either(town: Town) -> None:
    town.queue.reopens_as = "acknowledged"
    town.night(NO_LEADER)
    town.queue.tickets[town.only_ticket].status = "resolved"
    town.queue.trouble_at["comment done"] = QueueError("the answer was lost")
    assert town.night(NO_LEADER).undelivered
    assert town.queue.tickets[town.only_ticket].status == "acknowledged"
    town.night(NO_LEADER, hours=0.1)
    with town.ledger.begin() as tx:
        (ticket,) = tx.tickets()
    assert (ticket.status, ticket.acknowledged_at, ticket.queue_status) == ("open", None, "acknowledged")


def test_resolved_and_gone_is_verified(town: Town) -> None:
    town.night(NO_LEADER)
    town.queue.tickets[town.only_ticket].status = "resolved"
    assert told(town.night()) == [("gone", "verify", "fixed")]
    with town.ledger.begin() as tx:
        (ticket,) = tx.tickets()
    assert (ticket.status, ticket.resolved_at, ticket.ended_at) == ("verified", town.now, town.now)


def test_worse_and_better_are_said_when_they_matter(town: Town) -> None:
    def sized(users: int) -> Finding:
        return NO_LEADER.model_copy(update={"impact": Impact(users=users, households=1)})

    town.night(sized(20))
    town.queue.tickets[town.only_ticket].status = "acknowledged"
    assert told(town.night(sized(21))) == [("worse", "none", "little-change")]
    assert told(town.night(sized(22))) == [("worse", "comment", "worse")]
    assert town.queue.tickets[town.only_ticket].text.endswith(" 22")
    assert told(town.night(sized(21))) == [("better", "none", "little-change")]
    assert told(town.night(sized(10))) == [("better", "comment", "better")]
    assert town.said == ["worse", "better"]


def test_an_occurrence_never_goes_away_and_repeats_on_its_ticket(town: Town) -> None:
    once = finding("mass-creation", user="u1", occurred_at=FIRST)
    town.night(once)
    filed = town.queue.tickets[town.only_ticket]
    filed.status = "acknowledged"
    assert told(town.night()) == [("still-there", "none", "happened-once")]
    assert told(town.night(once)) == [("still-there", "none", "still-there")]
    again = once.model_copy(update={"occurred_at": FIRST + 3 * DAY})
    assert told(town.night(again)) == [("back", "comment", "happened-again")]
    filed.status = "resolved"
    town.night()
    assert told(town.night()) == []
    later = once.model_copy(update={"occurred_at": FIRST + 9 * DAY})
    assert told(town.night(later)) == [("back", "reopen", "happened-again")]
    assert len(town.queue.creations) == 1


def test_flapping_is_said_once(town: Town) -> None:
    said = []
    for hour in range(8):
        report = town.night(*([NO_LEADER] if hour % 2 == 0 else []), hours=1)
        said.append(told(report)[0][2])
    assert said == ["new", "fixed", "back", "fixed", "back", "fixed", "flapping", "flapping"]
    assert told(town.night(NO_LEADER, hours=1)) == [("flapping", "none", "flapping")]
    assert town.said.count("flapping") == 1
    assert told(town.night(hours=1)) == [("flapping", "none", "flapping")]
    assert told(town.night(hours=24 * 7)) == [("gone", "verify", "fixed")]


# --- causes


def test_what_is_fixed_is_named_by_the_cause(town: Town) -> None:
    """Where both go in one night, the effect may be the more urgent one and is not what the ticket is about."""
    effect = TRANSFER.model_copy(update={"severity": "P2"}), NO_LEADER
    town.night(*effect)
    (fixed,) = [one for one in town.night().told if one.action == "verify"]
    assert fixed.fingerprint == TRANSFER.fingerprint


def test_one_cause_is_one_ticket_until_all_of_it_is_fixed(town: Town) -> None:
    report = town.night(TRANSFER, NO_LEADER)
    assert sorted(told(report)) == [("new", "none", "explained"), ("new", "open", "new")]
    assert len(town.queue.tickets) == 1
    report = town.night(NO_LEADER)
    assert sorted(told(report)) == [("gone", "comment", "part-fixed"), ("still-there", "none", "still-there")]
    assert "Still on this ticket: Some no-leader" in next(iter(town.queue.tickets[town.only_ticket].comments.values()))
    assert sorted(told(town.night())) == [("gone", "none", "fixed-before"), ("gone", "verify", "fixed")]
    assert town.said[-1] == "fixed"
    assert len(town.queue.creations) == 1


def test_a_cause_that_is_found_later_is_said_on_the_effects_ticket(town: Town) -> None:
    town.night(NO_LEADER)
    effects_ticket = town.only_ticket
    town.night(NO_LEADER, TRANSFER)
    assert len(town.queue.tickets) == 2
    assert town.queue.said(effects_ticket).count("same-cause") == 1
    town.night(NO_LEADER, TRANSFER)
    assert town.queue.said(effects_ticket).count("same-cause") == 1
    town.night()
    assert {town.queue.said(one)[-1] for one in town.queue.tickets} == {"fixed"}


# --- incidents


def test_an_incident_shrinks_to_its_end_on_one_ticket(town: Town) -> None:
    town.night(*households(range(30)))
    assert len(town.queue.creations) == 1
    town.queue.tickets[town.only_ticket].status = "acknowledged"
    assert told(town.night(*households(range(40)))) == [("worse", "comment", "worse")]
    assert told(town.night(*households(range(10)))) == [("better", "comment", "better")]
    assert told(town.night(*households([3]))) == [("better", "comment", "better")]
    assert told(town.night()) == [("gone", "verify", "fixed")]
    assert len(town.queue.creations) == 1
    town.night(*households([3]))
    assert len(town.queue.creations) == 2


def test_tickets_from_before_an_incident_end_when_their_own_case_does(town: Town) -> None:
    town.night(*households(range(2)))
    town.night(*households(range(30)))
    assert len(town.queue.creations) == 3
    report = town.night(*households(range(1, 30)))
    assert ("gone", "verify", "fixed") in told(report)
    assert report.open_tickets == {"engineering": 2}
    assert town.night().open_tickets == {}


def test_ten_thousand_broken_by_one_deploy_are_one_ticket(town: Town) -> None:
    findings = [finding("no-leader", household=f"h{number:05}") for number in range(10_000)]
    town.night(*findings)
    assert len(town.queue.creations) == 1
    assert "Incident: 10,000 cases" in town.queue.tickets[town.only_ticket].text
    assert town.night().open_tickets == {}
    assert town.said[-1] == "fixed"


# --- sending


def test_a_queue_that_is_down_gets_everything_later(town: Town) -> None:
    town.queue.down = True
    report = town.night(NO_LEADER)
    assert report.undelivered
    assert [(one.kind, one.error) for one in report.failed] == [("create", "queue is down")]
    town.queue.down = False
    report = town.night()
    assert town.queue.creations == [town.only_ticket]
    assert town.said == ["fixed"]
    assert not report.undelivered


@pytest.mark.parametrize("step", ["create", "create done"])
@pytest.mark.parametrize("trouble", [QueueError("no answer"), Crash()], ids=["lost answer", "crash"])
def test_a_lost_answer_makes_no_second_ticket(town: Town, step: str, trouble: BaseException) -> None:
    town.queue.trouble_at[step] = trouble
    if isinstance(trouble, Crash):
        with pytest.raises(Crash):
            town.night(NO_LEADER)
    else:
        assert town.night(NO_LEADER).undelivered
    report = town.night(NO_LEADER)
    assert town.queue.creations == [town.only_ticket]
    assert not report.undelivered


def test_an_occurrence_is_sent_after_a_crash_although_it_is_not_found_again(town: Town) -> None:
    town.queue.trouble_at["create"] = Crash()
    with pytest.raises(Crash):
        town.night(finding("mass-creation", user="u1", title="By u1@example.org from 10.1.2.3"))
    town.night()
    assert "By [not kept] from [not kept] mass-creation it is" in town.queue.tickets[town.only_ticket].text


def test_one_ticket_in_trouble_does_not_hold_up_the_others(town: Town) -> None:
    town.queue.trouble_at["create"] = QueueError("no answer")
    report = town.night(NO_LEADER, finding("no-leader", household="h2"))
    assert (len(report.failed), len(report.delivered)) == (1, 1)


def test_a_queue_out_of_reach_is_not_asked_for_ever(town: Town) -> None:
    town.queue.down = True
    report = town.night(*households(range(20)))
    assert len(report.failed) == 20
    assert [one.error for one in report.failed].count("queue is down") == 5


# --- deleted by a person


def test_the_most_urgent_is_sent_first_whatever_came_first(town: Town) -> None:
    town.queue.down = True
    town.night(finding("concurrent-conflict", household="h3", user="u3"))
    town.night(
        finding("concurrent-conflict", household="h3", user="u3"),
        finding("removal-not-applied", household="h2", user="u2"),
    )
    town.queue.down = False
    report = town.night(
        NO_LEADER,
        finding("concurrent-conflict", household="h3", user="u3"),
        finding("removal-not-applied", household="h2", user="u2"),
    )
    by_id = {one.external_id: one.severity for one in report.told if one.external_id}
    assert [by_id[one] for one in town.queue.creations] == ["P0", "P1", "P2"]


def test_an_outage_of_ours_starts_no_teams_clock(town: Town) -> None:
    town.queue.down = True
    assert town.night(NO_LEADER).overdue == ()
    assert town.night(NO_LEADER).overdue == ()
    town.queue.down = False
    report = town.night(NO_LEADER)
    assert [one.kind for one in report.delivered] == ["create"]
    with town.ledger.begin() as tx:
        (ticket,) = tx.tickets()
    assert (ticket.clock_began_at, ticket.acknowledge_due) == (town.now, town.now + timedelta(minutes=30))
    assert (ticket.opened_at, ticket.ladder_step) == (town.now - 2 * DAY, 0)
    # What is opened again is known to the team when the queue has it, too.
    town.queue.tickets[town.only_ticket].status = "resolved"
    town.queue.trouble_at = {"comment": QueueError("no answer")}
    town.night(NO_LEADER)
    town.night(NO_LEADER)
    with town.ledger.begin() as tx:
        (ticket,) = tx.tickets()
    assert ticket.clock_began_at == town.now


def test_what_happened_and_is_met_again_in_part_is_not_better(town: Town) -> None:
    def seen(users: int, hours: int = 0) -> Finding:
        at = FIRST + timedelta(hours=hours)
        return finding("mass-creation", user="u1", occurred_at=at, impact=Impact(users=users, households=0))

    town.night(seen(20))
    assert told(town.night(seen(5))) == [("still-there", "none", "still-there")]
    assert told(town.night(seen(40))) == [("worse", "comment", "worse")]
    assert told(town.night(seen(5, hours=1))) == [("back", "comment", "happened-again")]


def test_a_ticket_that_was_deleted_is_noticed_once_and_not_made_again(town: Town) -> None:
    town.night(NO_LEADER)
    first = town.only_ticket
    del town.queue.tickets[first]
    report = town.night(NO_LEADER)
    assert told(report) == [("still-there", "none", "ticket-deleted")]
    assert [one.external_id for one in report.deleted] == [first]
    assert (report.open_tickets, report.overdue, report.failed) == ({}, (), ())
    grown = NO_LEADER.model_copy(update={"impact": Impact(users=40, households=1)})
    report = town.night(grown)
    assert told(report) == [("worse", "none", "ticket-deleted")]
    assert (report.deleted, town.queue.tickets) == ((), {})


def test_what_was_deleted_gets_a_second_ticket_when_it_comes_back(town: Town) -> None:
    town.night(NO_LEADER)
    first = town.only_ticket
    del town.queue.tickets[first]
    assert told(town.night()) == [("gone", "none", "fixed-before")]
    assert told(town.night()) == []
    assert told(town.night(NO_LEADER)) == [("back", "open", "back")]
    assert town.only_ticket == f"{first}-2"
    assert told(town.night(NO_LEADER)) == [("still-there", "none", "still-there")]
    assert told(town.night()) == [("gone", "verify", "fixed")]


def test_what_was_deleted_gets_a_second_ticket_when_it_becomes_more_urgent(town: Town) -> None:
    town.night(NO_LEADER.model_copy(update={"severity": "P1"}))
    first = town.only_ticket
    del town.queue.tickets[first]
    assert told(town.night(NO_LEADER.model_copy(update={"severity": "P2"}))) == [("better", "none", "ticket-deleted")]
    assert told(town.night(NO_LEADER)) == [("worse", "open", "more-urgent")]
    assert town.only_ticket == f"{first}-2"


def test_an_occurrence_whose_ticket_was_deleted_gets_a_second_one_when_it_happens_again(town: Town) -> None:
    once = finding("mass-creation", user="u1", occurred_at=FIRST)
    town.night(once)
    first = town.only_ticket
    del town.queue.tickets[first]
    assert told(town.night(once)) == [("still-there", "none", "ticket-deleted")]
    assert told(town.night()) == []
    again = once.model_copy(update={"occurred_at": FIRST + 3 * DAY})
    assert told(town.night(again)) == [("back", "open", "happened-again")]
    assert town.only_ticket == f"{first}-2"


def test_an_effect_that_outlives_its_cause_is_not_deleted_with_the_causes_ticket(town: Town) -> None:
    town.night(TRANSFER, NO_LEADER)
    del town.queue.tickets[town.only_ticket]
    assert sorted(told(town.night(TRANSFER, NO_LEADER))) == [
        ("still-there", "none", "explained"),
        ("still-there", "none", "ticket-deleted"),
    ]
    assert town.queue.tickets == {}
    assert sorted(told(town.night(NO_LEADER))) == [("gone", "none", "fixed-before"), ("still-there", "open", "new")]
    assert town.only_ticket == f"hw-{NO_LEADER.fingerprint[:16]}"


def test_what_was_left_of_a_cause_stays_deleted_with_its_ticket(town: Town) -> None:
    town.night(TRANSFER, NO_LEADER)
    town.night(NO_LEADER)
    del town.queue.tickets[town.only_ticket]
    assert told(town.night(NO_LEADER)) == [("still-there", "none", "ticket-deleted")]
    assert told(town.night(NO_LEADER)) == [("still-there", "none", "ticket-deleted")]


def test_what_was_gone_from_a_ticket_before_it_was_deleted_comes_back_as_news(town: Town) -> None:
    town.night(TRANSFER, NO_LEADER)
    first = town.only_ticket
    town.night(NO_LEADER)
    del town.queue.tickets[first]
    report = town.night(TRANSFER, NO_LEADER)
    assert sorted(told(report)) == [("back", "open", "back"), ("still-there", "none", "explained")]
    assert town.only_ticket == f"{first}-2"


def test_news_that_could_not_be_said_before_the_ticket_was_deleted_is_not_lost(town: Town) -> None:
    town.night(NO_LEADER)
    first = town.only_ticket
    town.night()
    del town.queue.tickets[first]
    town.queue.down = True
    assert told(town.night(NO_LEADER)) == [("back", "reopen", "back")]
    town.queue.down = False
    assert told(town.night(NO_LEADER)) == [("still-there", "open", "new")]
    assert town.only_ticket == f"{first}-2"


def test_an_effect_that_began_after_its_causes_ticket_was_deleted_is_not_lost(town: Town) -> None:
    town.night(TRANSFER)
    first = town.only_ticket
    del town.queue.tickets[first]
    assert sorted(told(town.night(TRANSFER, NO_LEADER))) == [
        ("new", "none", "explained"),
        ("still-there", "none", "ticket-deleted"),
    ]
    assert ("still-there", "open", "new") in told(town.night(NO_LEADER))
    assert town.only_ticket == f"hw-{NO_LEADER.fingerprint[:16]}"


def test_what_comes_back_while_it_is_muted_is_not_forgotten(town: Town) -> None:
    double = finding("duplicate-member", household="h9", user="u9", severity="P2")
    town.night(double)
    first = town.only_ticket
    del town.queue.tickets[first]
    town.night()
    silence_subject(
        town.ledger,
        "duplicate-member",
        double.subject,
        "dismiss",
        until=town.now + 3 * DAY,
        reason="r",
        author="a",
        policy=POLICY,
        now=town.now,
    )
    assert told(town.night(double)) == [("back", "none", "dismissed")]
    assert told(town.night(double, hours=48)) == [("still-there", "open", "silence-ended")]
    assert town.only_ticket == f"{first}-2"


def test_what_was_to_be_said_on_a_deleted_ticket_is_not_tried_for_ever(town: Town) -> None:
    town.night(NO_LEADER)
    first = town.only_ticket
    town.queue.trouble_at["comment"] = QueueError("no answer")
    more = NO_LEADER.model_copy(update={"impact": Impact(users=40, households=1)})
    assert town.night(more).undelivered
    del town.queue.tickets[first]
    assert not town.night(more).undelivered


def test_a_deleted_ticket_that_is_put_back_goes_on(town: Town) -> None:
    town.night(NO_LEADER)
    filed = town.queue.tickets.pop(town.only_ticket)
    town.night(NO_LEADER)
    town.queue.tickets["hw-" + NO_LEADER.fingerprint[:16]] = filed
    filed.status = "acknowledged"
    report = town.night(NO_LEADER)
    assert told(report) == [("still-there", "none", "still-there")]
    assert report.open_tickets == {"engineering": 1}
    assert told(town.night()) == [("gone", "verify", "fixed")]
    assert town.said == ["fixed"]


def test_a_queue_that_has_lost_every_ticket_is_taken_for_another_one(town: Town) -> None:
    wrong = households(range(3))
    town.night(*wrong)
    kept = dict(town.queue.tickets)
    town.queue.tickets.clear()
    report = town.night(*wrong)
    assert report.deleted == ()
    assert report.failed[0].error.startswith("all 3 tickets are gone at once")
    assert report.open_tickets == {"engineering": 3}
    town.queue.tickets.update(kept)
    report = town.night(*wrong)
    assert (report.failed, report.open_tickets) == ((), {"engineering": 3})


def test_two_tickets_may_both_be_deleted(town: Town) -> None:
    wrong = households(range(2))
    town.night(*wrong)
    town.queue.tickets.clear()
    report = town.night(*wrong)
    assert (len(report.deleted), report.failed, report.open_tickets) == (2, (), {})


def test_all_but_one_of_many_tickets_may_be_deleted(town: Town) -> None:
    wrong = households(range(4))
    town.night(*wrong)
    for external_id in sorted(town.queue.tickets)[:3]:
        del town.queue.tickets[external_id]
    report = town.night(*wrong)
    assert (len(report.deleted), report.failed, report.open_tickets) == (3, (), {"engineering": 1})


# --- clocks


def test_a_missed_acknowledgement_is_followed_up_once_for_each_step(town: Town) -> None:
    town.night(NO_LEADER)
    report = town.night(NO_LEADER, hours=0.5)
    assert (town.said, report.overdue) == ([], ())
    report = town.night(NO_LEADER, hours=0.1)
    assert town.said == ["follow-up"]
    assert [broken.promise for _, late in report.overdue for broken in late] == ["acknowledge"]
    assert "#incidents @engineering-oncall" in next(iter(town.queue.tickets[town.only_ticket].comments.values()))
    town.night(NO_LEADER, hours=0.2)
    assert town.said == ["follow-up"]
    town.night(NO_LEADER, hours=5)
    town.night(NO_LEADER, hours=5)
    assert town.said == ["follow-up", "follow-up"]


def test_a_follow_up_of_what_can_wait_calls_nobody_who_is_on_call(town: Town) -> None:
    minor = NO_LEADER.model_copy(update={"severity": "P2"})
    town.night(minor)
    town.night(minor, hours=4.1)
    assert town.said == ["follow-up"]
    said = next(iter(town.queue.tickets[town.only_ticket].comments.values()))
    assert "oncall" not in said
    assert "#engineering-support" in said


def test_an_acknowledgement_ends_the_follow_ups(town: Town) -> None:
    town.night(NO_LEADER)
    town.queue.tickets[town.only_ticket].first_reply_at = town.now + timedelta(minutes=20)
    report = town.night(NO_LEADER)
    assert town.said == []
    assert [broken.promise for _, late in report.overdue for broken in late] == ["resolve"]
    with town.ledger.begin() as tx:
        (ticket,) = tx.tickets()
    assert (ticket.status, ticket.acknowledged_at) == ("acknowledged", FIRST + timedelta(minutes=20))


# --- windows


def test_a_window_is_the_day_that_has_closed(town: Town) -> None:
    assert next_window(town.ledger, FIRST, POLICY) == Window(
        datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)
    )


@pytest.mark.parametrize(("days", "start"), [(1, 3), (2, 3), (7, 3), (8, 4), (30, 26)])
def test_a_missed_night_is_made_up_for(town: Town, days: int, start: int) -> None:
    town.night()
    assert next_window(town.ledger, FIRST + days * DAY, POLICY).start.day == start


def test_an_incomplete_night_is_made_up_for(town: Town) -> None:
    town.night()
    town.night(status="failed")
    assert next_window(town.ledger, FIRST + 2 * DAY, POLICY).start == datetime(2026, 2, 3, tzinfo=UTC)


def test_the_first_night_and_one_in_seven_read_the_whole_history(town: Town) -> None:
    read = []
    for _ in range(15):
        read.append(look_back_days(town.ledger, town.now + DAY, POLICY))
        town.night()
    whole, ordinary = POLICY.limits.state_lookback_days, POLICY.nights.look_back_days
    assert set(read) == {whole, ordinary}
    assert [day for day, days in enumerate(read) if days == whole] == [0, 4, 11]


def test_a_run_as_of_the_same_time_reads_what_the_one_before_it_read(town: Town) -> None:
    """Whatever was made up for, and whether the run before it was the night for the whole history."""
    town.night()
    town.now += 3 * DAY
    read = []
    for _ in range(3):
        read.append((next_window(town.ledger, town.now, POLICY), look_back_days(town.ledger, town.now, POLICY)))
        town.again()
    assert read == [(Window(datetime(2026, 2, 3, tzinfo=UTC), datetime(2026, 2, 6, tzinfo=UTC)), read[0][1])] * 3


def test_a_whole_night_that_failed_is_made_up_for(town: Town) -> None:
    for _ in range(4):
        town.night()
    town.night(status="failed")
    assert look_back_days(town.ledger, town.now + DAY, POLICY) == POLICY.limits.state_lookback_days


def test_a_night_with_an_incident_reads_the_whole_history(town: Town) -> None:
    town.night(*households(range(30)))
    assert look_back_days(town.ledger, town.now + DAY, POLICY) == POLICY.limits.state_lookback_days
    town.night()
    assert look_back_days(town.ledger, town.now + DAY, POLICY) == POLICY.nights.look_back_days


def test_the_ledger_only_goes_forward(town: Town) -> None:
    town.night()
    with pytest.raises(LedgerError, match="run as of a later time"):
        town.night(hours=-1)


def test_the_same_night_twice_says_nothing_twice(town: Town) -> None:
    town.night(NO_LEADER)
    town.night()
    before = dict(town.queue.tickets[town.only_ticket].comments)
    assert told(town.again()) == []
    assert town.queue.tickets[town.only_ticket].comments == before


def test_a_state_is_dated_by_the_looks_that_saw_it(town: Town) -> None:
    """No row's own date: not there at the last complete look, there at this one, and from then on first seen there."""
    transfer, leaders = (
        finding(one, household=one).model_copy(update={"occurred_at": None})
        for one in ("transfer-failed", "multiple-leaders")
    )
    first = town.night(transfer).findings[0]
    assert (first.first_seen, first.story.observed[:31]) == (FIRST, "Found at the first look for it,")
    town.night(transfer, status="failed")
    third = town.night(transfer, leaders)
    new = next(one for one in third.findings if one.detector == "multiple-leaders")
    assert new.first_seen == third.as_of
    assert new.story.observed == (
        f"Not found at the look of {FIRST:%Y-%m-%d %H:%M:%S} UTC, found at {third.as_of:%Y-%m-%d %H:%M:%S} UTC"
    )
    known = next(one for one in third.findings if one.detector == "transfer-failed")
    assert known.first_seen == FIRST
    assert known.story.observed == first.story.observed


def test_what_nobody_looked_for_was_not_missing(town: Town) -> None:
    """A rule that is new, or was not applicable, has not looked on the nights before."""
    orphan = finding("orphaned-household", household="oak").model_copy(update={"occurred_at": None})
    town.night(NO_LEADER)
    new = next(one for one in town.night(NO_LEADER, orphan).findings if one.detector == "orphaned-household")
    assert new.story.observed.startswith("Found at the first look for it, ")


def test_a_state_that_came_back_is_dated_by_the_look_that_saw_it_again(town: Town) -> None:
    """In the same words on later nights: its ticket's text may arrive on one of those."""
    undated = NO_LEADER.model_copy(update={"occurred_at": None})
    town.night(undated)
    gone = town.night()
    back = town.night(undated).findings[0]
    assert back.first_seen == gone.as_of + DAY
    assert back.story.observed.startswith(f"Not found at the look of {gone.as_of:%Y-%m-%d %H:%M:%S} UTC, found at")
    assert town.night(undated).findings[0].story.observed == back.story.observed


def test_a_moment_that_an_event_tells_stays_the_moment(town: Town) -> None:
    told_by_an_event = TRANSFER.model_copy(update={"occurred_at": FIRST - DAY})
    (one,) = town.night(told_by_an_event).findings
    assert (one.first_seen, one.occurred_at) == (FIRST, FIRST - DAY)
