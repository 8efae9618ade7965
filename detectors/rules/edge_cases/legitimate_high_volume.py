"""A known organisation keeps meeting the rate limits

Problem
-------
A shelter or rescue does in a day what a family does in a year. The limits that protect families keep stopping it, and it
needs limits of its own.

Fires when
----------
A user or household on the policy's list of known organisations was refused for a rate limit on three or more days of the
last seven; a refusal without a user counts for the leader of its household. It fires on the night whose window holds the
last such day.

Stays silent when
-----------------
Two days; a refusal that was retried with one correlation_id after midnight; an account that is not on the list; the list
is empty (then this detector has nothing to find).

Evidence
--------
The days with the refusals on each, and which limits they were.

What to do
----------
1. Decide on limits of its own for the account or household that this is about: the refusals below say of which
   operation.
2. Until then ask Support to tell them how to work within the ordinary limits, and until when.

How to check
------------
    SELECT (e.metadata->>'limit_type') AS limit_type, count(*) AS refusals
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_type = 'rate_limit_exceeded'
       AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY 1

    SELECT (e.metadata->>'limit_type') AS limit_type, count(*) AS refusals
      FROM household_events e
     WHERE e.household_id = :household_id AND e.event_type = 'rate_limit_exceeded'
       AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY 1
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, Text, and_, cast, or_

from detectors.contract import (
    Context,
    Detector,
    Finding,
    Impact,
    Meta,
    Row,
    Story,
    SubjectKey,
    Subscription,
    TimelineEntry,
    find,
)
from detectors.domain.retries import first_of_each
from detectors.domain.spans import days_of_a_pattern, first_day_of_a_pattern
from detectors.domain.values import moment, text_of
from detectors.events import EventType
from detectors.limits import Limits
from detectors.text.wording import count, listed

META = Meta(
    id="legitimate-high-volume",
    title="Known Organisation Keeps Meeting Rate Limits",
    team="engineering",
    severity="P2",
    kind="occurrence",
    subject=("user_id", "household_id"),
    needs=frozenset({"household_events.event_type", "household_events.metadata"}),
    events=(frozenset({EventType.RATE_LIMIT_EXCEEDED}),),
    sure="trail",
    refuted_by="the account is no longer with the organisation on the policy's list",
    process="Engineering Escalations, P2: Legitimate need for custom rate limits",
    feature="rate limiting",
)

COLUMNS = ("household_id", "at", "correlation_id", "limit_name", "leader_id")


def refused_to_a_known_organisation(limited: FromClause, context: Context) -> ColumnElement[bool]:
    known, columns = sorted(context.limits.known_organisations), limited.c
    listed_ids = (cast(columns.user_id, Text), cast(columns.household_id, Text), columns.leader_id)
    return and_(columns.kind == "refused", or_(*(one.in_(known) for one in listed_ids)))


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    refusals: dict[tuple[SubjectKey, str], list[Row]] = defaultdict(list)
    for row in _each_once(rows):
        if moment(row["at"]) <= context.watermark:
            for subject in _accounts(row, context.limits.known_organisations):
                refusals[subject].append(row)
    for (key, account), theirs in sorted(refusals.items()):
        finding = _evaluate(key, account, theirs, context)
        if finding:
            yield finding


def _each_once(rows: Iterable[Row]) -> list[Row]:
    """Each refusal once, at its earliest time: a retry after midnight is no refusal of another day."""
    in_order = sorted(rows, key=lambda row: (moment(row["at"]), text_of(row["household_id"]), text_of(row["user_id"])))
    return first_of_each(in_order, lambda row: text_of(row["correlation_id"]))


def _accounts(row: Row, known: frozenset[str]) -> Iterator[tuple[SubjectKey, str]]:
    user = text_of(row["user_id"]) or text_of(row["leader_id"])
    if user in known:
        yield "user_id", user
    if text_of(row["household_id"]) in known:
        yield "household_id", text_of(row["household_id"])


def _evaluate(key: SubjectKey, account: str, refusals: list[Row], context: Context) -> Finding | None:
    first_day = first_day_of_a_pattern(context)
    refusals = [row for row in refusals if context.day(moment(row["at"])) >= first_day]
    days = Counter(context.day(moment(row["at"])) for row in refusals)
    times = sorted(moment(row["at"]) for row in refusals)
    if len(days) < context.limits.refusal_days_least or times[-1] not in context.window:
        return None
    kinds = Counter(text_of(row["limit_name"]) or "unknown" for row in refusals)
    households = {text_of(row["household_id"]) for row in refusals} - {""}
    users = {text_of(row["user_id"]) for row in refusals} - {""}
    if key == "user_id":
        users.add(account)
    return find(
        META,
        context,
        {key: account},
        impact=Impact(users=len(users), households=len(households)),
        households=households,
        users=users,
        first_seen=times[0],
        occurred_at=times[-1],
        evidence={
            "days": [{"day": day.isoformat(), "refusals": number} for day, number in sorted(days.items())],
            "limits": dict(kinds.most_common()),
            "count": len(refusals),
        },
        timeline=tuple(
            TimelineEntry(at=context.day_start(day), what=f"on {day.isoformat()}: refused {count(number, 'time')}")
            for day, number in sorted(days.items())
        ),
        story=Story(
            issue=f"A known organisation was refused for rate limits on {count(len(days), 'day')}.",
            steps=(
                "The organisation works with far more households or members than a family",
                f"It met these limits: {listed([f'{kind} ({number:,} times)' for kind, number in kinds.most_common()])}",
                "The app refused it, as it would refuse anybody",
            ),
            expected="A known organisation can do its work",
            actual=f"Refused {count(len(refusals), 'time')} on {count(len(days), 'day')}",
            impact="1 organisation is held up in its work",
            error_messages="RATE_LIMIT_EXCEEDED",
            screenshots="None; the days are listed in the evidence",
            requesting="Custom rate limits for this account",
        ),
    )


def _nobody_listed(limits: Limits) -> str | None:
    return None if limits.known_organisations else "the policy lists no known organisations"


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("limited", refused_to_a_known_organisation, aggregate, COLUMNS),),
    pointless=_nobody_listed,
    looks_back={"refusals": days_of_a_pattern},
)
