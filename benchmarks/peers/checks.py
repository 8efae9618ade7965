"""The nine checks as plain SQL, one statement each: what a careful engineer would write, one row for each finding.

Every tool that takes statements is given these very statements, so that they all do the same work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LOOKBACK_DAYS = 7
"""How many days before the window the day rules read, to say on how many of them it was too much."""
CREATIONS_PER_DAY = 10
REMOVALS_PER_DAY = 20
GRACE = timedelta(minutes=2)

SEVERAL_LEADERS = """
    SELECT household_id FROM household_members WHERE status = 'active' AND role = 'leader'
    GROUP BY household_id HAVING count(*) > 1"""

# One condition with OR would keep PostgreSQL from turning the subqueries into joins; this takes an eighth of its time.
NO_LEADER = """
    SELECT household_id FROM household_members WHERE status = 'active'
    GROUP BY household_id HAVING count(*) FILTER (WHERE role = 'leader') = 0
    UNION
    SELECT id FROM households
    WHERE EXISTS (SELECT FROM household_members m WHERE m.household_id = households.id AND m.status = 'active')
      AND NOT EXISTS (SELECT FROM household_members m
                      WHERE m.household_id = households.id AND m.user_id = households.leader_id AND m.status = 'active')"""

ORPHANED = """
    SELECT id FROM households
    WHERE created_at <= '{settled}'
      AND NOT EXISTS (SELECT FROM household_members m WHERE m.household_id = households.id AND m.status = 'active')"""

LEADER_MISMATCH = """
    SELECT households.id FROM households
    JOIN household_members named ON named.household_id = households.id AND named.user_id = households.leader_id
    WHERE named.status = 'active' AND named.role <> 'leader'
      AND EXISTS (SELECT FROM household_members m
                  WHERE m.household_id = households.id AND m.status = 'active' AND m.role = 'leader')"""

DUPLICATE_MEMBERS = """
    SELECT household_id, user_id FROM household_members WHERE status = 'active'
    GROUP BY household_id, user_id HAVING count(*) > 1"""

APPROVED_WITHOUT_MEMBER = """
    SELECT id FROM household_join_requests r
    WHERE status = 'approved' AND requested_at <= '{settled}'
      AND NOT EXISTS (SELECT FROM household_members m
                      WHERE m.household_id = r.household_id AND m.user_id = r.user_id
                        AND (m.status = 'active' OR m.joined_at >= r.requested_at))"""

DUPLICATE_CODES = """
    SELECT upper(invite_code) FROM households WHERE invite_code IS NOT NULL
    GROUP BY upper(invite_code) HAVING count(*) > 1"""

# Who went too far yesterday, and on how many days of the look-back: once is less urgent than twice.
MANY_CREATIONS = """
    SELECT user_id, count(*) AS days
    FROM (SELECT user_id, (event_timestamp AT TIME ZONE 'UTC')::date AS day FROM household_events
          WHERE event_type = 'household_created' AND event_timestamp >= '{since}' AND event_timestamp < '{until}'
            AND user_id IS NOT NULL
          GROUP BY user_id, day HAVING count(DISTINCT household_id) > {creations}) too_many
    GROUP BY user_id HAVING max(day) >= '{first_day}'"""

# A retry carries its first attempt's correlation_id; who leaves is no removal.
MANY_REMOVALS = """
    SELECT user_id, count(*) AS days
    FROM (SELECT user_id, (event_timestamp AT TIME ZONE 'UTC')::date AS day FROM household_events
          WHERE event_type = 'household_member_removed' AND event_timestamp >= '{since}' AND event_timestamp < '{until}'
            AND user_id IS NOT NULL AND metadata->>'member_id' IS DISTINCT FROM user_id::text
          GROUP BY user_id, day HAVING count(DISTINCT coalesce(metadata->>'correlation_id', id::text)) > {removals}) too_many
    GROUP BY user_id HAVING max(day) >= '{first_day}'"""

TEMPLATES = {
    "several_leaders": SEVERAL_LEADERS,
    "no_leader": NO_LEADER,
    "orphaned": ORPHANED,
    "leader_mismatch": LEADER_MISMATCH,
    "duplicate_members": DUPLICATE_MEMBERS,
    "approved_without_member": APPROVED_WITHOUT_MEMBER,
    "duplicate_codes": DUPLICATE_CODES,
    "many_creations": MANY_CREATIONS,
    "many_removals": MANY_REMOVALS,
}


@dataclass(frozen=True)
class Night:
    """The moment of the scan; its window is the day (UTC) that closed last, [start, end), and `since` is its look-back."""

    as_of: datetime

    @property
    def end(self) -> datetime:
        return self.as_of.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def start(self) -> datetime:
        return self.end - timedelta(days=1)

    @property
    def since(self) -> datetime:
        return self.start - timedelta(days=LOOKBACK_DAYS)

    @property
    def settled(self) -> datetime:
        """What is younger may still be under way."""
        return self.as_of - GRACE


def nine_checks(night: Night) -> dict[str, str]:
    """The statements by the names of their checks."""
    values = {
        "settled": night.settled.isoformat(),
        "since": night.since.isoformat(),
        "until": night.end.isoformat(),
        "first_day": night.start.date().isoformat(),
        "creations": CREATIONS_PER_DAY,
        "removals": REMOVALS_PER_DAY,
    }
    return {name: template.format(**values).strip() for name, template in TEMPLATES.items()}
