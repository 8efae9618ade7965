"""Markup or an injection stored in a household's texts

Problem
-------
A household's name, description or invite code, or the code that somebody wrote into a join request, holds text that a page or a database would run instead of showing it: an
attempt at XSS or injection that the app has stored as it came.

Fires when
----------
One of the four holds a raw HTML tag, an event handler inside a raw tag, a javascript: or data: URL in one, or a SQL or
template payload.

Stays silent when
-----------------
The text is already escaped (`&lt;script&gt;`); it holds an ampersand, an apostrophe, a heart (<3), a comparison, a name in
angle brackets, the word "javascript". Also while the household, or the request, is younger than the grace period. What stands behind the
first 2,000 characters of a name with its description is not read.

Evidence
--------
Each field with what is live in it and a quotation of at most 80 characters; the join requests with such a code and who made
them.

What to do
----------
1. Do not open household {household_id} in an ordinary browser session before the text is clean.
2. Replace the text in the fields that the evidence names, and keep a copy for the investigation.
3. Find the way in: which endpoint stored it without the app's check of letters, digits and spaces.
4. Check where the field is shown unescaped, in mails and admin screens too; end the sessions of members who have
   opened it if it ran.

How to check
------------
    SELECT t.row_id, t.stored_in
      FROM (SELECT h.id AS row_id, 'household' AS stored_in, concat(h.name, ' ', h.description, ' ', h.invite_code) AS held
              FROM households h WHERE h.id = :household_id
            UNION ALL
            SELECT r.id, 'join request', r.invite_code
              FROM household_join_requests r WHERE r.household_id = :household_id) t
     WHERE t.held LIKE '%<%' OR t.held LIKE '%{{%' OR t.held LIKE '%${%' OR t.held LIKE '%''%' OR t.held LIKE '%;%'
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import ColumnElement, FromClause, or_
from sqlalchemy import case as case_when

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.records import JoinRequest
from detectors.events import EventType
from detectors.source.sql import matches
from detectors.text.markup import MARKUP_PREFILTER, live_markup
from detectors.text.wording import count, listed

META = Meta(
    id="stored-markup",
    title="Markup or Injection Stored in a Household's Texts",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.name"}),
    consults=frozenset({"household_join_requests"}),
    sure="rows",
    refuted_by="the text is an ordinary name that looks like markup, and every screen escapes it",
    process="Engineering Escalations, P0: XSS or injection attempts succeeding",
)


def may_hold_markup(texts: FromClause, context: Context) -> ColumnElement[bool]:
    return or_(*(matches(column, MARKUP_PREFILTER, any_case=True) for column in (texts.c.text, texts.c.invite_code)))


def asked_with_markup(request: FromClause, context: Context) -> ColumnElement[bool]:
    code = request.c.invite_code
    # Hardly a code of another one's is more than capitals, digits and hyphens: that test is the cheap one.
    strange = case_when((code.is_distinct_from(request.c.current_code), matches(code, "[^A-Z0-9-]")), else_=False)
    return case_when((strange, matches(code, MARKUP_PREFILTER, any_case=True)), else_=False)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    household = case.household
    texts: dict[str, str | None] = {}
    if household is not None and household.created_at <= context.watermark:
        texts = {
            "name": household.name,
            "description": household.description,
            "invite_code": household.invite_code,
        }
    live = {field: markup for field, text in texts.items() if (markup := live_markup(text))}
    asked = [r for r in case.requests if r.requested_at <= context.watermark and live_markup(r.invite_code)]
    if asked and (markup := live_markup(asked[0].invite_code)):
        live["join request's invite_code"] = markup
    if not live:
        return
    members = case.affected
    found = [f"{field}: {markup.kind}, “{markup.quote}”" for field, markup in live.items()]
    changes = case.events_of(EventType.INVITE_CODE_REGENERATED) if "invite_code" in live else ()
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(members), households=1),
        households=[case.household_id],
        users=[household.leader_id or "" if household else "", *(request.user_id for request in asked)],
        evidence={
            "fields": [{"field": field, "kind": markup.kind, "quote": markup.quote} for field, markup in live.items()],
            "requests": [{"request_id": request.id, "user_id": request.user_id} for request in asked],
            "active_members": len(members),
        },
        timeline=timeline(changes or case.events),
        story=Story(
            issue=f"Household's {listed(list(live))} {'holds' if len(live) == 1 else 'hold'} live markup or an injection.",
            steps=(
                _saved_by(case, texts.keys() & live.keys(), asked),
                "System should have refused or escaped it",
                "The text is stored as it came",
            ),
            expected="Names, descriptions and codes hold plain text; anything else is refused or stored escaped",
            actual="; ".join(found),
            impact=f"{count(len(members), 'member')} of the household, and everybody who is shown its texts",
            screenshots="None; the texts are quoted below",
            requesting="Removal of the stored text and investigation into which path stored it without validation",
        ),
    )


def _saved_by(case: HouseholdCase, of_household: Collection[str], asked: Sequence[JoinRequest]) -> str:
    if of_household:
        leader_id = case.household.leader_id if case.household else None
        return f"Somebody who may change the household (its leader is {leader_id or 'unknown'}) saved the text"
    return f"User {listed(list(dict.fromkeys(request.user_id for request in asked)))} asked to join with it as the invite code"


DETECTOR = Detector(
    META, __doc__, (Subscription("texts", may_hold_markup), Subscription("requests", asked_with_markup)), evaluate
)
