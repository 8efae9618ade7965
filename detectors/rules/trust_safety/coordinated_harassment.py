"""Coordinated harassment

Problem
-------
Several people gang up on one: they report them, reject their requests or remove them, together.

Fires when
----------
Within seven days two or more people reported one person (a support request about them), removed them from a household or
rejected their request, and two of these people belong together: they share a household, an invite code they asked with,
or an IP address (events of these days, sessions of any age). The last of it lies in the window.

Stays silent when
-----------------
The reporters have nothing in common. One person reports several times. People report themselves. The app's own service
account. Failed logins on a reporter's account, and addresses that every machine has, connect nobody. Two leaders of one
household, one after the other, who only answered requests or removed somebody there: that is what leaders do.

Evidence
--------
Who did what to the target and when, and what connects them.

What to do
----------
1. Protect user {user_id} first: ask them, through Support, what they need; do not tell them who reported them.
2. Read the reports against them together, not one by one, and look at what the people below share.
3. Decide for each account that acts together: warning, feature restriction, suspension or termination. If what they
   report is true, it is a case of its own.

How to check
------------
    SELECT e.event_timestamp AS at, e.user_id AS by_whom, e.event_type AS what
      FROM household_events e
     WHERE (e.metadata->>'member_id') = :user_id OR (e.metadata->>'requester_id') = :user_id
    UNION ALL
    SELECT s.created_at, s.requester_id, s.category
      FROM support_requests s
     WHERE s.subject_user_id = :user_id
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import combinations

from sqlalchemy import ColumnElement, FromClause, and_

from detectors.cases.target import AdverseAction, TargetCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, TimelineEntry, find
from detectors.limits import Limits
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="coordinated-harassment",
    title="Coordinated Harassment of One Person",
    team="trust-safety",
    severity="Immediate",
    kind="occurrence",
    subject=("user_id",),
    needs=frozenset(
        {
            "household_events.metadata",
            *(
                f"support_requests.{column}"
                for column in (
                    "id",
                    "created_at",
                    "requester_id",
                    "household_id",
                    "subject_user_id",
                    "category",
                    "status",
                )
            ),
        }
    ),
    consults=frozenset({"household_members", "household_join_requests", "sessions"}),
    ways={
        "reports": (frozenset({"support_requests"}),),
        "removals": (
            frozenset({"household_member_removed.member_id"}),
            frozenset({"household_member_removed.user_id"}),
        ),
        "rejections": (
            frozenset({"household_join_request_rejected.requester_id"}),
            frozenset({"household_join_request_rejected.user_id"}),
        ),
    },
    roles={"subject.user_id": "target", "evidence.people": "acts against the target"},
    sure="inferred",
    refuted_by="the people act independently, and share an address or a code by chance",
    process="Trust & Safety Escalations, Immediate: Coordinated harassment through household features",
)


def several_people(doer: FromClause, context: Context) -> ColumnElement[bool]:
    columns = doer.c
    return and_(columns.people >= context.limits.harassment_people, columns.struck_in_window, columns.in_places)


def _together_within(limits: Limits) -> timedelta:
    """How far the first and the last of several people's acts against one person lie apart."""
    return timedelta(days=limits.harassment_days)


def evaluate(case: TargetCase, context: Context) -> Iterator[Finding]:
    week = _together_within(context.limits)
    struck = [adverse for adverse in case.adverse_actions if adverse.by not in context.limits.service_accounts]
    for last in reversed([adverse for adverse in struck if adverse.at in context.window]):
        adverse_actions = [adverse for adverse in struck if last.at - week < adverse.at <= last.at]
        links = _links(case, adverse_actions)
        group = {person for pair in links for person in pair}
        if len(group) >= context.limits.harassment_people:
            yield _finding(case, [adverse for adverse in adverse_actions if adverse.by in group], links, context)
            return


def _links(case: TargetCase, adverse_actions: list[AdverseAction]) -> dict[tuple[str, str], list[str]]:
    """What connects each pair of people who struck; pairs without a connection are left out."""
    by: dict[str, list[AdverseAction]] = defaultdict(list)
    for adverse in adverse_actions:
        by[adverse.by].append(adverse)
    links = {}
    for one, other in combinations(sorted(by), 2):
        if _leaders_in_turn(by[one] + by[other]):
            continue
        shared = [
            *(f"household {home}" for home in sorted(_both(case.households, one, other))),
            *(f"invite code {code[:3]}-…" for code in sorted(_both(case.codes, one, other))),
            *(f"IP address {address}" for address in sorted(_both(case.addresses, one, other))),
        ]
        if shared:
            links[one, other] = shared
    return links


def _both(shared: Mapping[str, frozenset[str]], one: str, other: str) -> frozenset[str]:
    return shared.get(one, frozenset()) & shared.get(other, frozenset())


def _leaders_in_turn(adverse_actions: list[AdverseAction]) -> bool:
    return (
        not any(adverse.reported for adverse in adverse_actions)
        and len({adverse.household_id for adverse in adverse_actions}) == 1
    )


def _finding(
    case: TargetCase, adverse_actions: list[AdverseAction], links: dict[tuple[str, str], list[str]], context: Context
) -> Finding:
    people = sorted({adverse.by for adverse in adverse_actions})
    homes = {adverse.household_id for adverse in adverse_actions}
    shared = sorted({what for found in links.values() for what in found})
    return find(
        META,
        context,
        {"user_id": case.key},
        impact=Impact(users=1, households=len(homes - {""})),
        households=homes,
        users=[case.key, *people],
        first_seen=adverse_actions[0].at,
        occurred_at=adverse_actions[-1].at,
        evidence={
            "target": case.key,
            "people": people,
            "shared": shared,
            "blows": [{"at": adverse.at, "by": adverse.by, "what": adverse.kind} for adverse in adverse_actions],
        },
        timeline=tuple(
            TimelineEntry(
                at=adverse.at, what=f"{'reported' if adverse.reported else ''} {adverse.kind}".strip(), actor=adverse.by
            )
            for adverse in adverse_actions[-20:]
        ),
        story=Story(
            pattern=f"{count(len(people), 'person', 'people')} who share {listed(shared)} reported or acted against one user",
            evidence=tuple(f"{stamp(adverse.at)}: {adverse.by}: {adverse.kind}" for adverse in adverse_actions[-20:]),
            suspected_violation="Coordinated harassment",
            reporter="Internal monitoring alert",
            requesting="Protection of the target and review of the accounts that act together",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("acts", several_people, opens="target"),),
    evaluate,
    by_night_in_part="acts in households of which no row names the person, and what connects people only after they acted",
    looks_back={"adverse actions": _together_within},
)
