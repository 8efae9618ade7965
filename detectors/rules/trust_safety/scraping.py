"""Scraping of households or codes

Problem
-------
Somebody harvests data: reads household after household, or tries code after code until one fits.

Fires when
----------
On one day a user (or an IP address, where no user is known) read more than 200 different households that they do not
belong to; or tried 100 or more codes that are not valid within an hour, or 200 or more on a day.

Stays silent when
-----------------
Exactly 200 households; 99 codes in an hour and 199 on a day; valid codes; a retried guess, which counts once; reads of
one's own households; reads that ended in an error; the app's own service accounts.

Evidence
--------
How many households or codes, in which time, from which addresses, and how many codes were hit.

What to do
----------
1. Decide whether {user_id|whoever is behind the address} reads for themselves or collects: the households below are
   not theirs.
2. Ask Engineering to block the address, or restrict the account's household features, while it goes on.
3. Ask Engineering to regenerate the codes that were hit, if any ({codes_hit|see the evidence}), and Support to tell
   those households.

How to check
------------
    SELECT count(DISTINCT e.household_id) AS households_read, count(*) AS reads
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.cases.conduct import ConductCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.records import Event
from detectors.events import GUESS, VIEWS
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="scraping",
    title="Scraping or Data Harvesting",
    team="trust-safety",
    severity="Next-day",
    kind="occurrence",
    subject=("user_id", "ip_address"),
    needs=frozenset({"household_events.event_type", "household_events.user_id", "household_events.metadata"}),
    consults=frozenset({"household_members"}),
    ways={
        "reads of households": (frozenset(VIEWS),),
        "guesses of codes": (frozenset({"household_invite_code_validated.valid"}),),
    },
    roles={"subject.user_id": "actor"},
    sure="trail",
    refuted_by="an account of our own support, or a monitor, that is not on the policy's list",
    process="Trust & Safety Escalations, Next-Day: Scraping or data harvesting",
)


_YES, _NO = frozenset({"true", "t", "yes", "1"}), frozenset({"false", "f", "no", "0"})
"""How exports write whether a code was valid."""


def many_reads_or_guesses(conduct: FromClause, context: Context) -> ColumnElement[bool]:
    limits = context.limits
    guesses = min(limits.guessed_codes_per_hour, limits.guessed_codes_per_day)
    return or_(conduct.c.views > limits.scraped_households, conduct.c.guesses >= guesses)


def evaluate(case: ConductCase, context: Context) -> Iterator[Finding]:
    if case.key in context.limits.service_accounts:
        return
    settled = [event for event in case.events if event.at <= context.watermark]
    reads = [
        event
        for event in settled
        if event.type in VIEWS
        and event.household_id
        and event.household_id not in case.households
        and not event.text("error_code")
    ]
    guesses = [event for event in settled if event.type == GUESS and _validity(event) in _NO]
    harvested = _harvested(reads, context)
    walked = _in_an_hour(guesses, context) or _on_a_day(guesses, context)
    if harvested or walked:
        hits = {e.household_id for e in settled if e.type == GUESS and _validity(e) in _YES}
        yield _finding(case, harvested, walked, hits, context)


def _validity(guess: Event) -> str:
    return guess.text("valid").strip().lower()


def _by_day(events: Sequence[Event], context: Context) -> list[list[Event]]:
    """The events of each day that touches the window, the last of which lies in it."""
    days = defaultdict(list)
    for event in events:
        days[context.day(event.at)].append(event)
    return [theirs for _, theirs in sorted(days.items()) if theirs[-1].at in context.window]


def _harvested(reads: Sequence[Event], context: Context) -> list[Event]:
    for day in _by_day(reads, context):
        first = {event.household_id: event for event in reversed(day)}
        if len(first) > context.limits.scraped_households:
            return sorted(first.values(), key=lambda event: event.at)
    return []


def _in_an_hour(guesses: Sequence[Event], context: Context) -> list[Event]:
    most = context.limits.guessed_codes_per_hour
    for last in range(most - 1, len(guesses)):
        begins, ends = guesses[last - most + 1].at, guesses[last].at
        if ends in context.window and ends - begins < timedelta(hours=1):
            return [event for event in guesses if begins <= event.at < begins + timedelta(hours=1)]
    return []


def _on_a_day(guesses: Sequence[Event], context: Context) -> list[Event]:
    for day in _by_day(guesses, context):
        if len(day) >= context.limits.guessed_codes_per_day:
            return day
    return []


def _finding(
    case: ConductCase, harvested: list[Event], walked: list[Event], hits: set[str], context: Context
) -> Finding:
    events = sorted([*harvested, *walked], key=lambda event: event.at)
    homes = {event.household_id for event in harvested} | hits
    addresses = sorted({event.text("ip_address") for event in events} - {""})
    said = []
    if harvested:
        said.append(f"read {count(len(harvested), 'household')} they do not belong to in a day")
    if walked:
        minutes = (walked[-1].at - walked[0].at).total_seconds() / 60
        said.append(f"tried {count(len(walked), 'invalid code')} in {minutes:.0f} minutes")
    user = case.subject.get("user_id", "")
    return find(
        META,
        context,
        case.subject,
        impact=Impact(users=1 if user else 0, households=len(homes - {""})),
        households=homes,
        users=[user],
        first_seen=events[0].at,
        occurred_at=events[-1].at,
        evidence={
            "households_read": len(harvested),
            "invalid_codes": len(walked),
            "codes_hit": len(hits),
            "ip_addresses": addresses[:20],
        },
        story=Story(
            pattern=f"{'User' if user else 'IP address'} {' and '.join(said)}",
            evidence=(
                f"{stamp(events[0].at)} to {stamp(events[-1].at)}: {' and '.join(said)}",
                f"IP addresses: {listed(addresses) or 'not recorded'}",
            ),
            suspected_violation="Scraping or data harvesting",
            reporter="Internal monitoring alert",
            requesting="Account review, a block of the address, and new codes where one was hit",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("conduct", many_reads_or_guesses),), evaluate)
