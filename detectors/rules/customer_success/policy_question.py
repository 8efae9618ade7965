"""Question about policy

Problem
-------
A customer asks for a decision that no documentation covers.

Fires when
----------
A support request of the category policy_question is open.

Stays silent when
-----------------
The request is closed, or younger than the grace period.

Evidence
--------
A short quotation, the customer's value, the household's members and leader, other support requests of the parties, the
household's trail.

What to do
----------
1. Decide support request {support_id}, and tell the customer.
2. Write the decision down where the next one finds it.

How to check
------------
    SELECT s.id, s.category, s.status, s.created_at
      FROM support_requests s
     WHERE s.id = :support_id AND s.status IN ('open', 'new', 'pending', 'in_progress', 'assigned', 'waiting',
                        'on_hold', 'escalated', 'reopened')
"""

from __future__ import annotations

from detectors.contract import Meta
from detectors.rules.customer_success._request import NEEDS, Ask, detector_of

META = Meta(
    id="policy-question",
    title="Question About Policy",
    team="csm",
    severity="Next-day",
    kind="state",
    subject=("support_id",),
    needs=NEEDS,
    sure="rows",
    refuted_by="the request is closed in the helpdesk, and the source has not heard of it",
    process="Customer Success Manager Escalations, Next-Day: Policy questions",
)


DETECTOR = detector_of(
    META,
    __doc__,
    lambda limits: limits.policy_categories,
    lambda _: Ask(
        summary="A customer needs a decision on policy",
        recommendation="Decide on the question, and document the decision",
        urgency="The customer cannot proceed without a decision",
    ),
)
