"""Audit events as columns of integers, and the events that the members' story leaves behind."""

from __future__ import annotations

import numpy as np

from benchmarks.town.founding import GROUP, LEFT, LEFT_LEADING, REMOVED, Residents, joined_columns
from benchmarks.town.requests import APPROVED, REJECTED, SHELTER_REGENERATIONS, WITHDRAWN, Codes
from benchmarks.town.residents import SHELTER_SITTERS, designated
from benchmarks.town.spec import MINUTE, NEVER, NOBODY, SECOND, Columns, Flags, Integers

EVENT_TYPES = (
    "household_created",
    "household_create_failed",
    "household_join_request_submitted",
    "household_join_request_approved",
    "household_join_request_rejected",
    "household_join_request_withdrawn",
    "household_member_removed",
    "household_left",
    "household_leave_started",
    "household_leadership_transferred",
    "household_invite_code_regenerated",
    "household_invite_code_validated",
    "household_dashboard_viewed",
    "household_member_list_viewed",
    "household_settings_viewed",
    "household_updated",
    "api_request",
    "rate_limit_exceeded",
    "lock_acquisition_timeout",
    "login_failed",
    "login_succeeded",
    "session_used",
    "pet_activity_logged",
)
LIMITS = ("household_creation", "join_request", "member_removal", "invite_regeneration")
USER_ERRORS = ("INVALID_HOUSEHOLD_NAME", "ALREADY_IN_HOUSEHOLD", "RATE_LIMIT_EXCEEDED")

_KIND = {name: number for number, name in enumerate(EVENT_TYPES)}
_DEFAULTS = {
    "household": NOBODY,
    "user": NOBODY,
    "other": NOBODY,
    "request": NOBODY,
    "session": NOBODY,
    "number": NOBODY,
    "flag": 0,
    "correlation": NOBODY,
    "mobile": 0,
    "network": NOBODY,
}


def events(kind: str, moment: Integers, **columns: Integers | int) -> Columns:
    """Events of one type; columns not given are absent from their rows.

    household, user (the actor) · other: the member, requester or successor, or the code number · request · session ·
    number: milliseconds or a count · flag: a yes/no, a member count, or an index into LIMITS, USER_ERRORS, ... ·
    correlation · mobile: 1 for the phone app · network: whose connection it came over (default: the actor's own).
    """
    unknown = columns.keys() - _DEFAULTS.keys()
    if unknown:
        raise ValueError(f"no such event columns: {sorted(unknown)}")
    rows = {"kind": np.full(len(moment), _KIND[kind], dtype=np.int64), "moment": moment}
    for name, default in _DEFAULTS.items():
        rows[name] = np.broadcast_to(np.asarray(columns.get(name, default), dtype=np.int64), moment.shape).copy()
    return rows


def picked(rows: Columns, which: Integers | Flags | slice) -> Columns:
    """The rows that a mask or an index array names."""
    return {name: column[which] for name, column in rows.items()}


def _recorded(town: Residents, kind: str, moment: Integers, **columns: Integers) -> Columns:
    """Those of the events that the audit table, which begins late, has seen."""
    seen = moment >= town.spec.audit_start
    return events(kind, moment[seen], **picked(columns, seen))


def story_events(town: Residents, requests: Columns, codes: Codes) -> Columns:
    """What the audit table recorded of the members' story, retries included, in no order."""
    rng = town.spec.rng("story events")
    answers = _answers(town, requests)
    kept = rng.random(len(answers["moment"])) >= 0.003
    parts = [picked(answers, kept), *_membership_events(town), *_code_events(town, requests, codes, rng)]
    parts += [*_refusals(town, requests, codes), *_own_failures(town, rng)]
    rows = joined_columns(parts)
    rows["correlation"] = np.arange(len(rows["moment"]), dtype=np.int64)
    rows["mobile"] = rng.integers(0, 2, len(rows["moment"]))
    retried = picked(rows, rng.random(len(rows["moment"])) < 0.01)
    retried["moment"] = retried["moment"] + rng.integers(SECOND, 5 * SECOND, len(retried["moment"]))
    return joined_columns([rows, retried])


def _answers(town: Residents, requests: Columns) -> Columns:
    number = np.arange(len(requests["user"]), dtype=np.int64)
    household, user, responded = requests["household"], requests["user"], requests["responded"]
    made = {"household": household, "user": user, "other": requests["code"], "request": number}
    parts = [_recorded(town, "household_join_request_submitted", requests["requested"] + 40_000, **made)]
    for status, kind in ((APPROVED, "approved"), (REJECTED, "rejected"), (WITHDRAWN, "withdrawn")):
        with_status = np.flatnonzero(requests["status"] == status)
        actor = user if status == WITHDRAWN else requests["responded_by"]
        answered = {"household": household, "user": actor, "other": user, "request": number}
        moment = responded[with_status] + 400_000
        parts.append(_recorded(town, f"household_join_request_{kind}", moment, **picked(answered, with_status)))
    return joined_columns(parts)


