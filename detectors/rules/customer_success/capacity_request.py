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

from detectors.contract import Meta
from detectors.rules.customer_success._request import NEEDS, Ask, detector_of

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


DETECTOR = detector_of(
    META,
    __doc__,
    lambda limits: limits.capacity_categories,
    lambda limits: Ask(
        summary=f"A household asks for more than {limits.household_capacity} members",
        recommendation="Check the kind of household (kennel, rescue, foster home, large family) and decide on more places",
        urgency="The household cannot take in further members until this is decided",
    ),
)
