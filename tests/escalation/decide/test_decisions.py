"""Every named reason, and both sides of every boundary, of the decision to say something."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from detectors.contract import Finding, Impact, Severity
from escalation.decide.decisions import decide, has_left, in_force, is_broken
from escalation.decide.observations import LOST, Observation, first_entry, observe, size_of
from escalation.ledger.records import Entry, Look, Reason, Silence, Ticket, TicketStatus
from escalation.policy.policy import load_policy
from tests.escalation.findings import NOON, finding

POLICY = load_policy()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STATE = finding("no-leader", household="h1", impact=Impact(users=20, households=1))
HAPPENED = finding("mass-creation", user="u1", impact=Impact(users=20, households=1))


def entry(of: Finding = STATE, **changes: Any) -> Entry:
    return replace(first_entry(of, NOON - DAY), **{"ticket_id": 1, **changes})


def ticket(status: TicketStatus = "acknowledged", of: Finding = STATE, **changes: Any) -> Ticket:
    made = Ticket(
        id=1,
        external_id="hw-1",
        fingerprint=of.fingerprint,
        detector=of.detector,
        team=of.team,
        severity=of.severity,
        title=of.title,
        status=status,
        opened_at=NOON - DAY,
        clock_began_at=NOON - DAY,
        acknowledge_due=None,
        investigate_due=None,
        resolve_due=None,
    )
    return replace(made, **changes)


def silence(
    kind: str = "snooze", *, ends: timedelta = HOUR, severity: Severity | None = "P0", size: int | None = 20
) -> Silence:
    return Silence(
        id=1,
        fingerprint=STATE.fingerprint,
        kind="snooze" if kind == "snooze" else "dismiss",
        reason="we know",
        author="somebody",
        made_at=NOON - HOUR,
        ends_at=NOON + ends,
        severity=severity,
        size=size,
    )


def sized(users: int, **changes: Any) -> Finding:
    return STATE.model_copy(update={"impact": Impact(users=users, households=1), **changes})


AGAIN = HAPPENED.model_copy(update={"occurred_at": NOON + DAY})
TWICE_BACK = (NOON - 2 * DAY, NOON - DAY)
CASES: list[tuple[str, Entry | None, Observation, Finding | None, Ticket | None, Silence | None, str, str]] = [
    # name, before, sight, finding, ticket, silence, action, reason
    ("never seen", None, "seen", STATE, None, None, "open", "new"),
    ("seen while muted, mute over", entry(ticket_id=None), "seen", STATE, None, silence(ends=-HOUR), "open", "silence-ended"),
    ("muted before it was ever seen", None, "seen", STATE, None, silence(severity=None, size=None), "none", "snoozed"),
    ("worse than when it was muted", entry(ticket_id=None), "seen", sized(22), None, silence(), "open", "snooze-broken"),
    ("back without a ticket", entry(present=False, ticket_id=None), "seen", STATE, None, None, "open", "back"),
    ("back while muted, mute over", entry(present=False, ticket_id=None), "seen", STATE, None, silence(ends=-HOUR), "open", "silence-ended"),
    ("known as an effect only", entry(ticket_id=None, explained_by="x"), "seen", STATE, None, None, "open", "new"),
    ("its ticket deleted", entry(), "seen", STATE, ticket("missing"), None, "none", "ticket-deleted"),
    ("its ticket deleted, worse", entry(), "seen", sized(99), ticket("missing"), None, "none", "ticket-deleted"),
    ("its ticket deleted, less urgent", entry(), "seen", sized(20, severity="P2"), ticket("missing"), None, "none", "ticket-deleted"),
    ("its ticket deleted, as urgent as it was before", entry(severity="P1"), "seen", STATE, ticket("missing"), None, "none", "ticket-deleted"),
    ("its ticket deleted, more urgent", entry(severity="P1", said_severity="P1"), "seen", STATE, ticket("missing"), None, "open", "more-urgent"),
    ("its ticket deleted, more urgent, muted", entry(severity="P1", said_severity="P1"), "seen", STATE, ticket("missing"), silence("dismiss"), "none", "dismissed"),
    ("its ticket deleted, an effect by now", entry(), "explained", STATE, ticket("missing"), None, "none", "explained"),
    ("its ticket deleted, not looked at", entry(), "not-looked-at", None, ticket("missing"), None, "none", "not-looked-at"),
    ("back, its verified ticket deleted", entry(present=False), "seen", STATE, ticket("verified", queue_status="missing"), None, "open", "back"),
    ("the third time back, its verified ticket deleted", entry(present=False, returns=TWICE_BACK), "seen", STATE, ticket("verified", queue_status="missing"), None, "open", "flapping"),
    ("the same", entry(), "seen", STATE, ticket(), None, "none", "still-there"),
    ("the same, not acknowledged", entry(), "seen", STATE, ticket("open"), None, "none", "still-there"),
    ("a little worse", entry(), "seen", sized(21), ticket(), None, "none", "little-change"),
    ("a tenth worse", entry(), "seen", sized(22), ticket(), None, "comment", "worse"),
    ("worse than what was said", entry(size=21), "seen", sized(22), ticket(), None, "comment", "worse"),
    ("a little better", entry(), "seen", sized(19), ticket(), None, "none", "little-change"),
    ("a tenth better", entry(), "seen", sized(18), ticket(), None, "comment", "better"),
    ("more urgent", entry(severity="P1", said_severity="P1"), "seen", STATE, ticket(), None, "comment", "more-urgent"),
    ("less urgent", entry(), "seen", sized(20, severity="P2"), ticket(), None, "comment", "less-urgent"),
    ("back on a ticket that was kept open", entry(present=False), "seen", STATE, ticket(), None, "comment", "back"),
    ("resolved, still seen", entry(), "seen", STATE, ticket("resolved"), None, "reopen", "still-seen"),
    ("closed in the queue, still seen", entry(), "seen", STATE, ticket("closed"), None, "reopen", "still-seen"),
    ("back", entry(present=False), "seen", STATE, ticket("verified"), None, "reopen", "back"),
    (
        "closed as expected, time is over",
        entry(),
        "seen",
        STATE,
        ticket("closed", closed_as="expected"),
        silence("dismiss", ends=timedelta(0)),
        "reopen",
        "closing-ended",
    ),
    ("closed as expected", entry(), "seen", STATE, ticket("closed", closed_as="expected"), silence("dismiss"), "none", "dismissed"),
    ("snoozed", entry(), "seen", STATE, ticket(), silence(), "none", "snoozed"),
    ("snoozed and better", entry(), "seen", sized(2), ticket(), silence(), "none", "snoozed"),
    ("snoozed to this moment", entry(), "seen", STATE, ticket(), silence(ends=timedelta(0)), "none", "still-there"),
    ("snoozed and worse", entry(), "seen", sized(22), ticket(), silence(), "comment", "snooze-broken"),
    ("snoozed and grown by less than a tenth", entry(), "seen", sized(21), ticket(), silence(), "none", "snoozed"),
    ("snoozed and less urgent", entry(), "seen", sized(20, severity="P1"), ticket(), silence(), "none", "snoozed"),
    ("snoozed and more urgent", entry(), "seen", sized(20), ticket(), silence(severity="P1"), "comment", "snooze-broken"),
    ("dismissed and worse", entry(), "seen", sized(99), ticket(), silence("dismiss"), "none", "dismissed"),
    ("third time back", entry(present=False, returns=TWICE_BACK), "seen", STATE, ticket("verified"), None, "reopen", "flapping"),
    ("third time back, never verified", entry(present=False, returns=TWICE_BACK), "seen", STATE, ticket(), None, "comment", "flapping"),
    (
        "fourth time back",
        entry(present=False, returns=(*TWICE_BACK, NOON - HOUR), flapping_said=True),
        "seen",
        STATE,
        ticket(),
        None,
        "none",
        "flapping",
    ),
    (
        "third time back, but the first was a week ago",
        entry(present=False, returns=(NOON - 7 * DAY, NOON - DAY)),
        "seen",
        STATE,
        ticket("verified"),
        None,
        "reopen",
        "back",
    ),
    ("gone while flapping", entry(returns=(*TWICE_BACK, NOON)), "absent", None, ticket(), None, "none", "flapping"),
    ("gone", entry(), "absent", None, ticket(), None, "verify", "fixed"),
    ("gone, nobody had seen the ticket", entry(), "absent", None, ticket("open"), None, "verify", "fixed"),
    ("gone, as was said", entry(), "absent", None, ticket("resolved"), None, "verify", "fixed"),
    ("gone while snoozed", entry(), "absent", None, ticket(), silence(), "verify", "fixed"),
    ("gone with a deleted ticket", entry(), "absent", None, ticket("missing"), None, "none", "fixed-before"),
    ("gone for long", entry(present=False), "absent", None, ticket("verified"), None, "none", "fixed-before"),
    ("gone without a ticket", entry(ticket_id=None), "absent", None, None, None, "none", "fixed-before"),
    ("happened", entry(HAPPENED), "absent", None, ticket(of=HAPPENED), None, "none", "happened-once"),
    ("happened, closed", entry(HAPPENED), "absent", None, ticket("closed", HAPPENED), None, "none", "done"),
    ("the same once more", entry(HAPPENED), "seen", HAPPENED, ticket(of=HAPPENED), None, "none", "still-there"),
    ("the same after closing", entry(HAPPENED), "seen", HAPPENED, ticket("closed", HAPPENED), None, "none", "done"),
    ("happened again", entry(HAPPENED), "seen", AGAIN, ticket(of=HAPPENED), None, "comment", "happened-again"),
    ("happened again after closing", entry(HAPPENED), "seen", AGAIN, ticket("closed", HAPPENED), None, "reopen", "happened-again"),
    ("happened again, its ticket deleted", entry(HAPPENED), "seen", AGAIN, ticket("closed", HAPPENED, queue_status="missing"), None, "open", "happened-again"),
    ("happened again, its open ticket deleted", entry(HAPPENED), "seen", AGAIN, ticket("missing", HAPPENED), None, "open", "happened-again"),
    ("the same, its open ticket deleted", entry(HAPPENED), "seen", HAPPENED, ticket("missing", HAPPENED), None, "none", "ticket-deleted"),
    ("not seen again, its open ticket deleted", entry(HAPPENED), "absent", None, ticket("missing", HAPPENED), None, "none", "done"),
    ("the same, its ticket deleted", entry(HAPPENED), "seen", HAPPENED, ticket("closed", HAPPENED, queue_status="missing"), None, "none", "done"),
    ("happened again after resolving", entry(HAPPENED), "seen", AGAIN, ticket("resolved", HAPPENED), None, "reopen", "happened-again"),
    ("not looked at", entry(), "not-looked-at", None, ticket(), None, "none", "not-looked-at"),
    ("not looked at, resolved", entry(), "not-looked-at", None, ticket("resolved"), None, "none", "not-looked-at"),
    ("its rows are gone", entry(), "rows-gone", None, ticket(), None, "comment", "rows-gone"),
    ("its rows are gone, resolved", entry(), "rows-gone", None, ticket("resolved"), None, "comment", "rows-gone"),
    ("its rows are gone, closed before", entry(), "rows-gone", None, ticket("closed"), None, "none", "rows-gone"),
    ("some rows behind it are gone", entry(), "rows-fewer", None, ticket(), None, "comment", "rows-fewer"),
    ("nobody is left in it", entry(), "nobody-left", None, ticket(), None, "comment", "nobody-left"),
    ("somebody's account is deleted", entry(), "account-deleted", None, ticket(), None, "comment", "account-deleted"),
    ("its audit rows are gone", entry(), "trail-gone", None, ticket(), None, "comment", "trail-gone"),
    ("its audit rows are gone, not looked at before", entry(status="not-looked-at"), "trail-gone", None, ticket(), None, "comment", "trail-gone"),
    ("its audit rows are gone, closed", entry(), "trail-gone", None, ticket("closed"), None, "none", "trail-gone"),
    ("an effect from the first night", None, "explained", STATE, None, None, "none", "explained"),
    ("its cause was found", entry(), "explained", STATE, ticket(), None, "comment", "same-cause"),
    ("its cause was known", entry(explained_by="x"), "explained", STATE, ticket(), None, "none", "explained"),
    ("its cause's ticket is its own", entry(), "explained", STATE, ticket(fingerprint="x"), None, "none", "explained"),
    ("its cause was found, it is snoozed", entry(), "explained", STATE, ticket(), silence(), "none", "snoozed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "observation", "found", "on", "muted", "action", "reason"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_decisions(
    before: Entry | None,
    observation: Observation,
    found: Finding | None,
    on: Ticket | None,
    muted: Silence | None,
    action: str,
    reason: str,
) -> None:
    after = observe(before, observation, found, POLICY.nights, NOON, cause="x" if observation == "explained" else None)
    decision = decide(before, after, observation, on, muted, POLICY, NOON)
    assert (decision.action, decision.reason) == (action, reason)


@pytest.mark.parametrize(
    ("before", "action", "reason"), [(entry(), "comment", "part-fixed"), (entry(present=False), "none", "fixed-before")]
)
def test_a_ticket_on_which_something_is_left_is_not_verified(before: Entry, action: str, reason: str) -> None:
    after = observe(before, "absent", None, POLICY.nights, NOON)
    decision = decide(before, after, "absent", ticket(), None, POLICY, NOON, others_present=True)
    assert (decision.action, decision.reason) == (action, reason)


@pytest.mark.parametrize(
    ("before", "after", "on", "expected"),
    [
        (entry(present=False), entry(), ticket("missing"), True),
        (entry(present=False), entry(present=False), ticket("missing"), False),
        (entry(), entry(), ticket("missing"), False),
        (None, entry(), ticket("missing"), False),
        (entry(present=False), entry(), ticket(), False),
        (entry(present=False), entry(), ticket("closed", queue_status="missing"), False),
        (entry(HAPPENED), entry(HAPPENED), ticket("missing", HAPPENED), False),
    ],
)
def test_only_what_comes_back_has_left_its_deleted_ticket(
    before: Entry | None, after: Entry, on: Ticket, expected: bool
) -> None:
    assert has_left(before, after, on) is expected


@pytest.mark.parametrize("observation", LOST)
def test_that_it_is_lost_is_said_once(observation: Observation) -> None:
    after = observe(entry(), observation, None, POLICY.nights, NOON)
    decision = decide(entry(), after, observation, ticket(), None, POLICY, NOON, said=True)
    assert (after.present, decision.action, decision.reason) == (True, "none", observation)


def test_every_reason_has_its_case() -> None:
    assert {case[-1] for case in CASES} | {"part-fixed", "joined", "same-case"} == set(get_args(Reason))


@pytest.mark.parametrize(
    ("before", "observation", "found", "status", "present"),
    [
        (None, "seen", STATE, "new", True),
        (entry(), "seen", STATE, "still-there", True),
        (entry(), "seen", sized(21), "worse", True),
        (entry(), "seen", sized(19), "better", True),
        (entry(), "seen", sized(99, severity="P2"), "better", True),
        (entry(severity="P2"), "seen", sized(1), "worse", True),
        (entry(), "absent", None, "gone", False),
        (entry(present=False), "absent", None, "gone", False),
        (entry(present=False), "seen", STATE, "back", True),
        (entry(present=False), "not-looked-at", None, "not-looked-at", False),
        (entry(), "not-looked-at", None, "not-looked-at", True),
        (entry(), "explained", None, "still-there", True),
        (entry(HAPPENED), "absent", None, "still-there", True),
        (entry(HAPPENED), "seen", AGAIN, "back", True),
        (entry(present=False, returns=TWICE_BACK), "seen", STATE, "flapping", True),
    ],
)
def test_night_statuses(
    before: Entry | None, observation: Observation, found: Finding | None, status: str, present: bool
) -> None:
    after = observe(before, observation, found, POLICY.nights, NOON)
    assert (after.status, after.present) == (status, present)


def test_what_was_not_looked_at_keeps_all_but_its_status() -> None:
    before = entry(present=False, returns=TWICE_BACK, flapping_said=True, explained_by="x")
    after = observe(before, "not-looked-at", None, POLICY.nights, NOON + 30 * DAY)
    assert after == replace(before, status="not-looked-at")


def test_nothing_is_known_of_what_was_never_seen() -> None:
    with pytest.raises(ValueError, match="nothing is known"):
        observe(None, "absent", None, POLICY.nights, NOON)


@pytest.mark.parametrize(
    ("made", "moment", "expected"),
    [
        (silence(), NOON - HOUR, True),
        (silence(), NOON - HOUR - timedelta(microseconds=1), False),
        (silence(), NOON + HOUR - timedelta(microseconds=1), True),
        (silence(), NOON + HOUR, False),
    ],
)
def test_a_silence_holds_from_its_making_until_just_before_its_end(made: Silence, moment: Any, expected: bool) -> None:
    assert in_force(made, moment) is expected


@pytest.mark.parametrize(
    ("made", "now", "look", "expected"),
    [
        (silence(), 22, "night", True),
        (silence(), 21, "night", False),
        (silence(size=1010), 1110, "night", False),
        (silence(size=4), 5, "night", False),
        (silence(size=4), 6, "night", True),
        (silence(size=1), 2, "night", False),
        (silence(size=0), 2, "night", True),
        (silence(), 39, "quick", False),
        (silence(), 40, "quick", True),
        (silence("dismiss"), 99, "night", False),
        (silence(severity=None, size=None), 99, "night", False),
    ],
)
def test_a_snooze_breaks_by_growth_and_never_by_one_more(made: Silence, now: int, look: Look, expected: bool) -> None:
    assert is_broken(made, entry(size=now), POLICY, look) is expected


def test_the_size_of_a_group_is_its_count() -> None:
    group = STATE.model_copy(update={"members": (STATE.as_related(),), "evidence": {"count": 77}})
    assert (size_of(group), size_of(STATE)) == (77, 20)


def test_a_finding_that_grows_in_households_alone_is_worse() -> None:
    few, more = (finding("no-leader", household="h1", impact=Impact(users=1, households=size)) for size in (4, 9))
    before = entry(few)
    assert observe(before, "seen", more, POLICY.nights, NOON).status == "worse"
