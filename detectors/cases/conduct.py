"""An actor with all they did lately."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from detectors.cases.audit_rows import activity_of_addresses, activity_of_users
from detectors.cases.rows import batches, grouped, member_user, read_memberships
from detectors.contract import Context, SubjectKey
from detectors.domain.actors import IP_ACTOR
from detectors.domain.records import Event
from detectors.domain.retries import RETRY_MARGIN
from detectors.domain.values import text_of
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class ConductCase:
    """An actor (a user id, or IP_ACTOR and an address) with all they did in the look-back, each action once."""

    key: str
    events: tuple[Event, ...]
    households: frozenset[str]
    """The households the actor is or was a member of, or leads; none for access anomalies, where they do not matter."""
    earlier_agents: Mapping[str, datetime] = field(default_factory=dict)
    """For access anomalies: when user agents were first seen before the look-back, or in a session of any age."""

    @property
    def subject(self) -> dict[SubjectKey, str]:
        if self.key.startswith(IP_ACTOR):
            return {"ip_address": self.key.removeprefix(IP_ACTOR)}
        return {"user_id": self.key}

    def events_of(self, *types: str) -> list[Event]:
        return [event for event in self.events if event.type in types]


def conduct_cases(source: Source, keys: Sequence[str], context: Context) -> Iterator[ConductCase]:
    """The cases of actors over the window and a day and a half before it, or as long as failed logins count."""
    before = max(timedelta(hours=36), context.back("failed logins") + RETRY_MARGIN)
    since, until = context.window.start - before, context.window.end
    for some in batches(keys):
        users = [key for key in some if not key.startswith(IP_ACTOR)]
        addresses = [key.removeprefix(IP_ACTOR) for key in some if key.startswith(IP_ACTOR)]
        done = activity_of_users(source, users, since, until)
        done |= activity_of_addresses(source, addresses, since, until)
        rows = grouped(read_memberships(source, source.tables.users_in(member_user(source), users)), "user_id")
        led = _led_by(source, users)
        for key in some:
            theirs = {row.household_id for row in rows.get(key, ())} | led.get(key, set())
            yield ConductCase(key, done.get(key, ()), frozenset(theirs))


def _led_by(source: Source, users: Sequence[str]) -> dict[str, set[str]]:
    table = source.tables["households"]
    statement = select(table.c.id, table.c.leader_id).where(source.tables.users_in(table.c.leader_id, users))
    found: dict[str, set[str]] = defaultdict(set)
    for row in source.rows(statement, "facts"):
        found[text_of(row["leader_id"])].add(text_of(row["id"]))
    return found
