"""A user whose habits matter: which networks and devices they used before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select

from detectors.cases.audit_rows import activity_of_users, events_of_users
from detectors.cases.conduct import ConductCase
from detectors.cases.rows import batches, sessions_of
from detectors.contract import Context
from detectors.domain.records import Event
from detectors.domain.retries import without_retries
from detectors.domain.values import moment, text_of
from detectors.events import EventType
from detectors.source import Source
from detectors.source.sql import json_text


def access_anomaly_cases(source: Source, keys: Sequence[str], context: Context) -> Iterator[ConductCase]:
    """The cases of actors whose habits matter: the window, and before it what makes a habit."""
    limits, since, until = context.limits, context.window.start - context.back("habits"), context.window.end
    lately = context.window.start - context.back("accesses")
    for some in batches(keys):
        done = {user: without_retries(events) for user, events in events_of_users(source, some, since, until).items()}
        used = {user: first_used_agents(events, {}) for user, events in done.items()}
        puzzling = [user for user, first in used.items() if _began_since(lately, first) >= limits.access_new_agents]
        earlier = _earlier_agents(source, puzzling, since)
        # Weeks of logins without a user id are many rows for few facts: read for those whom nothing else excuses.
        used = {user: first_used_agents(done[user], earlier.get(user, {})) for user in puzzling}
        week = until - timedelta(days=limits.habit_days)
        surprising = [
            user
            for user, first in used.items()
            if _began_since(lately, first) >= limits.access_new_agents and min(first.values()) <= week
        ]
        done |= activity_of_users(source, surprising, since, until)
        for user in some:
            yield ConductCase(user, done.get(user, ()), frozenset(), earlier.get(user, {}))


def first_used_agents(events: Iterable[Event], earlier: Mapping[str, datetime]) -> dict[str, datetime]:
    """When each user agent was first seen, by `events` and what is known of `earlier`; a failed login's may be anybody's."""
    first = dict(earlier)
    for event in events:
        agent = event.text("user_agent")
        if agent and event.type != EventType.LOGIN_FAILED:
            first[agent] = min(event.at, first.get(agent, event.at))
    return first


def _began_since(moment: datetime, first_used: Mapping[str, datetime]) -> int:
    return sum(at >= moment for at in first_used.values())


def _earlier_agents(source: Source, users: Sequence[str], before: datetime) -> dict[str, dict[str, datetime]]:
    """By user: when each user agent was first seen, in events before a moment or in sessions."""
    if not users:
        return {}
    events = source.tables["household_events"]
    agent = json_text(events.c.metadata, "user_agent")
    statement = (
        select(events.c.user_id, agent.label("agent"), func.min(events.c.event_timestamp).label("first"))
        .where(
            source.tables.users_in(events.c.user_id, users),
            events.c.event_timestamp < before,
            agent.is_not(None),
            ~source.tables.event_is(EventType.LOGIN_FAILED, common=True),
        )
        .group_by(events.c.user_id, agent)
    )
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for row in source.rows(statement, "facts"):
        found[text_of(row["user_id"])][str(row["agent"])] = moment(row["first"])
    for user, sessions in sessions_of(source, users).items():
        for session in sessions:
            if session.user_agent:
                known = found[user].get(session.user_agent, session.created_at)
                found[user][session.user_agent] = min(known, session.created_at)
    return {user: {agent: at for agent, at in agents.items() if agent} for user, agents in found.items()}
