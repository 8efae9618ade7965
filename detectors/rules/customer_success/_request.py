"""What the Customer Success Manager's rules on support requests share: one open request, one finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.support import SupportCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.limits import Limits
from detectors.rules._support import (
    asked,
    customer_value,
    history_of,
    household_state,
    open_in,
    parties,
    quoted,
    request_timeline,
    state_in_words,
)

NEEDS = frozenset({"support_requests.category", "support_requests.status", "support_requests.household_id"})


@dataclass(frozen=True, slots=True)
class Ask:
    """What the Customer Success Manager is asked for: three fields of the ticket."""

    summary: str
    recommendation: str
    urgency: str


def detector_of(
    meta: Meta, page: str, categories: Callable[[Limits], tuple[str, ...]], ask: Callable[[Limits], Ask]
) -> Detector:
    """The detector of open support requests of some categories of the policy."""

    def is_open(request: FromClause, context: Context) -> ColumnElement[bool]:
        return open_in(request, context, categories(context.limits))

    def evaluate(case: SupportCase, context: Context) -> Iterator[Finding]:
        yield _finding(meta, case, ask(context.limits), context)

    return Detector(meta, page, (Subscription("support", is_open),), evaluate)


def _finding(meta: Meta, case: SupportCase, ask: Ask, context: Context) -> Finding:
    """The finding about the open support request of `case`, with the fields of a CSM's ticket filled in.

    What the customer wants is quoted from their own words; the impact is the household's state.
    """
    request = case.request
    people = {row.user_id for row in case.household.active} if case.household else set()
    return find(
        meta,
        context,
        {"support_id": request.id},
        impact=Impact(users=len(people | {request.requester_id}), households=1 if request.household_id else 0),
        households=[request.household_id],
        users=parties(case),
        first_seen=request.created_at,
        occurred_at=request.created_at,
        evidence={
            "category": request.category,
            "requester_id": request.requester_id,
            "subject_user_id": request.subject_user_id or None,
            "said": quoted(request.body),
            "household": household_state(case.household),
            "history": history_of(case.others),
        },
        timeline=request_timeline(case),
        story=Story(
            fields={
                "Customer value": customer_value(case.requester, context.as_of),
                "Issue summary": f"{ask.summary}. {asked(request)}",
                "Customer impact": state_in_words(case.household),
                "Requested outcome": quoted(request.body),
                "Your recommendation": ask.recommendation,
                "Urgency justification": ask.urgency,
            },
            affected_users=tuple(filter(None, (request.requester_id, request.subject_user_id))),
        ),
    )
