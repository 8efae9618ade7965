"""Lists, stories, digests and the night's summary: whatever people typed, nothing of it acts."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import example, given

from detectors.contract import Window
from escalation.decide.clocks import Overdue
from escalation.deliver.helpdesk import Delivered, Failed
from escalation.ledger.nights import PastDecision
from escalation.ledger.records import Entry, Silence, Ticket, TicketOutcome
from escalation.ledger.silences import EndedSilence
from escalation.nights.night import NightReport
from escalation.nights.told import Told
from escalation.people.outcomes import Settled
from escalation.policy.policy import load_policy
from escalation.views.digest import Digest, EndingSilence, InProgress
from escalation.views.review import Recheck, TicketStory
from reports import digest, night, ticket_list
from tests.reports.hostile import FRAGMENTS, hidden, live, texts
from tests.reports.hostile import WHEN as NOW
from tests.reports.test_neutral import tokens
from tests.support.effort import tries

POLICY = load_policy()
SOON, LATE = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


def ticket_of(text: str) -> Ticket:
    return Ticket(
        id=1,
        external_id="hw-1",
        fingerprint="f",
        detector="no-leader",
        team="engineering",
        severity="P0",
        title=text,
        status="closed",
        opened_at=LATE,
        clock_began_at=LATE,
        acknowledge_due=LATE,
        investigate_due=SOON,
        resolve_due=SOON,
        ended_at=NOW,
        closed_as="expected",
        closing_reason=text,
        ref_id="1",
        ref_url="out/queue/hw-1.md",
    )


def entry_of(text: str) -> Entry:
    return Entry(
        fingerprint="f",
        detector="no-leader",
        team="engineering",
        kind="state",
        severity="P0",
        size=1,
        title=text,
        subject={"household_id": text},
        households=(text,),
        users=(text,),
        claims={"name": text},
        status="flapping",
        present=True,
        first_seen_at=LATE,
        last_seen_at=NOW,
        happened_at=None,
        said_severity="P0",
        said_size=1,
    )


def silence_of(text: str) -> Silence:
    return Silence(1, "f", "snooze", text, text, LATE, SOON, "P0", 1)


def settled_of(text: str) -> Settled:
    return Settled(ticket_of(text), (text,), (text,), (text,), reporter_only=False, cut=True, words=text)


def digest_of(text: str) -> Digest:
    quiet = InProgress(ticket_of(text), timedelta(days=1), (), ("resolve", SOON), True, silence_of(text))
    with_mention = InProgress(ticket_of(text), timedelta(days=1), (Overdue("acknowledge", LATE),), None, False, None)
    ending = EndingSilence(silence_of(text), entry_of(text), ticket_of(text))
    return Digest(
        LATE, NOW, {"engineering": (quiet, with_mention)}, (ending,), (settled_of(text),), (ticket_of(text),), 3
    )


def report_of(text: str) -> NightReport:
    told = Told("f", "no-leader", "engineering", "P0", text, {"household_id": text}, "new", "open", "new", "hw-1")
    return NightReport(
        as_of=NOW,
        window=Window(LATE, NOW),
        complete=True,
        findings=(),
        told=(told,),
        delivered=(Delivered("hw-1", "create", "out/queue/hw-1.md"),),
        failed=(Failed("hw-1", "create", text),),
        deleted=(ticket_of(text),),
        announced=(),
        unannounced=(Failed("hw-1", "create", text),),
        open_tickets={"engineering": 1},
        overdue=((ticket_of(text), (Overdue("acknowledge", LATE),)),),
        settled=(settled_of(text),),
        unlearned=(ticket_of(text),),
    )


def story_of(text: str, at: datetime = NOW) -> TicketStory:
    return TicketStory(
        ticket=ticket_of(text),
        entries=(entry_of(text),),
        decisions=(PastDecision(at, "f", "new", "open", "new"),),
        silences=(silence_of(text),),
        ended_silences=(EndedSilence("snooze", text, text, LATE, at, text),),
        unsent=(),
        outcomes=(TicketOutcome(1, text, text, text, text, at),),
    )


@tries(60)
@given(texts)
@example("".join(FRAGMENTS))
def test_nothing_acts_wherever_it_is_listed(text: str) -> None:
    shown = (
        ticket_list.listed(digest_of(text).teams["engineering"]),
        ticket_list.story(story_of(text)),
        ticket_list.rechecked([Recheck(entry_of(text), "changed", ((text, text, text),))]),
        digest.to_text(digest_of(text), POLICY),
        night.summary(report_of(text)),
    )
    assert [(hidden(one), live(one)) for one in shown] == [([], [])] * len(shown)
    marked = digest.to_markdown(digest_of(text), POLICY)
    assert hidden(marked) == []
    kinds = {kind for kind, _ in tokens(marked)}
    assert kinds.isdisjoint({"link_open", "image", "html_inline", "html_block", "em_open", "strong_open", "s_open"})
