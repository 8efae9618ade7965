"""The state tables of a town as columns of integers, ready to be rendered."""

from __future__ import annotations

import numpy as np

from benchmarks.town.daily import has_session
from benchmarks.town.founding import LEFT, STAYS, Residents
from benchmarks.town.requests import Codes
from benchmarks.town.spec import DAY, HOUR, MINUTE, NEVER, NOBODY, Columns, Integers

SUPPORT_CATEGORIES = ("feature_request", "policy_question", "dispute", "capacity", "data_deletion", "other")
"""What people write about; all but the last kind are closed already."""

GHOST_EVERY = 331
"""Every so many users the account is missing in users."""


def state_tables(
    town: Residents, requests: Columns, codes: Codes, extra: dict[str, Columns]
) -> dict[str, list[Columns]]:
    """The six state tables in parts, `extra` (planted rows of the first three) the last parts of theirs."""
    living = {
        "households": _households(town, requests, codes),
        "household_members": _members(town),
        "household_join_requests": _requests(town, requests),
    }
    tables = {name: [rows, *([extra[name]] if name in extra else [])] for name, rows in living.items()}
    tables["users"] = [_users(town, tables)]
    tables["sessions"] = [_sessions(town)]
    tables["support_requests"] = [_support(town)]
    return tables


def _browser_errors(town: Residents, count: int, purpose: str) -> Integers:
    """By how much each browser's clock is wrong: one in twenty by hours, in either direction."""
    rng = town.spec.rng("clocks", purpose)
    wrong = rng.random(count) < 0.05
    return np.where(wrong, rng.integers(-9 * HOUR, 9 * HOUR, count), 0)


def _households(town: Residents, requests: Columns, codes: Codes) -> Columns:
    spec, index = town.spec, np.arange(len(town.created), dtype=np.int64)
    code, code_began = codes.first_numbers.copy(), town.created.copy()
    np.maximum.at(code, codes.household, codes.number)
    np.maximum.at(code_began, codes.household, codes.moment)
    touched = np.maximum(code_began, np.where(town.handed_over < NEVER, town.handed_over, 0))
    skew = _browser_errors(town, len(index), "households")
    last_asked = town.created.copy()
    np.maximum.at(last_asked, requests["household"], requests["requested"])
    lapses = (last_asked < code_began + 30 * DAY) & (index % 5 < 3)
    passed_on = town.handed_over < NEVER
    return {
        "id": index,
        "code": code,
        "code_expires": np.where(lapses, code_began + 30 * DAY + skew, NEVER),
        "leader": np.where(passed_on, town.successor, town.creator),
        "created": town.created,
        "updated": np.where(touched > town.created, np.minimum(touched + skew, spec.end), town.created),
    }


def _members(town: Residents) -> Columns:
    members = town.members
    founder = members["user"] == town.creator[members["household"]]
    heir = members["user"] == town.successor[members["household"]]
    return {
        "id": np.arange(len(members["user"]), dtype=np.int64),
        "household": members["household"],
        "user": members["user"],
        "leader": (founder | heir).astype(np.int64),
        "active": (members["ending"] == STAYS).astype(np.int64),
        "temporary": members["temporary"],
        "expires": members["expires"],
        "invited_by": members["invited_by"],
        "joined": members["joined"],
    }


def _requests(town: Residents, requests: Columns) -> Columns:
    skew = _browser_errors(town, town.next_user, "leaders")
    answered = requests["responded_by"] != NOBODY
    shift = np.where(answered, skew[np.where(answered, requests["responded_by"], 0)], 0)
    return {
        "id": np.arange(len(requests["user"]), dtype=np.int64),
        "household": requests["household"],
        "user": requests["user"],
        "code": requests["code"],
        "status": requests["status"],
        "requested": requests["requested"],
        "responded": np.where(answered, requests["responded"] + shift, NEVER),
        "responded_by": requests["responded_by"],
    }


def _users(town: Residents, tables: dict[str, list[Columns]]) -> Columns:
    who_and_when = [(part["leader"], part["created"]) for part in tables["households"]]
    who_and_when += [(part["user"], part["joined"]) for part in tables["household_members"]]
    who_and_when += [(part["user"], part["requested"]) for part in tables["household_join_requests"]]
    count = 1 + max(int(who.max()) for who, _ in who_and_when)
    began = np.full(count, NEVER, dtype=np.int64)
    for who, when in who_and_when:
        np.minimum.at(began, who, when)
    rng = town.spec.rng("users")
    left = town.members["ending"] == LEFT
    always_left = np.bincount(town.members["user"][left], minlength=count) > 0
    always_left &= np.bincount(town.members["user"][~left], minlength=count) == 0
    last = np.zeros(count, dtype=np.int64)
    np.maximum.at(last, town.members["user"], np.minimum(town.members["ended"], town.spec.end))
    gone = always_left & (last < town.spec.quiet_from - 2 * DAY) & (rng.random(count) < 0.1)
    index = np.arange(count, dtype=np.int64)
    known = (began < NEVER) & (index % GHOST_EVERY != 7)
    tier = (rng.random(count) < 0.06).astype(np.int64)
    users = {
        "id": index,
        "created": began - MINUTE - rng.integers(0, 10 * DAY, count),
        "deleted": np.where(gone, last + DAY, NEVER),
        "premium": tier,
        "cents": np.where(tier == 1, rng.integers(499, 2_999, count), 0),
    }
    return {name: column[known] for name, column in users.items()}


def _sessions(town: Residents) -> Columns:
    members, spec, rng = town.members, town.spec, town.spec.rng("sessions")
    index = np.flatnonzero(has_session(np.arange(len(members["user"]))) & (members["ended"] > spec.audit_start))
    index = index.astype(np.int64)
    member = {name: column[index] for name, column in members.items()}
    begins = np.where(member["asked"] == NOBODY, town.created[member["household"]], member["asked"])
    begins = np.where(member["temporary"] == 1, member["joined"], begins) - 3 * MINUTE
    created = np.where(begins > spec.audit_start, begins, np.maximum(begins, spec.audit_start - 20 * DAY))
    created = created + ((np.maximum(spec.audit_start, created) - created) * rng.random(len(index))).astype(np.int64)
    last = np.minimum(member["ended"], spec.quiet_from)
    used = last - ((last - created) * 0.3 * rng.random(len(index))).astype(np.int64)
    closed = (member["ended"] < NEVER) & (rng.random(len(index)) < 0.4)
    return {
        "id": index,
        "user": member["user"],
        "created": created,
        "used": used,
        "revoked": np.where(closed, last, NEVER),
    }


def _support(town: Residents) -> Columns:
    """Ordinary correspondence: one household in a hundred, from members who stay."""
    rng, members = town.spec.rng("support"), town.members
    lasting = np.flatnonzero((members["ended"] == NEVER) & (members["temporary"] == 0))
    writer = rng.choice(lasting, max(len(SUPPORT_CATEGORIES), len(town.created) // 100), replace=False)
    began = np.maximum(members["joined"][writer], town.spec.audit_start - 60 * DAY)
    created = began + ((town.spec.quiet_from + MINUTE - began) * rng.random(len(writer))).astype(np.int64)
    category = rng.integers(0, len(SUPPORT_CATEGORIES), len(writer))
    return {
        "id": np.arange(len(writer), dtype=np.int64),
        "created": created,
        "requester": members["user"][writer],
        "household": members["household"][writer],
        "category": category,
    }
