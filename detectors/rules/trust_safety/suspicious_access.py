"""Suspicious access to a household

Problem
-------
One account acts from places or devices that do not fit one person, and then changes a household.

Fires when
----------
Within one hour a user's household actions came from three or more networks (/16, or /48 for IPv6), or from two or more
user agents never seen for that user before, in events or sessions of any age, although at least a week of their history
is there; and at that moment or less than an hour after it they changed a household. The change lies in the window.

Stays silent when
-----------------
A phone and a laptop, which the history knows. Two networks. No change. A new user without a week of history. Addresses
that are no IP addresses, or that every machine has, count for nothing. Exactly one hour apart.

Evidence
--------
The networks and new user agents, how long the user's history is, the changes.

What to do
----------
1. Ask the owner of account {user_id}, by an address from before {first_seen|that hour}, whether it was them.
2. If it was not: end the account's sessions, have its password reset, and ask Engineering to undo the change below.
3. If it was: close this ticket as expected.

How to check
------------
    SELECT (e.metadata->>'ip_address') AS address, (e.metadata->>'user_agent') AS device, count(*) AS actions
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY 1, 2
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.cases.conduct import ConductCase
from detectors.cases.habits import first_used_agents
from detectors.cases.timeline import describe, timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.records import Event
from detectors.domain.spans import habit
from detectors.events import CHANGES, LOGINS, VIEWS
from detectors.limits import Limits
from detectors.rules._support import quoted
from detectors.text.addresses import network_of
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="suspicious-access",
    title="Suspicious Household Access Pattern",
    team="trust-safety",
    severity="Immediate",
    kind="occurrence",
    subject=("user_id",),
    needs=frozenset({"household_events.event_type", "household_events.user_id", "household_events.metadata"}),
    consults=frozenset({"sessions"}),
    events=(frozenset(CHANGES), frozenset(f"{name}.ip_address|user_agent" for name in (*VIEWS, *CHANGES))),
    roles={"subject.user_id": "account that was used"},
    actor="account that was used",
    sure="inferred",
    refuted_by="the owner travels, uses a private relay, or has a new device",
    process="Trust & Safety Escalations, Immediate: Suspicious household access patterns",
)


def many_places(anomaly: FromClause, context: Context) -> ColumnElement[bool]:
    limits = context.limits
    return or_(anomaly.c.networks >= limits.access_networks, anomaly.c.new_agents >= limits.access_new_agents)


def evaluate(case: ConductCase, context: Context) -> Iterator[Finding]:
    if case.key in context.limits.service_accounts:
        return
    settled = [event for event in case.events if event.at <= context.watermark]
    actions = [event for event in settled if event.household_id and event.type not in LOGINS]
    hour = timedelta(minutes=context.limits.access_minutes)
    odd = list(_odd_moments(actions, first_used_agents(settled, case.earlier_agents), context))
    moments = [one.at for one in odd]
    for change in actions:
        if change.type in CHANGES and change.at in context.window:
            place = bisect_right(moments, change.at) - 1
            if place >= 0 and change.at - moments[place] < hour:
                yield _finding(case, actions, change, odd[place], context)
                return


@dataclass(frozen=True, slots=True)
class _Odd:
    """A moment at which the hour before shows too many networks or new user agents."""

    at: datetime
    networks: tuple[str, ...]
    agents: tuple[str, ...]


def _odd_moments(actions: Sequence[Event], first_used: dict[str, datetime], context: Context) -> Iterator[_Odd]:
    limits = context.limits
    hour, week = timedelta(minutes=limits.access_minutes), timedelta(days=limits.habit_days)
    known_since = min(first_used.values(), default=None)
    networks: Counter[str] = Counter()
    agents: Counter[str] = Counter()
    oldest = 0
    for event in actions:
        networks[network_of(event.text("ip_address"))] += 1
        agents[event.text("user_agent")] += 1
        while actions[oldest].at <= event.at - hour:
            networks[network_of(actions[oldest].text("ip_address"))] -= 1
            agents[actions[oldest].text("user_agent")] -= 1
            oldest += 1
        places = sorted(network for network, times in networks.items() if times and network)
        new: list[str] = []
        if known_since is not None and known_since <= event.at - week:
            new = sorted(a for a, times in agents.items() if times and a and first_used[a] > event.at - hour)
        if len(places) >= limits.access_networks or len(new) >= limits.access_new_agents:
            yield _Odd(event.at, tuple(places), tuple(new))


def _finding(case: ConductCase, actions: list[Event], change: Event, odd: _Odd, context: Context) -> Finding:
    hour = timedelta(minutes=context.limits.access_minutes)
    span = [event for event in actions if odd.at - hour < event.at <= odd.at]
    networks, agents = odd.networks, odd.agents
    homes = sorted({event.household_id for event in (*span, change)})
    said = []
    if len(networks) >= context.limits.access_networks:
        said.append(f"{count(len(networks), 'network')} ({listed(networks)})")
    if len(agents) >= context.limits.access_new_agents:
        said.append(f"{count(len(agents), 'user agent')} never seen before")
    minutes = f"{context.limits.access_minutes:g} minutes"
    return find(
        META,
        context,
        {"user_id": case.key},
        impact=Impact(users=1, households=len(homes)),
        households=homes,
        users=[case.key],
        first_seen=span[0].at,
        occurred_at=change.at,
        evidence={
            "networks": list(networks),
            "new_user_agents": [quoted(agent) for agent in agents],
            "history_since": min((case.events[0].at, *case.earlier_agents.values())),
            "actions": len(span),
            "change": {"at": change.at, "what": change.type, "household_id": change.household_id},
        },
        timeline=timeline(span if change in span else [*span, change]),
        story=Story(
            pattern=f"Household actions within {minutes} from {' and '.join(said)}, followed by a change",
            evidence=(
                f"{stamp(span[0].at)} to {stamp(span[-1].at)}: {count(len(span), 'action')} from {' and '.join(said)}",
                f"{stamp(change.at)}: {describe(change)}",
            ),
            suspected_violation="Account compromise",
            reporter="Internal monitoring alert",
            requesting="Account review, contact with the owner, and reversal of the change if confirmed",
        ),
    )


def _around_a_change(limits: Limits) -> timedelta:
    """How far the first and the last access of one anomaly lie apart: a change is in the middle."""
    return timedelta(minutes=2 * limits.access_minutes)


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("access-anomalies", many_places),),
    evaluate,
    looks_back={
        "accesses": _around_a_change,
        "habits": lambda limits: max(habit(limits), _around_a_change(limits)),
    },
)
