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
1. Hear both sides of support request {support_id} before you decide anything; do not tell either what the other said.
2. Decide with the household's state and trail below at hand: who leads by the rows is a fact, who should lead is not.
3. If it touches custody or a court, hand it to Legal; if somebody is threatened, to Trust & Safety.
4. Tell both what was decided, and close the request.

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
    id="leader-member-dispute",
    title="Dispute Between Leader and Member",
    team="csm",
    severity="Immediate",
    kind="state",
    subject=("support_id",),
    needs=NEEDS,
    sure="rows",
    refuted_by="the request is closed in the helpdesk, and the source has not heard of it",
    process="Customer Success Manager Escalations, Immediate: Leader vs. member disputes",
)


DETECTOR = detector_of(
    META,
    __doc__,
    lambda limits: limits.dispute_categories,
    lambda _: Ask(
        summary="Leader and member of a household are in dispute",
        recommendation="Hear both sides before anything is changed in the household",
        urgency="An open conflict affects how the household uses the app",
    ),
)
