"""The digest: every ticket in progress once, in the section that says what is pressing about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from detectors.contract import Coverage, Finding
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.records import SilenceKind
from escalation.nights.night import run_night
from escalation.nights.windows_of_runs import next_window
from escalation.people.silences import silence_ticket
from escalation.policy.policy import load_policy
from escalation.views.digest import ENDING_SOON, Digest, digest
from reports.digest import FORMATS, MOST, digest_sections, length
from tests.escalation.findings import NOON, finding
from tests.escalation.queues import MemoryQueue, helpdesk

POLICY = load_policy()
HOUR, DAY, TINY = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
NO_LEADER = finding("no-leader", household="h1")
REMOVAL = finding("removal-not-applied", household="h2", user="u1")
ABUSE = finding("mass-creation", user="u9")
COVERAGE = [Coverage(detector=name, status="ran") for name in ("no-leader", "removal-not-applied", "mass-creation")]


class Office:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.queue = ledger, MemoryQueue()

    def night(self, at: datetime, *findings: Finding) -> None:
        window = next_window(self.ledger, at, POLICY)
        run_night(self.ledger, findings, COVERAGE, POLICY, at, window=window, helpdesk=helpdesk(self.queue))

    def put_off(self, of: Finding, kind: SilenceKind, at: datetime, until: datetime) -> None:
        ticket = f"hw-{of.fingerprint[:16]}"
        words = {"reason": "repair is under way", "author": "jo"}
        silence_ticket(self.ledger, ticket, kind, until=until, policy=POLICY, now=at, **words)

    def digest(self, at: datetime, since: datetime = NOON - DAY) -> Digest:
        return digest(self.ledger, POLICY, since, at)

    def headings(self, at: datetime) -> list[str]:
        return [section.heading for section in digest_sections(self.digest(at), POLICY)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_ledger(f"sqlite:///{tmp_path / 'hearthwatch.db'}") as ledger:
        yield Office(ledger)


def test_each_ticket_stands_where_it_presses(office: Office) -> None:
    office.night(NOON, NO_LEADER, REMOVAL, ABUSE)
    assert office.headings(NOON) == ["Engineering: due within a day (2)", "Trust & Safety: due within a day (1)"]
    assert office.headings(NOON + HOUR) == [
        "Engineering: overdue (1)",
        "Engineering: due within a day (1)",
        "Trust & Safety: due within a day (1)",
    ]


def test_a_promise_is_overdue_just_after_its_deadline(office: Office) -> None:
    office.night(NOON, NO_LEADER)
    (line,) = office.digest(NOON).teams["engineering"]
    due = line.ticket.acknowledge_due
    assert due is not None
    assert office.headings(due) == ["Engineering: due within a day (1)"]
    assert office.headings(due + TINY) == ["Engineering: overdue (1)"]
    (section,) = digest_sections(office.digest(due + 3 * HOUR), POLICY)
    assert f"open, {length(due + 3 * HOUR - NOON)} old; overdue: acknowledge (3 h)" in section.points[0]
    assert "next: tell the customer how it stands within" in section.points[0]


def test_what_is_put_off_presses_nobody_until_it_ends(office: Office) -> None:
    office.night(NOON, REMOVAL)
    end = NOON + timedelta(days=20)
    office.put_off(REMOVAL, "snooze", NOON, end)
    assert office.headings(NOON + DAY) == ["Engineering: put off (1)"]
    assert "0 overdue" in FORMATS["table"](office.digest(NOON + DAY), POLICY)
    assert office.headings(end - ENDING_SOON - TINY) == ["Engineering: put off (1)"]
    assert office.headings(end - ENDING_SOON)[-1] == "Silences that end soon (1)"
    shown = FORMATS["table"](office.digest(end - 2 * DAY), POLICY)
    assert "snooze ends in 2 days; repair is under way (jo)" in shown
    assert office.headings(end) == ["Engineering: overdue (1)"]


def test_a_silence_on_what_is_gone_ends_unseen(office: Office) -> None:
    office.night(NOON, REMOVAL)
    office.put_off(REMOVAL, "dismiss", NOON, NOON + 3 * DAY)
    office.night(NOON + DAY)
    assert not office.digest(NOON + DAY).ending


def test_flapping_and_reopening_are_said(office: Office) -> None:
    for day in range(8):
        office.night(NOON + day * DAY, *([NO_LEADER] if day % 2 == 0 else []))
    office.night(NOON + 8 * DAY, NO_LEADER)
    shown = FORMATS["table"](office.digest(NOON + 8 * DAY), POLICY)
    assert "flapping: it goes and comes back" in shown
    assert "reopened 3 times" in shown


def test_whom_to_tell_what_was_settled_since(office: Office) -> None:
    office.night(NOON, NO_LEADER)
    office.night(NOON + DAY)
    told = office.digest(NOON + DAY, since=NOON)
    assert [one.ticket.detector for one in told.settled] == ["no-leader"]
    shown = FORMATS["markdown"](told, POLICY)
    assert "tell household h1. The problem that affected your household has been fixed." in shown
    assert f"hearthwatch tickets outcome hw-{NO_LEADER.fingerprint[:16]}" in shown
    assert not office.digest(NOON + 2 * DAY, since=NOON + DAY).settled


def test_what_was_made_later_is_not_known_yet(office: Office) -> None:
    office.night(NOON, NO_LEADER)
    assert not office.digest(NOON - TINY).teams


def test_only_the_named_teams(office: Office) -> None:
    office.night(NOON, NO_LEADER, ABUSE)
    found = digest(office.ledger, POLICY, NOON - DAY, NOON, ["trust-safety"])
    assert list(found.teams) == ["trust-safety"]


def test_what_waits_to_be_delivered_is_counted(office: Office) -> None:
    office.queue.down = True
    office.night(NOON, NO_LEADER, ABUSE)
    assert "2 messages wait to be delivered" in FORMATS["table"](office.digest(NOON), POLICY)


def test_a_long_list_is_cut_and_says_so(office: Office) -> None:
    many = [finding(name, household=f"h{n}") for name in ("no-leader", "removal-not-applied") for n in range(20)]
    office.night(NOON, *many)
    (section,) = digest_sections(office.digest(NOON + 5 * DAY), POLICY)
    assert section.heading == "Engineering: overdue (40)"
    assert section.points[MOST:] == ("and 15 more: hearthwatch tickets list",)


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_open_is_said(office: Office, form: str) -> None:
    assert "no tickets in progress" in FORMATS[form](office.digest(NOON), POLICY)


@pytest.mark.parametrize("form", FORMATS)
def test_a_hostile_reason_stays_text(office: Office, form: str) -> None:
    office.night(NOON, REMOVAL)
    hostile = "<!channel> [x](https://evil.example) \x1b[31m\nDone"
    ticket = f"hw-{REMOVAL.fingerprint[:16]}"
    silence_ticket(
        office.ledger, ticket, "snooze", until=NOON + 2 * DAY, reason=hostile, author="jo", policy=POLICY, now=NOON
    )
    shown = FORMATS[form](office.digest(NOON), POLICY)
    assert "https://evil" not in shown
    assert "<!channel>" not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=48) - TINY, "47 h"),
        (timedelta(hours=48), "2 days"),
    ],
)
def test_lengths(time: timedelta, words: str) -> None:
    assert length(time) == words
