"""What people may silence and close, for how long, and what happens to it then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detectors.contract import Coverage, Finding, Impact
from escalation.errors import RefusedError
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.records import Closing, SilenceKind
from escalation.nights.night import NightReport, run_night
from escalation.nights.windows_of_runs import next_window
from escalation.people.silences import close_ticket, silence_subject, silence_ticket
from escalation.policy.policy import load_policy
from escalation.views.digest import in_progress
from escalation.views.review import recheck, scope_of, story_of
from tests.escalation.findings import NOON, finding
from tests.escalation.queues import MemoryQueue, helpdesk

POLICY = load_policy()
DAY, TINY = timedelta(days=1), timedelta(microseconds=1)
NO_LEADER = finding("no-leader", household="h1", impact=Impact(users=4, households=1), evidence={"leader_id": "u1"})
REMOVAL = finding("removal-not-applied", household="h1", user="u1")
ABUSE = finding("mass-creation", user="u9")
COVERAGE = [Coverage(detector=name, status="ran") for name in ("no-leader", "removal-not-applied", "mass-creation")]


class Office:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.queue, self.now = ledger, MemoryQueue(), NOON

    def night(self, *findings: Finding, after: timedelta = DAY) -> NightReport:
        self.now += after
        window = next_window(self.ledger, self.now, POLICY)
        return run_night(
            self.ledger, findings, COVERAGE, POLICY, self.now, window=window, helpdesk=helpdesk(self.queue)
        )

    def silence(self, of: Finding, kind: SilenceKind, until: datetime, **words: str) -> None:
        silence_ticket(
            self.ledger,
            ticket_of(of),
            kind,
            until=until,
            policy=POLICY,
            now=self.now,
            **{"reason": "known", "author": "jo", **words},
        )

    def close(self, of: Finding, closing: Closing, **more: Any) -> None:
        words = {"reason": "known", "author": "jo", **more}
        close_ticket(self.ledger, ticket_of(of), closing, policy=POLICY, now=self.now, **words)


def ticket_of(of: Finding) -> str:
    return f"hw-{of.fingerprint[:16]}"


def reasons(report: NightReport) -> list[str]:
    return [one.reason for one in report.told]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Office(ledger)


@pytest.mark.parametrize(
    ("of", "kind", "length", "allowed"),
    [
        (NO_LEADER, "snooze", DAY, True),
        (NO_LEADER, "snooze", DAY + TINY, False),
        (NO_LEADER, "dismiss", DAY, False),
        (REMOVAL, "snooze", 180 * DAY, True),
        (REMOVAL, "snooze", 180 * DAY + TINY, False),
        (REMOVAL, "dismiss", 180 * DAY, True),
        (REMOVAL, "dismiss", 180 * DAY + TINY, False),
        (REMOVAL, "snooze", timedelta(0), False),
        (ABUSE, "dismiss", 180 * DAY, True),
    ],
)
def test_how_long_a_silence_may_last(
    office: Office, of: Finding, kind: SilenceKind, length: timedelta, allowed: bool
) -> None:
    office.night(of)
    if allowed:
        office.silence(of, kind, office.now + length)
        assert reasons(office.night(of, after=length - TINY)) == ["snoozed" if kind == "snooze" else "dismissed"]
    else:
        with pytest.raises(RefusedError):
            office.silence(of, kind, office.now + length)


@pytest.mark.parametrize("words", [{"reason": " "}, {"author": ""}])
def test_a_silence_needs_a_reason_and_an_author(office: Office, words: dict[str, str]) -> None:
    office.night(REMOVAL)
    with pytest.raises(RefusedError, match="say why"):
        office.silence(REMOVAL, "snooze", office.now + DAY, **words)


def test_what_is_not_there_cannot_be_silenced(office: Office) -> None:
    with pytest.raises(RefusedError, match=r"there is no ticket hw-.*tickets list"):
        office.silence(REMOVAL, "snooze", office.now + DAY)


def test_a_subject_can_be_silenced_before_it_is_found(office: Office) -> None:
    until = office.now + 3 * DAY
    words = {"reason": "migration", "author": "jo"}
    silence_subject(
        office.ledger,
        "removal-not-applied",
        REMOVAL.subject,
        "snooze",
        until=until,
        policy=POLICY,
        now=office.now,
        **words,
    )
    assert reasons(office.night(REMOVAL)) == ["snoozed"]
    assert reasons(office.night(REMOVAL, after=2 * DAY)) == ["silence-ended"]
    assert list(office.queue.tickets) == [ticket_of(REMOVAL)]
    with pytest.raises(RefusedError, match="critical data integrity"):
        silence_subject(
            office.ledger,
            "no-leader",
            NO_LEADER.subject,
            "dismiss",
            until=until,
            policy=POLICY,
            now=office.now,
            **words,
        )


def test_nothing_is_sent_while_muted_and_everything_after(office: Office) -> None:
    office.queue.down = True
    office.night(REMOVAL)
    office.queue.down = False
    office.silence(REMOVAL, "snooze", office.now + 3 * DAY)
    assert not office.night(REMOVAL).undelivered
    assert office.queue.tickets == {}
    office.night(after=3 * DAY)
    assert office.queue.said(ticket_of(REMOVAL)) == ["fixed"]


def test_no_follow_ups_while_muted(office: Office) -> None:
    office.night(REMOVAL)
    office.silence(REMOVAL, "snooze", office.now + 3 * DAY)
    office.night(REMOVAL)
    assert office.queue.said(ticket_of(REMOVAL)) == []
    office.night(REMOVAL, after=2 * DAY)
    assert office.queue.said(ticket_of(REMOVAL)) == ["follow-up"]


def test_a_snooze_breaks_once_when_it_gets_worse(office: Office) -> None:
    office.night(REMOVAL)
    office.silence(REMOVAL, "snooze", office.now + 30 * DAY)
    one_more, worse = (REMOVAL.model_copy(update={"impact": Impact(users=users, households=1)}) for users in (2, 3))
    assert reasons(office.night(one_more)) == ["snoozed"]
    assert reasons(office.night(worse)) == ["snooze-broken"]
    assert reasons(office.night(worse)) == ["still-there"]
    assert reasons(office.night(REMOVAL)) == ["better"]


@pytest.mark.parametrize("closing", ["false-positive", "accepted-risk", "expected"])
def test_a_closed_ticket_is_quiet_for_as_long_as_a_dismissal_may_last(office: Office, closing: Closing) -> None:
    office.night(REMOVAL)
    office.close(REMOVAL, closing)
    assert office.night(REMOVAL).open_tickets == {}
    assert reasons(office.night(REMOVAL, after=179 * DAY - TINY)) == ["dismissed"]
    assert reasons(office.night(REMOVAL, after=TINY)) == ["closing-ended"]
    assert office.queue.creations == [ticket_of(REMOVAL)]


def test_critical_data_integrity_cannot_be_closed_away(office: Office) -> None:
    office.night(NO_LEADER)
    with pytest.raises(RefusedError, match="cannot be dismissed"):
        office.close(NO_LEADER, "accepted-risk")
    assert office.night(NO_LEADER).open_tickets == {"engineering": 1}


def test_a_duplicate_is_watched_on_the_other_ticket(office: Office) -> None:
    office.night(NO_LEADER, REMOVAL)
    office.close(NO_LEADER, "duplicate", duplicate_of=ticket_of(REMOVAL))
    assert reasons(office.night(NO_LEADER, REMOVAL)) == ["still-there", "still-there"]
    assert sorted(reasons(office.night(NO_LEADER))) == ["part-fixed", "still-there"]
    assert office.night().open_tickets == {}
    assert len(office.queue.creations) == 2


@pytest.mark.parametrize(
    ("duplicate_of", "says"),
    [(None, "say which ticket"), ("hw-nothing", "there is no ticket"), (ticket_of(NO_LEADER), "name another ticket")],
)
def test_a_duplicate_needs_another_open_ticket(office: Office, duplicate_of: str | None, says: str) -> None:
    office.night(NO_LEADER)
    with pytest.raises(RefusedError, match=says):
        office.close(NO_LEADER, "duplicate", duplicate_of=duplicate_of)


def test_what_has_ended_cannot_be_closed(office: Office) -> None:
    office.night(REMOVAL)
    office.night()
    with pytest.raises(RefusedError, match="is verified already"):
        office.close(REMOVAL, "expected")


# --- looking at tickets


def test_a_ticket_tells_its_story(office: Office) -> None:
    office.night(REMOVAL)
    office.silence(REMOVAL, "snooze", office.now + DAY)
    office.queue.down = True
    office.night()
    story = story_of(office.ledger, ticket_of(REMOVAL), office.now)
    assert story is not None
    assert [(one.action, one.reason) for one in story.decisions] == [("open", "new"), ("verify", "fixed")]
    assert [one.reason for one in story.silences] == ["known"]
    assert [one.kind for one in story.unsent] == ["comment"]
    assert [one.subject for one in story.entries] == [{"household_id": "h1", "user_id": "u1"}]
    assert story_of(office.ledger, "hw-nothing", office.now) is None


def test_the_digest_has_the_longest_overdue_first(office: Office) -> None:
    office.night(ABUSE)
    office.night(REMOVAL, after=timedelta(hours=1))
    office.night(NO_LEADER, REMOVAL, after=timedelta(hours=2, minutes=15))
    lines = in_progress(office.ledger, POLICY, office.now)
    assert [line.ticket.detector for line in lines] == ["removal-not-applied", "no-leader", "mass-creation"]
    assert [[late.promise for late in line.overdue] for line in lines] == [["acknowledge"], [], []]
    assert [line.next and line.next[0] for line in lines] == ["investigate", "acknowledge", "acknowledge"]
    assert lines[0].age == timedelta(hours=2, minutes=15)


def test_a_recheck_says_what_has_changed(office: Office) -> None:
    office.night(NO_LEADER, REMOVAL, ABUSE)
    with office.ledger.begin() as tx:
        entries = sorted(tx.entries().values(), key=lambda one: one.detector)
    changed = NO_LEADER.model_copy(update={"evidence": {"leader_id": None}, "impact": Impact(users=3, households=1)})

    def outcomes(*findings: Finding, status: Any = "ran") -> list[tuple[str, tuple[Any, ...]]]:
        coverage = [one.model_copy(update={"status": status}) for one in COVERAGE]
        return [(one.outcome, one.changes) for one in recheck(entries, findings, coverage, POLICY)]

    assert outcomes(NO_LEADER, REMOVAL, ABUSE) == [("still true", ())] * 3
    assert outcomes(changed) == [
        ("happened once", ()),
        ("changed", (("affected", 4, 3), ("leader_id", "u1", None))),
        ("fixed", ()),
    ]
    assert outcomes(status="failed") == [("not looked at", ())] * 3


def test_a_recheck_scans_no_more_than_it_must(office: Office) -> None:
    many = [finding("no-leader", household=f"h{number}") for number in range(26)]
    office.night(REMOVAL, ABUSE, *many)
    with office.ledger.begin() as tx:
        entries = {one.detector: one for one in tx.entries().values()}
    scope = scope_of([entries["removal-not-applied"]])
    assert (scope.detectors, scope.households, scope.users) == (("removal-not-applied",), ("h1",), ())
    assert scope_of([entries["mass-creation"]]).users == ("u9",)
    incident = scope_of([entries["no-leader"]])
    assert (incident.households, incident.users) == ((), ())
    (outcome,) = recheck([entries["no-leader"]], many[:3], COVERAGE, POLICY)
    assert (outcome.outcome, outcome.changes[0]) == ("changed", ("affected", 26, 3))
