"""Dispute between leader and member

Problem
-------
People of one household are at odds about how it is run, and the pet's care suffers.

Fires when
----------
A support request of the category dispute is open.

Stays silent when
-----------------
The request is closed, or younger than the grace period.

Evidence
--------
A short quotation, the customer's value, the household's members and leader, other support requests of the parties, the
household's trail.

What to do
----------
Hear both sides; decide with the household's state and trail at hand.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.people import SupportCase
from detectors.contract import Context, Detector, Finding, Meta, Subscription
from detectors.rules._support import open_in
from detectors.rules.customer_success._request import NEEDS, request_finding

META = Meta(
    id="leader-member-dispute",
    title="Dispute Between Leader and Member",
    team="csm",
    severity="Immediate",
    kind="state",
    subject=("support_id",),
    needs=NEEDS,
    process="Customer Success Manager Escalations, Immediate: Leader vs. member disputes",
)


def is_dispute(request: FromClause, context: Context) -> ColumnElement[bool]:
    return open_in(request, context, context.limits.dispute_categories)


def evaluate(case: SupportCase, context: Context) -> Iterator[Finding]:
    yield request_finding(
        META,
        case,
        context,
        summary="Leader and member of a household are in dispute",
        recommendation="Hear both sides before anything is changed in the household",
        urgency="An open conflict affects how the household uses the app",
    )


DETECTOR = Detector(META, __doc__, (Subscription("support", is_dispute),), evaluate)
