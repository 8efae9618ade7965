"""What the rules on support requests share: the request in a ticket's words, and the household's state beside it."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, func

from detectors.cases.support import SupportCase
from detectors.cases.timeline import timeline
from detectors.contract import Context, TimelineEntry
from detectors.domain.household import HouseholdCase
from detectors.domain.records import SupportRequest, User
from detectors.source.canonical import SUPPORT_OPEN
from detectors.text.reading import composed
from detectors.text.wording import count, stamp

QUOTED_CHARACTERS = 80
"""No finding quotes more of what somebody wrote than this."""


def open_in(request: FromClause, context: Context, *category_lists: tuple[str, ...]) -> ColumnElement[bool]:
    """The condition that a row of the pass "support" is open and of one of the categories.

    A status that nobody knows may mean that the request is settled: it is not open.
    """
    categories = [category for categories in category_lists for category in categories]
    status = func.coalesce(request.c.status, "")
    return and_(request.c.category.in_(categories), status.in_(_open_words(context)))


def _open_words(context: Context) -> list[str]:
    """What open requests are called; without a word at all nobody has settled it."""
    return ["", *sorted(SUPPORT_OPEN - set(context.limits.closed_statuses))]


def quoted(text: str) -> str:
    """What somebody wrote, in one line, without markup or control characters, cut to QUOTED_CHARACTERS.

    An e-mail address stays one, so that whoever masks addresses later still sees it.
    """
    plain = composed(text)
    plain = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in plain)
    plain = re.sub(r"[<>`*_\[\]|\\]", "", plain)
    plain = re.sub(r"\s+", " ", plain).strip()
    return plain if len(plain) <= QUOTED_CHARACTERS else plain[: QUOTED_CHARACTERS - 1].rstrip() + "…"


def customer_value(user: User | None, as_of: datetime) -> str:
    """Account tier, revenue and tenure, as the CSM's tickets ask for them; empty where nothing is known."""
    if user is None:
        return ""
    parts = []
    if user.account_tier:
        parts.append(f"{user.account_tier} account")
    if user.monthly_revenue is not None:
        parts.append(f"${user.monthly_revenue:,.2f} a month")
    if user.created_at is not None:
        parts.append(f"customer for {count((as_of - user.created_at).days, 'day')}")
    return ", ".join(parts)


def household_state(home: HouseholdCase | None) -> dict[str, Any]:
    """How many active members the household has, of them temporary ones, who leads, and open join requests."""
    if home is None or home.household is None:
        return {}
    return {
        "household_id": home.household_id,
        "leader_id": home.household.leader_id,
        "active_members": len({row.user_id for row in home.active}),
        "temporary_members": len({row.user_id for row in home.active if row.is_temporary}),
        "pending_requests": len({request.user_id for request in home.requests if request.status == "pending"}),
        "created_at": home.household.created_at,
    }


def state_in_words(home: HouseholdCase | None) -> str:
    """The household's state as a sentence; empty where the request names no household."""
    state = household_state(home)
    if not state:
        return ""
    return (
        f"Household has {count(state['active_members'], 'active member')} ({state['temporary_members']} temporary) "
        f"and {count(state['pending_requests'], 'pending request')}; it is led by {state['leader_id'] or 'nobody'}"
    )


def parties(case: SupportCase) -> list[str]:
    """Who wrote, whom it is about, and who leads the household."""
    leader = case.household.household.leader_id if case.household and case.household.household else None
    return [case.request.requester_id, case.request.subject_user_id, leader or ""]


def history_of(requests: tuple[SupportRequest, ...]) -> list[dict[str, Any]]:
    """Other support requests, the latest ten, without their texts."""
    return [
        {
            "support_id": request.id,
            "created_at": request.created_at,
            "category": request.category,
            "requester_id": request.requester_id,
            "subject_user_id": request.subject_user_id or None,
            "status": request.status,
        }
        for request in requests[-10:]
    ]


def request_timeline(case: SupportCase) -> tuple[TimelineEntry, ...]:
    """The household's audit trail with the request in its place."""
    request = case.request
    wrote = TimelineEntry(
        at=request.created_at, what=f"wrote to support ({request.category})", actor=request.requester_id
    )
    concerned = {request.requester_id, request.subject_user_id} - {""}
    events = case.household.events if case.household else ()
    return timeline((e for e in events if concerned & {e.user_id, e.member_id, e.text("new_member_id")}), wrote)


def asked(request: SupportRequest) -> str:
    """Who asked what, when: one line with a short quotation."""
    said = quoted(request.body)
    return f"{stamp(request.created_at)}: {request.requester_id} wrote ({request.category})" + (
        f": “{said}”" if said else ""
    )
