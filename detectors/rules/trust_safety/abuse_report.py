"""Open report of abuse

Problem
-------
Somebody reported a threat, a danger to a child, or harassment in a household, and the report is still open.

Fires when
----------
A support request of the categories threat or child_safety (Immediate) or harassment (Same-day) is open.

Stays silent when
-----------------
The request is closed, or younger than the grace period.

Evidence
--------
A short quotation, the parties, other support requests by or about them, and the household's trail of what they did.

What to do
----------
1. Read report {support_id} in full, in the helpdesk: the quotation below is cut.
2. Protect the reporter, {requester_id|who is named below}: nobody but them is told of the report.
3. If category is threat: if somebody's safety is at risk now, follow the company's emergency rules before anything
   else.
4. If category is child_safety: if a child's safety is at risk now, follow the company's emergency rules before
   anything else.
5. Review the reported account {subject_user_id|(if the report names one)}, with the history below, and decide:
   warning, feature restriction, suspension, termination or no action.

How to check
------------
    SELECT s.id, s.category, s.status, s.created_at
      FROM support_requests s
     WHERE s.id = :support_id AND s.status IN ('open', 'new', 'pending', 'in_progress', 'assigned', 'waiting',
                        'on_hold', 'escalated', 'reopened')
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.support import SupportCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Severity, Story, Subscription, find
from detectors.rules._support import (
    asked,
    history_of,
    household_state,
    open_in,
    parties,
    quoted,
    request_timeline,
    state_in_words,
)
from detectors.text.wording import count

META = Meta(
    id="abuse-report",
    title="Report of Abuse",
    team="trust-safety",
    severity="Immediate",
    kind="state",
    subject=("support_id",),
    needs=frozenset({"support_requests.category", "support_requests.status", "support_requests.subject_user_id"}),
    roles={"evidence.requester_id": "reporter", "evidence.subject_user_id": "reported"},
    actor="reported",
    sure="rows",
    refuted_by="the report is closed in the helpdesk, and the source has not heard of it",
    process="Trust & Safety Escalations, Immediate and Same-Day: threats, child safety, harassment reports",
)


def is_open_report(request: FromClause, context: Context) -> ColumnElement[bool]:
    limits = context.limits
    return open_in(request, context, limits.urgent_abuse_categories, limits.abuse_categories)


def evaluate(case: SupportCase, context: Context) -> Iterator[Finding]:
    request = case.request
    severity: Severity = "Immediate" if request.category in context.limits.urgent_abuse_categories else "Same-day"
    about = [other for other in case.others if other.subject_user_id == request.subject_user_id != ""]
    by = [other for other in case.others if other.requester_id == request.requester_id]
    state = state_in_words(case.household)
    yield find(
        META,
        context,
        {"support_id": request.id},
        impact=Impact(users=1, households=1 if request.household_id else 0),
        severity=severity,
        households=[request.household_id],
        users=parties(case),
        first_seen=request.created_at,
        occurred_at=request.created_at,
        evidence={
            "category": request.category,
            "requester_id": request.requester_id,
            "subject_user_id": request.subject_user_id or None,
            "said": quoted(request.body),
            "reports_about_the_same_person": len(about),
            "requests_by_the_reporter": len(by),
            "history": history_of(case.others),
            "household": household_state(case.household),
        },
        timeline=request_timeline(case),
        story=Story(
            pattern=f"Open report of {request.category.replace('_', ' ')} against "
            f"{request.subject_user_id or 'somebody who is not named'}",
            evidence=(
                asked(request),
                f"{count(len(about), 'other request')} about the reported person, {count(len(by), 'other')} by the reporter",
                *((state,) if state else ()),
            ),
            suspected_violation=request.category.replace("_", " ").capitalize(),
            reporter=request.requester_id,
            requesting="Review of the report and of the reported account",
            affected_users=tuple(filter(None, (request.requester_id, request.subject_user_id))),
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("support", is_open_report),), evaluate)
