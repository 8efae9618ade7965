"""A person's escalation in the ledger: recorded whole or not at all, made once whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from detectors.contract import PERSON, Coverage, Finding, Meta, Severity, Team
from escalation.deliver.helpdesk import deliver
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.records import Ticket
from escalation.nights.night import run_night
from escalation.nights.windows_of_runs import next_window
from escalation.people.person import (
    TICKETS_NAMED,
    add_comment,
    cautions,
    claimed_resolved,
    file,
    finding_of,
    open_escalation,
)
from escalation.people.questions import Escalation, escalation_of
from escalation.policy.policy import load_policy
from tests.escalation.findings import finding
from tests.escalation.queues import Crash, MemoryQueue, QueueError, helpdesk
from tests.escalation.town import Town

POLICY = load_policy()
NOW = datetime(2026, 2, 3, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def escalation(title: str = "No leader", household: str = "h1", team: Team = "engineering") -> Escalation:
    answers = {"issue": ("Nobody leads",), "actual": ("jo@example.org cannot leave",)}
    one = escalation_of("engineering", "P0", title, "kim", answers, households=[household], now=NOW)
    return replace(one, team=team)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield ledger


def as_finding(ledger: Ledger, one: Escalation) -> Finding:
    with ledger.begin() as tx:
        _, key = open_escalation(tx, one, POLICY.environment)
    return finding_of(one, None, "nobody tried", (), key, NOW)


def filed(ledger: Ledger, one: Escalation) -> Ticket:
    ticket = file(ledger, as_finding(ledger, one), POLICY, NOW, announced=False)
    assert ticket is not None
    return ticket


def current(ledger: Ledger, one: Escalation) -> Ticket | None:
    with ledger.begin() as tx:
        return open_escalation(tx, one, POLICY.environment)[0]


def test_no_detector_may_have_the_persons_name() -> None:
    with pytest.raises(ValidationError, match="what people escalate themselves"):
        Meta(
            id=PERSON,
            title="Some title",
            team="engineering",
            severity="P0",
            kind="state",
            subject=("user_id",),
            needs=frozenset(),
            sure="rows",
            refuted_by="nothing could",
            process="Engineering",
        )


def test_its_clocks_are_the_teams(ledger: Ledger) -> None:
    ticket = filed(ledger, escalation())
    assert (ticket.acknowledge_due, ticket.resolve_due) == (NOW + timedelta(minutes=30), NOW + timedelta(hours=8))


def test_the_same_is_known_by_team_ids_and_words(ledger: Ledger) -> None:
    ticket = filed(ledger, escalation())
    assert current(ledger, escalation("NO  leader!!")) == ticket
    assert current(ledger, escalation("No leader 2")) is None
    assert current(ledger, escalation(household="h2")) is None
    assert current(ledger, escalation(team="legal")) is None


@pytest.mark.parametrize("step", ["find", "create", "create done"])
@pytest.mark.parametrize("trouble", [QueueError("no answer"), Crash()])
def test_whatever_happens_on_the_way_there_is_one_ticket(ledger: Ledger, step: str, trouble: BaseException) -> None:
    one = escalation()
    found, queue = as_finding(ledger, one), MemoryQueue(trouble_at={step: trouble})
    ticket = file(ledger, found, POLICY, NOW, announced=False)
    assert ticket is not None
    with suppress(Crash):
        deliver(ledger, helpdesk(queue), {found.fingerprint: found}, NOW)
    assert current(ledger, one) is not None
    window = next_window(ledger, NOW + DAY, POLICY)
    run_night(ledger, [], [], POLICY, NOW + DAY, window=window, helpdesk=helpdesk(queue))
    assert queue.creations == [ticket.external_id]


def test_two_people_file_it_at_once(ledger: Ledger) -> None:
    found = as_finding(ledger, escalation())
    assert file(ledger, found, POLICY, NOW, announced=False) is not None
    assert file(ledger, found, POLICY, NOW, announced=False) is None


def test_nothing_is_half_filed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    found = as_finding(ledger, escalation())
    with monkeypatch.context() as patch:
        patch.setattr("escalation.people.person.pack_case", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            file(ledger, found, POLICY, NOW, announced=False)
    with ledger.begin() as tx:
        assert (tx.tickets(), tx.unsent(), tx.entries_for([found.fingerprint])) == ([], [], {})


def test_nights_leave_it_alone_until_people_have_settled_it(ledger: Ledger) -> None:
    one, queue = escalation(), MemoryQueue()
    ticket = filed(ledger, one)
    for night in (1, 2):
        now = NOW + night * DAY
        report = run_night(
            ledger, [], [], POLICY, now, window=next_window(ledger, now, POLICY), helpdesk=helpdesk(queue)
        )
        assert [(told.detector, told.action) for told in report.told] == [(PERSON, "none")]
        assert report.settled == ()
    queue.tickets[ticket.external_id].status = "resolved"
    now = NOW + 3 * DAY
    report = run_night(ledger, [], [], POLICY, now, window=next_window(ledger, now, POLICY), helpdesk=helpdesk(queue))
    assert [(one.ticket.external_id, one.ticket.status, one.households) for one in report.settled] == [
        (ticket.external_id, "closed", ("h1",))
    ]
    assert current(ledger, one) is None
    assert filed(ledger, one).external_id != ticket.external_id


def test_a_comment_is_said_once_and_without_addresses(ledger: Ledger) -> None:
    one, queue = escalation(), MemoryQueue()
    ticket = filed(ledger, one)
    for _ in range(2):
        add_comment(ledger, ticket, one, POLICY, NOW, announced=False)
    deliver(ledger, helpdesk(queue), {}, NOW)
    (said,) = queue.tickets[ticket.external_id].comments.values()
    assert "Issue: Nobody leads" in said
    assert "jo@example.org" not in said
    assert "Added by kim." in said


def test_past_tickets_on_the_same_ids_are_found_and_only_open_ones_warned_of(ledger: Ledger) -> None:
    queue = MemoryQueue()
    others = [
        finding("duplicate-member", user=f"u{number}", households=("h1", f"g{number}"))
        for number in range(TICKETS_NAMED + 2)
    ]
    others.append(finding("mass-creation", user="u0"))
    coverage = [Coverage(detector="duplicate-member", status="ran")]
    # The second night sees the first of them fixed.
    for night, found in ((0, others), (1, others[1:])):
        now = NOW + night * DAY
        window = next_window(ledger, now, POLICY)
        run_night(ledger, found, coverage, POLICY, now, window=window, helpdesk=helpdesk(queue))
    with ledger.begin() as tx:
        past = tx.tickets_about(["h1"])
        assert len(tx.tickets_about(["u0"])) == 2
        assert tx.tickets_about(["nobody"]) == []
    assert len(past) == TICKETS_NAMED + 2
    warned = list(cautions(escalation(), POLICY, past, troubleshot=True, personal=False))
    assert len(warned) == TICKETS_NAMED + 1
    assert warned[-1].startswith("1 more ticket is open")


def test_a_ticket_that_was_called_resolved_and_is_not_is_known(town: Town) -> None:
    broken = finding("no-leader", household="h1")
    town.night(broken)
    town.queue.tickets[town.only_ticket].status = "resolved"
    town.night(broken)
    with town.ledger.begin() as tx:
        past = tx.tickets_about(["h1"])
        unrepaired = claimed_resolved(tx, past)
    assert unrepaired == {past[0].id: town.now}
    warned = list(cautions(escalation(), POLICY, past, troubleshot=True, personal=False, unrepaired=unrepaired))
    assert "was called resolved, but the look of 2026-02-04 01:00:00 UTC still saw it" in warned[0]


@pytest.mark.parametrize(
    ("title", "team", "says"),
    [
        ("Threats of violence in a household", "engineering", "is Engineering the right team?"),
        ("Two leaders in one household", "engineering", ""),
        ("Duplicate of a member entry", "trust-safety", "is Trust & Safety the right team?"),
        ("Something is odd", "legal", ""),
    ],
)
def test_a_row_that_names_another_team_is_said(title: str, team: Team, says: str) -> None:
    one = replace(escalation(title, team=team), severity="P0")
    warned = [line for line in cautions(one, POLICY, (), troubleshot=True, personal=False) if "reads like" in line]
    assert [says in line for line in warned] == [True] * bool(says)


@pytest.mark.parametrize(("severity", "warned"), [("P0", False), ("P1", True)])
def test_a_row_that_is_more_urgent_is_said(severity: Severity, warned: bool) -> None:
    one = replace(escalation("Two leaders in one household"), severity=severity)
    assert (
        any("urgent enough" in line for line in cautions(one, POLICY, (), troubleshot=True, personal=False)) is warned
    )


def test_addresses_in_a_persons_words_do_not_reach_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        one = escalation("jo@example.org from 203.0.113.77 cannot leave")
        ticket = filed(ledger, one)
        add_comment(ledger, ticket, one, POLICY, NOW, announced=False)
        with ledger.begin() as tx:
            assert len(tx.unsent()) == 2
    kept = path.read_bytes()
    assert b"cannot leave" in kept
    for secret in (b"jo@example", b"203.0.113"):
        assert secret not in kept
