"""Markup or an injection stored in a household's texts

Problem
-------
A household's name, description or invite code holds text that a page or a database would run instead of showing it: an
attempt at XSS or injection that the app has stored as it came.

Fires when
----------
One of the three holds a raw HTML tag, an event handler inside a raw tag, a javascript: or data: URL in one, or a SQL or
template payload.

Stays silent when
-----------------
The text is already escaped (`&lt;script&gt;`); it holds an ampersand, an apostrophe, a heart (<3), a comparison, a name in
angle brackets, the word "javascript". Also while the household is younger than the grace period. What stands behind the
first 2,000 characters of a name with its description is not read.

Evidence
--------
Each field with what is live in it and a quotation of at most 80 characters.

What to do
----------
Clean the stored text, find the way in that does not validate it, and check where it is shown unescaped.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.contract import Context, Detector, Finding, Impact, Meta, Ride, Story, find
from detectors.facts import HouseholdCase
from detectors.source.sql import matches
from detectors.texts import MARKUP_PREFILTER, live_markup
from detectors.timeline import timeline
from detectors.words import count, listed

META = Meta(
    id="stored-markup",
    title="Markup or Injection Stored in a Household's Texts",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.name"}),
    process="Engineering Escalations, P0: XSS or injection attempts succeeding",
)


def may_hold_markup(texts: FromClause, context: Context) -> ColumnElement[bool]:
    return or_(*(matches(column, MARKUP_PREFILTER, any_case=True) for column in (texts.c.text, texts.c.invite_code)))


def judge(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    household = case.household
    if household is None or household.created_at > context.settled:
        return
    texts = {
        "name": household.name,
        "description": household.description,
        "invite_code": household.invite_code,
    }
    live = {field: markup for field, text in texts.items() if (markup := live_markup(text))}
    if not live:
        return
    members = case.affected
    found = [f"{field}: {markup.kind}, “{markup.quote}”" for field, markup in live.items()]
    changes = case.events_of("household_invite_code_regenerated") if "invite_code" in live else ()
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(members), households=1),
        households=[case.household_id],
        users=[household.leader_id or ""],
        first_seen=household.created_at,
        evidence={
            "fields": [{"field": field, "kind": markup.kind, "quote": markup.quote} for field, markup in live.items()],
            "active_members": len(members),
        },
        timeline=timeline(changes or case.events),
        story=Story(
            issue=f"Household's {listed(list(live))} {'holds' if len(live) == 1 else 'hold'} live markup or an injection.",
            steps=(
                f"Somebody who may change the household (its leader is {household.leader_id or 'unknown'}) saved the text",
                "System should have refused or escaped it",
                "The text is stored as it came",
            ),
            expected="Names, descriptions and codes hold plain text; anything else is refused or stored escaped",
            actual="; ".join(found),
            impact=f"{count(len(members), 'member')} of the household, and everybody who is shown its texts",
            screenshots="None; the texts are quoted above",
            requesting="Removal of the stored text and investigation into which path stored it without validation",
        ),
    )


DETECTOR = Detector(META, __doc__, (Ride("texts", may_hold_markup),), judge)