def _membership_events(town: Residents) -> list[Columns]:
    index = np.arange(len(town.created), dtype=np.int64)
    parts = [_recorded(town, "household_created", town.created + SECOND, household=index, user=town.creator)]
    members = town.members
    for ending in (REMOVED, LEFT, LEFT_LEADING):
        gone = picked(members, members["ending"] == ending)
        household, user, moment = gone["household"], gone["user"], gone["ended"]
        if ending == REMOVED:
            leader = town.leader_at(household, moment)
            parts.append(
                _recorded(town, "household_member_removed", moment, household=household, user=leader, other=user)
            )
            continue
        leading = np.full_like(household, ending == LEFT_LEADING)
        parts.append(_recorded(town, "household_left", moment + 300_000, household=household, user=user, flag=leading))
        if ending == LEFT_LEADING:
            heirs = (town.handed_over[household] < NEVER).astype(np.int64)
            begun = {"household": household, "user": user, "flag": heirs}
            parts.append(_recorded(town, "household_leave_started", moment - 300_000, **begun))
    handed = np.flatnonzero(town.handed_over < NEVER).astype(np.int64)
    passed = {"household": handed, "user": town.creator[handed], "other": town.successor[handed]}
    flag = designated(town, handed)
    parts.append(_recorded(town, "household_leadership_transferred", town.handed_over[handed], flag=flag, **passed))
    return parts


def _code_events(town: Residents, requests: Columns, codes: Codes, rng: np.random.Generator) -> list[Columns]:
    leader = town.leader_at(codes.household, codes.moment)
    changed = {"household": codes.household, "user": leader}
    parts = [events("household_invite_code_regenerated", codes.moment, **changed)]
    tried = picked(requests, rng.random(len(requests["user"])) < 0.3)
    tried = picked(tried, tried["requested"] > town.spec.audit_start + MINUTE)
    anonymous = rng.random(len(tried["user"])) < 0.5
    guess = {"user": np.where(anonymous, NOBODY, tried["user"]), "network": tried["user"]}
    moment = tried["requested"] - 30 * SECOND
    parts.append(events("household_invite_code_validated", moment, other=tried["code"], flag=1, **guess))
    mistyped = rng.random(len(moment)) < 0.2
    wrong = picked(guess, mistyped)
    # Nobody has these codes: their numbers lie beyond all that were given out.
    other = len(town.created) + len(codes.number) + 10_000 + np.arange(int(mistyped.sum()), dtype=np.int64)
    parts.append(events("household_invite_code_validated", moment[mistyped] - 20 * SECOND, other=other, **wrong))
    return parts


def _refusals(town: Residents, requests: Columns, codes: Codes) -> list[Columns]:
    """One refusal each for founders, eager askers and shelters who had just reached their limit."""
    creation, join, removal, regeneration = range(len(LIMITS))
    last = np.arange(town.first_grouped + GROUP - 1, len(town.created), GROUP, dtype=np.int64)
    founder, moment = town.creator[last], town.created[last] + 10 * MINUTE
    wish: dict[str, Integers | int] = {"user": founder, "flag": USER_ERRORS.index("RATE_LIMIT_EXCEEDED")}
    asked = np.bincount(requests["user"])
    fifth = asked[requests["user"]] == GROUP
    eager, place = np.unique(requests["user"][fifth][::-1], return_index=True)
    latest_asked = requests["requested"][fifth][::-1][place]
    shelter = np.arange(town.shelters, dtype=np.int64)
    removed_last = np.zeros(town.shelters, dtype=np.int64)
    sheltered = town.members["household"] < town.shelters
    sitters = picked(town.members, sheltered & (town.members["ending"] == REMOVED))
    np.maximum.at(removed_last, sitters["household"], sitters["ended"])
    regenerated_last = codes.moment[-town.shelters * SHELTER_REGENERATIONS :].reshape(town.shelters, -1).max(axis=1)
    refused: dict[str, Integers | int] = {"household": shelter, "flag": removal, "number": SHELTER_SITTERS}
    again: dict[str, Integers | int] = {"household": shelter, "flag": regeneration, "number": SHELTER_REGENERATIONS}
    return [
        events("rate_limit_exceeded", moment, user=founder, flag=creation, number=GROUP),
        events("household_create_failed", moment, **wish),
        events("rate_limit_exceeded", latest_asked + 4 * MINUTE, user=eager, flag=join, number=GROUP),
        events("rate_limit_exceeded", removed_last + 5 * MINUTE, **refused),
        events("rate_limit_exceeded", regenerated_last + 7 * MINUTE, **again),
    ]


def _own_failures(town: Residents, rng: np.random.Generator) -> list[Columns]:
    """Founders who misspell a name, or belong to a household already."""
    spec = town.spec
    count = max(3, round(spec.households * spec.days * 1e-5))
    user = rng.choice(town.creator[: town.first_grouped], count)
    moment = rng.integers(spec.audit_start, spec.quiet_from, count)
    return [events("household_create_failed", moment, user=user, flag=rng.integers(0, 2, count))]
