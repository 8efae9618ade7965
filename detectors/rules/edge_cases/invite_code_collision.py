"""One invite code, two households

Problem
-------
Codes must name one household. Where two have the same, or one has what was another's, people join strangers.

Fires when
----------
Two or more households have the same code, compared in upper case; or a code now in use is one that somebody once used to
ask another household to let them in, or that the event of a regeneration says another household had.

Stays silent when
-----------------
A code is null or blank; requests used the household's own code; the events hide their codes, as this app's do. A unique
key on the codes does not rule this out: it compares the case too, and knows nothing of earlier codes; so this detector is
never proved, only run.

Evidence
--------
The households that have the code now and those that had it, and when it was last seen there.

What to do
----------
1. Give one of the households below a new code: the one with fewer pending requests.
2. Look at who joined in between: ask Support to ask the leader whether they meant this household.
3. Let the unique key compare in upper case, as the app does when it looks a code up.

How to check
------------
    SELECT h.id, o.id AS other_id
      FROM households h JOIN households o ON upper(o.invite_code) = upper(h.invite_code) AND o.id <> h.id
     WHERE h.id IN (:households)
    UNION ALL
    SELECT h.id, r.household_id
      FROM households h JOIN household_join_requests r ON upper(r.invite_code) = upper(h.invite_code) AND r.household_id <> h.id
     WHERE h.id IN (:households)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Impact, Meta, Row, Story, Subscription, find
from detectors.domain.values import moment, text_of
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="invite-code-collision",
    title="Invite Code Shared by Two Households",
    team="engineering",
    severity="P2",
    kind="state",
    subject=("invite_code",),
    needs=frozenset({"households.invite_code"}),
    consults=frozenset({"household_join_requests", "household_events"}),
    sure="rows",
    refuted_by="one of the households has been archived, and its code is not accepted",
    process="Engineering Escalations, P2: Invite code uniqueness collisions",
)


def collides(code: FromClause, context: Context) -> ColumnElement[bool]:
    return code.c.colliding_code.is_not(None)


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    having: dict[str, dict[str, datetime]] = defaultdict(dict)
    had: dict[str, dict[str, datetime]] = defaultdict(dict)
    for row in rows:
        code, at = row["colliding_code"], moment(row["had_at"])
        if row["earlier_household_id"] is None:
            if at <= context.watermark:
                having[code][text_of(row["household_id"])] = at
        elif moment(row["created_at"]) <= context.watermark:
            having[code].setdefault(text_of(row["household_id"]), moment(row["created_at"]))
            had[code][row["earlier_household_id"]] = max(at, had[code].get(row["earlier_household_id"], at))
    for code in sorted(having):
        now = sorted(having[code])
        before = sorted(had[code].keys() - set(now))
        if len(now) > 1 or before:
            yield _finding(code, now, before, had[code], context)


def _finding(code: str, now: list[str], before: list[str], had: dict[str, datetime], context: Context) -> Finding:
    both = [*now, *before]
    uses = [f"{household} (last seen {stamp(had[household])})" for household in before]
    return find(
        META,
        context,
        {"invite_code": code},
        impact=Impact(users=0, households=len(both)),
        households=both,
        evidence={
            "households_now": now,
            "households_earlier": [{"household_id": household, "last_seen": had[household]} for household in before],
        },
        story=Story(
            issue=f"One invite code belongs to {count(len(both), 'household')}"
            + ("." if len(now) > 1 else ", now and earlier."),
            steps=(
                "System gave the code to one household",
                "System gave the same code to another one"
                if len(now) > 1
                else "The first household got a new code, and System gave the old one to another household",
            ),
            expected="A code names one household, and is not given away again",
            actual=f"In use at {listed(now)}" + (f"; earlier at {listed(uses)}" if uses else ""),
            impact="People who have the code can land in a stranger's household",
            screenshots="None; the households are listed below",
            requesting="A new code for one of the households and a unique key that compares in upper case",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (
        Subscription(
            "requests", collides, aggregate, ("colliding_code", "earlier_household_id", "had_at", "created_at")
        ),
    ),
)
