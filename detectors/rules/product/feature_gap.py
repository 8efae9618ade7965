"""Feature gap

Problem
-------
Many people ask for the same thing, each in a request of their own: a pattern that no single request shows.

Fires when
----------
Five or more different people asked for one feature within 30 days, and the last of them in the window. The feature's name
is compared without case, and with hyphens and underscores as spaces.

Stays silent when
-----------------
Four people. One person asks five times. Requests that name no feature. Exactly 30 days apart.

Evidence
--------
How many people and requests, the requests' ids, and the monthly revenue of who asked.

What to do
----------
1. Weigh the feature {feature} against the plan: {people|several} people have asked for it in {requests|their}
   requests.
2. Tell those who asked what you decided; the examples below have the requests.

How to check
------------
    SELECT s.feature, count(DISTINCT s.requester_id) AS people
      FROM support_requests s
     WHERE s.category = 'feature_request' AND s.created_at BETWEEN :first_seen AND :occurred_at
     GROUP BY s.feature HAVING count(DISTINCT s.requester_id) > 1
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Impact, Meta, Row, Story, Subscription, find
from detectors.domain.values import text_of
from detectors.limits import Limits
from detectors.rules._support import quoted
from detectors.text.reading import composed
from detectors.text.wording import count, listed

META = Meta(
    id="feature-gap",
    title="Feature Asked For by Many",
    team="product",
    severity="P2",
    kind="occurrence",
    subject=("feature",),
    needs=frozenset({"support_requests.feature", "support_requests.category"}),
    sure="rows",
    refuted_by="the requests come of one person with several accounts",
    process="Product Management Escalations: Feature gap patterns (multiple users requesting same feature)",
)


def names_a_feature(request: FromClause, context: Context) -> ColumnElement[bool]:
    return request.c.feature.is_not(None)


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    by_feature: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["created_at"], row["support_id"])):
        name = feature_name(row["feature"])
        if name and row["requester_id"]:
            by_feature[name].append(row)
    month = _asked_within(context.limits)
    for name, asked in sorted(by_feature.items()):
        inside = [row for row in asked if row["created_at"] in context.window]
        for last in reversed(inside):
            recent = [row for row in asked if last["created_at"] - month < row["created_at"] <= last["created_at"]]
            if len({row["requester_id"] for row in recent}) >= context.limits.feature_people:
                yield _finding(name, recent, context)
                break


def _asked_within(limits: Limits) -> timedelta:
    """How far the first and the last of the requests for one feature lie apart."""
    return timedelta(days=limits.feature_days)


def feature_name(text: str) -> str:
    """A feature's name as the key under which requests for it are counted."""
    words = re.sub(r"[\s_-]+", " ", composed(text))
    return words.strip().casefold()


def _finding(name: str, asked: list[Row], context: Context) -> Finding:
    revenue = {str(row["requester_id"]): row["monthly_revenue"] for row in asked}
    people = sorted(revenue)
    known = [float(amount) for amount in revenue.values() if amount is not None]
    homes = sorted({text_of(row["household_id"]) for row in asked} - {""})
    days = context.limits.feature_days
    touched = f"${sum(known):,.2f} a month from {count(len(known), 'customer')} who asked" if known else ""
    examples = [str(row["support_id"]) for row in asked[-5:]]
    return find(
        META,
        context,
        {"feature": name},
        impact=Impact(users=len(people), households=len(homes)),
        households=homes,
        users=people,
        first_seen=asked[0]["created_at"],
        occurred_at=asked[-1]["created_at"],
        evidence={
            "feature": quoted(name),
            "people": len(people),
            "requests": len(asked),
            "examples": examples,
            "monthly_revenue": sum(known) if known else None,
        },
        story=Story(
            fields={
                "Feature request": quoted(name),
                "Use case": f"In the words of those who asked: support requests {listed(examples)}",
                "Frequency": f"{count(len(people), 'person', 'people')} in {days} days ({count(len(asked), 'request')})",
                "Workaround": "",
                "Competitive comparison": "",
                "Revenue impact": touched,
            }
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (
        Subscription(
            "features",
            names_a_feature,
            aggregate,
            ("created_at", "feature", "household_id", "monthly_revenue", "requester_id"),
        ),
    ),
    looks_back={"feature requests": _asked_within},
)
