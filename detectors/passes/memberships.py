"""The pass over who is in how many households."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    func,
    or_,
    select,
    true,
)

from detectors.contract import Context
from detectors.passes.base import (
    MEMBERS,
    Pass,
    Scope,
    of_users,
)
from detectors.source import Tables


def _active_users(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each user with how many memberships of each kind they have: those of which one is allowed, and sittings lately.

    One permanent membership is allowed, or one as the leader where people may belong to several households but lead one.
    Temporary memberships that are over count as sittings too. `active_rows` counts permanent and temporary ones; where a
    unique key of the source excludes duplicates nobody asks for it, and it counts the other two.
    """
    members = tables["household_members"]
    leads = members.c.role == "leader" if "leads_one" in tables.schema.otherwise else true()
    active = members.c.status == "active"
    temporary = func.coalesce(members.c.is_temporary, False)
    permanent = and_(active, temporary.is_(False))
    lately = and_(temporary, members.c.joined_at > context.as_of - context.back("sittings"))
    rows = or_(active, lately)
    active_rows: ColumnElement[int] = func.count().filter(active)
    if tables.schema.unique_on("household_members", "household_id", "user_id"):
        # Fewer and narrower rows to sort.
        rows, active_rows = or_(permanent, lately), func.count()
        permanent, lately = temporary.is_(False), temporary
    return (
        select(
            members.c.user_id,
            active_rows.label("active_rows"),
            func.count().filter(permanent, leads).label("exclusive_rows"),
            func.count().filter(lately).label("recent_sittings"),
        )
        .where(rows, of_users(tables, scope, members.c.user_id))
        .group_by(members.c.user_id)
        .subquery("active_user")
    )


PASSES = (
    Pass("active-users", "active members by user", "user_id", MEMBERS, _active_users, reach="grouped", by_rows=True),
)
