"""Household dashboard loads too slowly

Problem
-------
People wait more than ten seconds for the household dashboard, and not just once in a while.

Fires when
----------
Of the window's dashboard views (household_dashboard_viewed with a duration), the 95th percentile took over 10 s, or more
than 1 % of at least 100 views did.

Stays silent when
-----------------
Views took exactly 10 s; a single view was slow, whatever the number of views; exactly 1 % were. The 95th percentile is
the smallest duration that 95 % of the views do not exceed. A view written twice with one correlation_id counts once; a
view without a duration counts not at all.

Evidence
--------
The number of views and of slow ones, their share, the slowest, first and last, the households with the most slow views.

What to do
----------
1. Look at the slowest households ({households|see the evidence}): how many members, pets and events they have.
2. Run the dashboard's statements for one of them with EXPLAIN (ANALYZE, BUFFERS) on a replica.
3. Compare with the load at that time, and with what was deployed before.

How to check
------------
    SELECT e.household_id, count(*) AS slow_views
      FROM household_events e
     WHERE e.event_type = 'household_dashboard_viewed' AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
       AND CAST((e.metadata->>'duration_ms') AS numeric) > :limit_ms
     GROUP BY e.household_id ORDER BY 2 DESC
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Impact, Meta, Row, Story, Subscription, TimelineEntry, find
from detectors.domain.values import moment, text_of
from detectors.limits import Limits
from detectors.text.wording import count

META = Meta(
    id="slow-dashboard",
    title="Household Dashboard Loads Slowly",
    team="engineering",
    severity="P1",
    kind="occurrence",
    subject=("window",),
    needs=frozenset({"household_events.event_type", "household_events.metadata"}),
    events=(frozenset({"household_dashboard_viewed.duration_ms"}),),
    sure="trail",
    refuted_by="the durations were measured on the users' devices, and their networks were slow",
    process="Engineering Escalations, P1: Household dashboard loading >10 seconds",
    feature="household dashboard",
)

EXAMPLES = 5


def is_slow(dashboard: FromClause, context: Context) -> ColumnElement[bool]:
    return dashboard.c.duration_ms > context.limits.dashboard_slow_ms


def too_many_slow(slow: int, views: int, limits: Limits) -> bool:
    if slow < 2:
        return False
    # The 95th percentile is slow if fewer than 95 % of the views are not; in whole numbers, to be exact at the boundary.
    percentile_is_slow = 100 * (views - slow) < 95 * views
    return percentile_is_slow or (views >= limits.dashboard_views_least and slow > limits.dashboard_slow_most * views)


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    slow = sorted(rows, key=lambda row: (moment(row["at"]), text_of(row["household_id"]), text_of(row["user_id"])))
    views = int(slow[0]["views"]) if slow else 0
    if not too_many_slow(len(slow), views, context.limits):
        return
    users = {text_of(row["user_id"]) for row in slow} - {""}
    households = Counter(text_of(row["household_id"]) for row in slow if row["household_id"] is not None)
    worst = sorted(slow, key=lambda row: -row["duration_ms"])[:EXAMPLES]
    slowest, limit = float(worst[0]["duration_ms"]) / 1000, context.limits.dashboard_slow_ms / 1000
    share = f"{100 * len(slow) / views:.1f} %"
    most = context.limits.incident_members_most
    yield find(
        META,
        context,
        {"window": "household-dashboard"},
        impact=Impact(users=len(users), households=len(households)),
        households=sorted(households)[:most],
        users=sorted(users)[:most],
        first_seen=moment(slow[0]["at"]),
        occurred_at=moment(slow[-1]["at"]),
        evidence={
            "views": views,
            "slow_views": len(slow),
            "share": round(len(slow) / views, 4),
            "limit_ms": context.limits.dashboard_slow_ms,
            "slowest_ms": float(worst[0]["duration_ms"]),
            "households": dict(households.most_common(EXAMPLES)),
        },
        timeline=tuple(
            TimelineEntry(
                at=moment(row["at"]),
                what=f"dashboard of {text_of(row['household_id']) or '(unknown)'} took {row['duration_ms'] / 1000:.1f} s",
                actor=text_of(row["user_id"]),
            )
            for row in sorted(worst, key=lambda row: moment(row["at"]))
        ),
        story=Story(
            issue=f"{count(len(slow), 'dashboard view')} of {views:,} ({share}) took more than {limit:g} seconds.",
            steps=(
                "Users opened their household's dashboard",
                f"System should have shown it within {limit:g} seconds",
                f"It took longer, up to {slowest:.1f} seconds",
            ),
            expected=f"The dashboard loads within {limit:g} seconds",
            actual=f"{share} of the views took longer; the slowest {slowest:.1f} seconds",
            impact=f"{count(len(users), 'user')} of {count(len(households), 'household')} waited",
            error_messages="None",
            screenshots="None; the slowest views are listed in the timeline",
            requesting="Investigation into the dashboard's loading time",
        ),
    )


DETECTOR = Detector(
    META, __doc__, (Subscription("dashboards", is_slow, aggregate, ("household_id", "at", "duration_ms", "views")),)
)
