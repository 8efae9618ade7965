"""Legal matter

Problem
-------
A request has a legal side, or the law's time for deleting an account has run out.

Fires when
----------
A support request of the categories legal_request, subpoena, court_order, custody or tos_dispute is open. Or a request of
the category data_deletion has been open for more than 30 days and something is left of the account: it is not marked as
deleted, or active memberships or live sessions remain. Where the source has no table of users, that cannot be seen, and
the open request is enough.

Stays silent when
-----------------
The request is closed, or younger than the grace period; a deletion request of exactly 30 days; an account of which nothing
is left. Legal matters never go to Slack.

Evidence
--------
The kind of request, the parties, for deletions what is left of the account. Nothing is quoted.

What to do
----------
1. Decide support request {support_id}; nobody else may. Everybody else deletes and changes nothing in the household
   before you have answered.
2. Say what is to be kept as evidence, and until when.
3. Answer by e-mail; nothing of it goes to Slack.

How to check
------------
    SELECT s.id, s.category, s.status, s.created_at
      FROM support_requests s
     WHERE s.id = :support_id AND s.status IN ('open', 'new', 'pending', 'in_progress', 'assigned', 'waiting',
                        'on_hold', 'escalated', 'reopened')
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.cases.support import SupportCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.rules._support import open_in, parties, request_timeline
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="legal-matter",
    title="Legal Matter",
    team="legal",
    severity="Immediate",
    kind="state",
    subject=("support_id",),
    needs=frozenset({"support_requests.category", "support_requests.status", "support_requests.household_id"}),
    consults=frozenset({"users", "household_members", "sessions"}),
    partly={
        "the account's deletion": frozenset({"users.deleted_at"}),
        "the ends of sessions": frozenset({"sessions.revoked_at"}),
    },
    sure="rows",
    refuted_by="the request is closed in the helpdesk, and the source has not heard of it",
    process="Legal Escalations",
)


def is_legal(request: FromClause, context: Context) -> ColumnElement[bool]:
    overdue = request.c.created_at < context.as_of - timedelta(days=context.limits.deletion_days)
    return or_(
        open_in(request, context, context.limits.legal_categories),
        and_(open_in(request, context, context.limits.deletion_categories), overdue),
    )


def evaluate(case: SupportCase, context: Context) -> Iterator[Finding]:
    deletion = case.request.category in context.limits.deletion_categories
    left = what_is_left(case, context.as_of) if deletion else {}
    if deletion and case.accounts_known and not any(left.values()):
        return
    yield _finding(case, left, context)


def what_is_left(case: SupportCase, now: datetime) -> dict[str, Any]:
    """What a deletion has not reached: the account itself, memberships, live sessions. One that is to come has not."""
    account = case.requester
    kept = account is not None and (account.deleted_at is None or account.deleted_at > now)
    return {
        "account": kept if case.accounts_known else None,
        "active_memberships": len([row for row in case.memberships if row.active]),
        "live_sessions": len([one for one in case.sessions if one.revoked_at is None or one.revoked_at > now]),
    }


def _finding(case: SupportCase, left: dict[str, Any], context: Context) -> Finding:
    request = case.request
    kind = request.category.replace("_", " ")
    homes = [request.household_id, *(row.household_id for row in case.memberships if row.active and left)]
    who = {"requester": request.requester_id, "about": request.subject_user_id, "household": request.household_id}
    remains = listed(
        [
            *(["the account is not marked as deleted"] if left.get("account") else []),
            *(["the account's deletion is not in the data"] if left and left["account"] is None else []),
            *([count(left["active_memberships"], "active membership")] if left.get("active_memberships") else []),
            *([count(left["live_sessions"], "live session")] if left.get("live_sessions") else []),
        ]
    )
    action = f"Finish the deletion: {remains} (asked {stamp(request.created_at)})" if left else ""
    return find(
        META,
        context,
        {"support_id": request.id},
        impact=Impact(
            users=len({request.requester_id, request.subject_user_id} - {""}), households=len({*homes} - {""})
        ),
        title="Deletion Request Overdue" if left else f"Legal Matter: {kind.capitalize()}",
        households=homes,
        users=parties(case),
        first_seen=request.created_at,
        occurred_at=request.created_at,
        evidence={"category": request.category, "left_of_the_account": left}
        if left
        else {"category": request.category},
        timeline=request_timeline(case),
        story=Story(
            fields={
                "Type of legal issue": f"{kind.capitalize()}{' not finished in time' if left else ''}",
                "Parties involved": ", ".join(f"{role} {party}" for role, party in who.items() if party),
                "Relevant documents": f"Support request {request.id} of {stamp(request.created_at)}",
                "Immediate action needed": action,
            },
            affected_users=tuple(filter(None, (request.requester_id, request.subject_user_id))),
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("support", is_legal),), evaluate)
