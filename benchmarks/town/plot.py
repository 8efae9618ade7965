"""The rows that planted faults are made of, and the list of what must be found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from benchmarks.town.events import events
from benchmarks.town.founding import joined_columns
from benchmarks.town.rendering import entity_id
from benchmarks.town.requests import APPROVED
from benchmarks.town.spec import DAY, MINUTE, NEVER, NOBODY, SECOND, Columns, TownSpec

Truth = dict[str, list[dict[str, str]]]


@dataclass
class Plot:
    """Free numbers for planted rows, and the rows so far."""

    spec: TownSpec
    next_household: int
    next_user: int
    next_member: int
    next_request: int
    next_code: int
    tables: dict[str, list[dict[str, int]]] = field(default_factory=lambda: defaultdict(list))
    audit: list[Columns] = field(default_factory=list)
    truth: Truth = field(default_factory=lambda: defaultdict(list))

    @property
    def yesterday(self) -> int:
        """The start of the UTC day that closed last before the town's end."""
        return (self.spec.end // DAY - 1) * DAY

    @property
    def long_ago(self) -> int:
        """A time within the audited days at which planted households begin."""
        return max(self.spec.audit_start + DAY, self.yesterday - 20 * DAY)

    def user(self) -> int:
        """A new person."""
        self.next_user += 1
        return self.next_user - 1

    def expect(self, detector: str, **subject: int) -> None:
        """Note what a detector must find: household_id, user_id or request_id by number."""
        named = {key: entity_id(self.spec.seed, key[0], number) for key, number in subject.items()}
        self.truth[detector].append(named)

    def household(self, leader: int, created: int) -> int:
        """A household row alone."""
        number = self.next_household
        self.next_household, self.next_code = number + 1, self.next_code + 1
        row = {"id": number, "code": self.next_code - 1, "code_expires": NEVER, "leader": leader}
        self.tables["households"].append({**row, "created": created, "updated": created})
        self.event("household_created", created + SECOND, household=number, user=leader)
        return number

    def member(self, household: int, user: int, joined: int, **differs: int) -> dict[str, int]:
        """A member row (leader, active, temporary, expires, invited_by may differ); returned to be changed later."""
        row = {"id": self.next_member, "household": household, "user": user, "leader": 0, "active": 1, "temporary": 0}
        row |= {"expires": NEVER, "invited_by": NOBODY, "joined": joined, **differs}
        self.next_member += 1
        self.tables["household_members"].append(row)
        return row

    def founded(self, leader: int, created: int) -> tuple[int, dict[str, int]]:
        """A household and its founder's row."""
        household = self.household(leader, created)
        return household, self.member(household, leader, created + SECOND // 2, leader=1)

    def approved(self, household: int, user: int, asked: int, leader: int) -> int:
        """A join request that was approved after a minute, with its events; no member row."""
        number = self.next_request
        self.next_request += 1
        code = next(row["code"] for row in self.tables["households"] if row["id"] == household)
        row = {"id": number, "household": household, "user": user, "code": code, "status": APPROVED}
        row |= {"requested": asked, "responded": asked + MINUTE, "responded_by": leader}
        self.tables["household_join_requests"].append(row)
        common = {"household": household, "request": number}
        self.event("household_join_request_submitted", asked + SECOND, user=user, other=code, **common)
        self.event("household_join_request_approved", asked + MINUTE + SECOND, user=leader, other=user, **common)
        return number

    def joined(self, household: int, user: int, asked: int, leader: int) -> dict[str, int]:
        """A member row with its approved request."""
        self.approved(household, user, asked, leader)
        return self.member(household, user, asked + MINUTE + SECOND // 4, invited_by=leader)

    def event(self, kind: str, moment: int, **columns: int) -> None:
        """An audit event; columns as in `events.events`."""
        correlation = 10**15 + len(self.audit)
        self.audit.append(events(kind, np.array([moment]), correlation=correlation, **columns))

    def columns(self) -> dict[str, Columns]:
        """The planted state rows."""
        return {
            table: {name: np.array([row[name] for row in rows], dtype=np.int64) for name in rows[0]}
            for table, rows in self.tables.items()
        }

    def events(self) -> list[Columns]:
        """The planted events, as one table or none."""
        return [joined_columns(self.audit)] if self.audit else []
