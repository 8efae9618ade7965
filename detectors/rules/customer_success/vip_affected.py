"""Customers of high value affected

Problem
-------
A finding concerns a premium account or a customer above 100 a month: the Customer Success Manager wants to know.

Fires when
----------
A user of another finding has a premium account, or a monthly revenue above 100. It makes no ticket of its own: it adds the
mark vip-affected to that finding, and the customers' value to its evidence.

Stays silent when
-----------------
Exactly 100 a month; another tier; an account that is missing from the users table.

Evidence
--------
Account tier, monthly revenue and tenure of each such customer.

What to do
----------
1. Tell the Customer Success Manager of {user_id|the customer} before the customer asks.

How to check
------------
    SELECT u.id, u.account_tier, u.monthly_revenue
      FROM users u
     WHERE u.id = :user_id
"""

from __future__ import annotations

from collections.abc import Mapping

from detectors.contract import Context, Detector, Finding, Meta
from detectors.domain.records import User
from detectors.rules._support import customer_value

META = Meta(
    id="vip-affected",
    title="Customers of High Value Affected",
    team="csm",
    severity="Immediate",
    kind="state",
    subject=("user_id",),
    needs=frozenset({"users.id", "users.account_tier", "users.monthly_revenue"}),
    sure="rows",
    refuted_by="the account's tier or revenue is not up to date",
    process="Customer Success Manager Escalations, Immediate: VIP customers",
)


def is_vip(user: User, context: Context) -> bool:
    limits = context.limits
    premium = user.account_tier.strip().lower() in limits.premium_tiers
    return premium or (user.monthly_revenue is not None and user.monthly_revenue > limits.vip_monthly_revenue)


def mark(finding: Finding, accounts: Mapping[str, User], context: Context) -> Finding:
    vips = [user for id_ in finding.users if (user := accounts.get(id_)) and is_vip(user, context)]
    if not vips:
        return finding
    lines = [f"{user.id}: {customer_value(user, context.as_of)}" for user in vips]
    update: dict[str, object] = {
        "marks": (*finding.marks, META.id),
        "evidence": {**finding.evidence, "customer_value": lines},
    }
    story = finding.story
    if story.fields.get("Customer value") == "":
        update["story"] = story.model_copy(update={"fields": {**story.fields, "Customer value": "; ".join(lines)}})
    if finding.team == "trust-safety":
        update["story"] = story.model_copy(
            update={"evidence": (*story.evidence, *(f"Customer value: {line}" for line in lines))}
        )
    return finding.model_copy(update=update)


DETECTOR = Detector(META, __doc__, (), mark=mark, remarkable=is_vip)
