"""Request for more capacity

Problem
-------
A household wants more members than the app allows, and somebody has to decide.

Fires when
----------
A support request of the category capacity is open.

Stays silent when
-----------------
The request is closed, or younger than the grace period.

Evidence
--------
A short quotation, the customer's value, the household's members and leader, other support requests of the parties, the
household's trail.

What to do
----------
1. Look at the kind of household: a kennel, a rescue, a foster home, or a large family.
2. Decide whether it gets more places, and how many; tell the customer, and close support request {support_id}.

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
from detectors.contract import Context, Detector, Finding, Meta, Subscription
from detectors.rules._support import open_in
from detectors.rules.customer_success._request import NEEDS, request_finding

META = Meta(
    id="capacity-request",
    title="Request for More Household Capacity",
    team="csm",
    severity="Next-day",
    kind="state",
    subject=("support_id",),
    needs=NEEDS,
    sure="rows",
    refuted_by="the request is closed in the helpdesk, and the source has not heard of it",
    process="Customer Success Manager Escalations, Next-Day: Capacity increase requests",
)


def asks_for_capacity(request: FromClause, context: Context) -> ColumnElement[bool]:
    return open_in(request, context, context.limits.capacity_categories)


def evaluate(case: SupportCase, context: Context) -> Iterator[Finding]:
    yield request_finding(
        META,
        case,
        context,
        summary=f"A household asks for more than {context.limits.household_capacity} members",
        recommendation="Check the kind of household (kennel, rescue, foster home, large family) and decide on more places",
        urgency="The household cannot take in further members until this is decided",
    )


DETECTOR = Detector(META, __doc__, (Subscription("support", asks_for_capacity),), evaluate)
