"""A town in which each detector finds its case, and what a repair makes of the rows of each that is about rows.

Everybody and every household of a case bears the detector's id before the name, so that the cases do not touch each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from detectors.contract import Context, Finding
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, NOON, YESTERDAY, Town, uid, write_csv

NO_ROWS_HERE = {"missing-index": "it reads a server's catalog", "vip-affected": "it makes no ticket of its own"}
"""Detectors that the town has no case for, and why."""
LIMITS = Limits(known_organisations=frozenset({uid("legitimate-high-volume/shelter")}))


@dataclass(frozen=True)
class Place:
    """The corner of the town where one detector's case lives. Names are short; the town knows them with the detector's id."""

    town: Town
    detector: str

    def __call__(self, name: str) -> str:
        return f"{self.detector}/{name}"

    def family(self, *names: str, home: str = "home", at: datetime = LONG_AGO) -> None:
        self.town.family(self(home), *map(self, names), at=at)
        for name in names:
            self.account(name)

    def account(self, name: str, **columns: Any) -> None:
        if uid(self(name)) not in {row["id"] for row in self.town.users}:
            self.town.account(self(name), **columns)

    def member(self, name: str, home: str = "home", **columns: Any) -> None:
        self.town.member(self(home), self(name), **columns)

    def row(self, name: str, home: str = "home") -> dict[str, Any]:
        return self.town.row(self(home), self(name))

    def home(self, home: str = "home") -> dict[str, Any]:
        return self.town.home(self(home))

    def event(self, kind: str, home: str | None, user: str | None, **rest: Any) -> None:
        named: dict[str, Any] = {
            key: self(value) if key.endswith("_id") and key not in ("session_id", "correlation_id") else value
            for key, value in rest.items()
        }
        self.town.event(kind, home and self(home), user and self(user), **named)

    def request(self, name: str, user: str, home: str = "home", *, by: str | None = None, **rest: Any) -> None:
        self.town.request(self(name), self(home), self(user), by=by and self(by), **rest)

    def report(self, name: str, category: str, by: str, **rest: Any) -> None:
        named: dict[str, Any] = {key: self(value) if key.endswith("_id") else value for key, value in rest.items()}
        self.town.report(self(name), category, self(by), **named)


Act = Callable[[Place], None]


def _multiple_leaders(at: Place) -> None:
    at.family("anna", "ben", "cleo")
    at.row("ben")["role"] = "leader"


def _no_leader(at: Place) -> None:
    at.family("anna", "ben", "cleo")
    at.home()["leader_id"] = None


def _orphan(at: Place) -> None:
    at.town.household(at("home"), at("anna"), at=NOON)
    at.event("household_created", "home", "anna", at=NOON)


def _transfer_failed(at: Place) -> None:
    at.family("anna", "ben", "cleo", "dora", "emil")
    at.event("household_leave_started", "home", "anna", at=NOON, has_successor=False)
    at.event("household_left", "home", "anna", at=NOON + MINUTE, was_leader=True)
    at.row("anna")["status"] = "removed"


def _transfer_finished(at: Place) -> None:
    at.home()["leader_id"] = uid(at("ben"))
    at.row("ben")["role"] = "leader"


def _no_household(at: Place) -> None:
    at.family("anna", "ben")
    at.town.households.remove(at.home())


def _duplicate(at: Place) -> None:
    at.family("anna", "ben")
    at.member("ben", at=NOON)


def _many_households(at: Place) -> None:
    at.family("anna", "ben")
    at.family("dora", "emil", home="other")
    at.request("again", "ben", "other", status="approved", at=NOON - HOUR, by="dora")
    at.member("ben", "other", at=NOON)


def _markup(at: Place) -> None:
    at.family("anna", "ben")
    at.home()["name"] = "<img src=x onerror=alert(1)>"


def _session(at: Place) -> None:
    at.family("anna", "ben")
    at.row("ben")["status"] = "removed"
    at.event("household_member_removed", "home", "anna", at=NOON, member_id="ben")
    at.town.session(
        at("session"), at("ben"), last_activity_at=NOON + HOUR, ip_address="203.0.113.7", user_agent="phone"
    )


def _access(at: Place) -> None:
    at.family("anna", "ben")
    at.event("household_member_list_viewed", "home", "mallory", at=NOON)
    at.event("household_updated", "home", "mallory", at=NOON + MINUTE)


def _unapproved(at: Place) -> None:
    at.family("anna", "ben")
    at.member("ivan", at=NOON)


def _self_approved(at: Place) -> None:
    at.family("anna", "ben")
    at.request("asked", "ivan", status="approved", at=NOON, by="ivan")
    at.member("ivan", at=NOON + HOUR)


def _sitter(at: Place) -> None:
    at.family("anna", "ben")
    at.member("sid", is_temporary=True, temporary_expires_at=NOON - DAY, invited_by=uid(at("anna")), at=NOON - 9 * DAY)


def _bypass(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(22):
        at.event("household_member_removed", "home", "anna", at=NOON - number * MINUTE, member_id=f"m{number}")


def _codes(at: Place) -> None:
    at.family("anna", "ben")
    at.event("household_invite_code_failed", "home", "anna", at=NOON, error_code="CODE_GENERATION_FAILED")


def _errors(at: Place) -> None:
    for number in range(3):
        at.event("api_request", None, f"u{number}", at=NOON + number * MINUTE, error_code="53300", route="/households")


def _timeouts(at: Place) -> None:
    at.event("api_request", None, "anna", at=NOON, duration_ms=45_000, route="/households")


def _creations_fail(at: Place) -> None:
    for number in range(20):
        at.event(
            "household_create_failed", None, f"u{number}", at=NOON + number * MINUTE, error_code="CODE_SPACE_EMPTY"
        )


def _not_removed(at: Place) -> None:
    at.family("anna", "ben")
    at.event("household_member_removed", "home", "anna", at=NOON, member_id="ben")


def _not_approved(at: Place) -> None:
    at.family("anna", "ben")
    at.member("ivan", status="removed")
    at.request("asked", "ivan", status="approved", at=NOON, by="anna")
    at.event(
        "household_join_request_approved", "home", "anna", at=NOON + MINUTE, request_id="asked", new_member_id="ivan"
    )


def _old_code(at: Place) -> None:
    at.family("anna", "ben")
    at.home().update(invite_code="NEW-ALPHA-BRAVO", updated_at=NOON)
    at.event("household_invite_code_regenerated", "home", "anna", at=NOON)
    at.request("asked", "zoe", at=NOON + HOUR, invite_code="OLD-ALPHA-BRAVO")


def _slow(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(9):
        at.event(
            "household_dashboard_viewed", "home", "anna", at=NOON + number * MINUTE, duration_ms=14_000, member_count=2
        )


def _member_list(at: Place) -> None:
    at.family(*(f"m{number}" for number in range(12)))
    for number in range(4):
        at.event("household_member_list_viewed", "home", "m1", at=NOON + number * MINUTE, error_code="RENDER_FAILED")


def _repeated(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(4):
        at.event("lock_acquisition_timeout", "home", "anna", at=NOON + number * MINUTE, resource="household")


def _inconsistent(at: Place) -> None:
    at.family("anna", "ben")
    at.event("rate_limit_exceeded", None, "anna", at=NOON, limit_type="household_creation")


def _collision(at: Place) -> None:
    at.family("anna", "ben")
    at.family("dora", "emil", home="other")
    at.home()["invite_code"] = "REX-ALPHA-BRAVO"
    at.home("other")["invite_code"] = "rex-alpha-bravo"


def _conflict(at: Place) -> None:
    at.family("anna", "ben")
    at.request("one", "zoe", at=NOON - HOUR)
    at.request("two", "zoe", at=NOON)


def _high_volume(at: Place) -> None:
    at.family("shelter", "helper")
    for day in range(3):
        at.event("rate_limit_exceeded", None, "shelter", at=NOON - day * DAY, limit_type="household_creation")


def _punitive(at: Place) -> None:
    at.family("anna", "ben", "cleo")
    at.report(
        "complaint", "harassment", "ben", at=NOON - HOUR, household_id="home", subject_user_id="anna", status="closed"
    )
    at.event("household_member_removed", "home", "anna", at=NOON, member_id="ben", ip_address="198.51.100.9")
    at.row("ben")["status"] = "removed"


def _harassment(at: Place) -> None:
    at.family("anna", "ben")
    at.family("vera", home="other")
    for number, person in enumerate(("anna", "ben")):
        at.report(f"r{number}", "spam", person, at=NOON + number * MINUTE, subject_user_id="vera")


def _report(at: Place) -> None:
    at.family("anna", "ben")
    at.report("new", "threat", "ben", household_id="home", subject_user_id="anna", body="He knows where I live.")


def _taken(at: Place) -> None:
    at.family("anna", "ben", "cleo")
    at.home()["leader_id"] = uid(at("ben"))
    at.row("ben")["role"] = "leader"
    at.row("anna")["role"] = "member"
    facts = {"from_user_id": "anna", "to_user_id": "ben", "ip_address": "198.51.100.7"}
    at.event("household_leadership_transferred", "home", "ben", at=NOON, **facts)


def _places(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(10, 0, -1):
        at.event(
            "household_dashboard_viewed",
            "home",
            "anna",
            at=NOON - number * DAY,
            ip_address="10.1.0.1",
            user_agent="phone",
        )
    for number in range(3):
        at.event(
            "household_dashboard_viewed", "home", "anna", at=NOON + number * MINUTE, ip_address=f"10.{number + 1}.0.1"
        )
    at.event("household_updated", "home", "anna", at=NOON + 5 * MINUTE, ip_address="10.3.0.1")


def _guessed(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(6):
        at.event("login_failed", None, "anna", at=NOON - number * MINUTE, ip_address="198.51.100.66")
    at.event("login_succeeded", None, "anna", at=NOON + MINUTE, ip_address="198.51.100.66")
    at.event("household_updated", "home", "anna", at=NOON + 2 * MINUTE, ip_address="198.51.100.66")


def _creations(at: Place) -> None:
    at.account("cora")
    for number in range(15):
        home, when = f"home{number}", NOON - (number // 5) * DAY + number * MINUTE
        at.event("household_created", home, "cora", at=when, ip_address="198.51.100.23", user_agent="script")
    # Somebody else who works from the same address.
    at.account("carl")
    at.event("household_created", "carls", "carl", at=NOON - 4 * HOUR, ip_address="198.51.100.23", user_agent="phone")


def _removals(at: Place) -> None:
    at.family("anna", *(f"m{number}" for number in range(3)))
    for number in range(46):
        when = NOON - (number // 16) * DAY + number * MINUTE
        at.event(
            "household_member_removed", "home", "anna", at=when, member_id=f"gone{number}", ip_address="198.51.100.40"
        )


def _shared(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(12):
        at.request(f"r{number}", f"p{number}", status="rejected", at=NOON + number * MINUTE, by="anna")


def _bot(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(40):
        at.event("pet_activity_logged", "home", "anna", at=NOON + number * MINUTE)


def _business(at: Place) -> None:
    at.account("sid")
    for number in range(10):
        at.family(f"leader{number}", home=f"home{number}")
        at.member("sid", f"home{number}", is_temporary=True, status="removed", at=AS_OF - (number + 1) * DAY)


def _fakes(at: Place) -> None:
    for number in range(3):
        at.town.household(at(f"home{number}"), at("fred"), at=NOON - 10 * DAY + number * HOUR)
        at.home(f"home{number}")["name"] = f"Promo Home {number + 1}"
        at.member("fred", f"home{number}", role="leader", status="removed", at=NOON - 10 * DAY + number * HOUR)


def _words(text: str) -> Act:
    def act(at: Place) -> None:
        at.family("anna", "ben")
        at.home()["description"] = text

    return act


def _reads(at: Place) -> None:
    at.family("anna", "ben")
    for number in range(201):
        at.event("household_settings_viewed", f"h{number}", "anna", at=NOON + 60 * number * MINUTE / 60)


def _crowd(at: Place) -> None:
    at.family(*(f"m{number}" for number in range(16)))


def _asks(category: str, **columns: Any) -> Act:
    def act(at: Place) -> None:
        at.family("anna", "ben")
        at.report("r", category, "ben", household_id="home", body="Please help us.", **columns)

    return act


def _feature(at: Place) -> None:
    for number in range(5):
        at.report(f"r{number}", "feature_request", f"u{number}", at=NOON + number * MINUTE, feature="Shared calendar")


def _closed(at: Place) -> None:
    for row in at.town.support_requests:
        if row["id"] in {uid(at(name)) for name in ("r", "new")}:
            row["status"] = "closed"


def _put(name: str, **columns: Any) -> Act:
    return lambda at: at.row(name).update(columns)


def _without_requests(*names: str) -> Act:
    def act(at: Place) -> None:
        gone = {uid(at(name)) for name in names}
        at.town.household_join_requests[:] = [row for row in at.town.household_join_requests if row["id"] not in gone]

    return act


def _deduplicated(at: Place) -> None:
    at.town.household_members.remove(
        next(row for row in at.town.household_members if row["user_id"] == uid(at("ben")) and row["joined_at"] == NOON)
    )


BROKEN: dict[str, Act] = {
    "multiple-leaders": _multiple_leaders,
    "no-leader": _no_leader,
    "orphaned-household": _orphan,
    "transfer-failed": _transfer_failed,
    "members-without-household": _no_household,
    "duplicate-member": _duplicate,
    "member-of-many-households": _many_households,
    "stored-markup": _markup,
    "session-survives-removal": _session,
    "unauthorised-access": _access,
    "member-without-approval": _unapproved,
    "self-approved-request": _self_approved,
    "temporary-access-expired": _sitter,
    "rate-limit-bypass": _bypass,
    "invite-code-failure": _codes,
    "database-errors": _errors,
    "api-timeouts": _timeouts,
    "creation-failure-rate": _creations_fail,
    "removal-not-applied": _not_removed,
    "approval-not-applied": _not_approved,
    "old-invite-code-accepted": _old_code,
    "slow-dashboard": _slow,
    "member-list-failing": _member_list,
    "repeated-timeouts": _repeated,
    "rate-limit-inconsistent": _inconsistent,
    "invite-code-collision": _collision,
    "concurrent-conflict": _conflict,
    "legitimate-high-volume": _high_volume,
    "punitive-removals": _punitive,
    "coordinated-harassment": _harassment,
    "abuse-report": _report,
    "unauthorised-transfer": _taken,
    "suspicious-access": _places,
    "failed-logins-then-changes": _guessed,
    "mass-creation": _creations,
    "mass-removal": _removals,
    "invite-code-sharing": _shared,
    "bot-cadence": _bot,
    "commercial-use": _business,
    "fake-households": _fakes,
    "off-topic-use": _words("Our casino, and a poker night"),
    "competitor-use": _words("Better bookings than on the rover app"),
    "scraping": _reads,
    "over-capacity": _crowd,
    "capacity-request": _asks("capacity"),
    "leader-member-dispute": _asks("dispute", subject_user_id="anna"),
    "policy-question": _asks("policy_question"),
    "feature-gap": _feature,
    "legal-matter": _asks("custody", subject_user_id="anna"),
}
"""What is wrong, by detector."""
REPAIRED: dict[str, Act] = {
    "multiple-leaders": _put("ben", role="member"),
    "no-leader": lambda at: at.home().update(leader_id=uid(at("anna"))),
    "orphaned-household": lambda at: at.member("anna", role="leader", at=NOON),
    "transfer-failed": _transfer_finished,
    "members-without-household": lambda at: (_put("anna", status="removed")(at), _put("ben", status="removed")(at))[0],
    "duplicate-member": _deduplicated,
    "member-of-many-households": _put("ben", status="removed"),
    "stored-markup": lambda at: at.home().update(name="Rex and friends"),
    "member-without-approval": _put("ivan", status="removed"),
    "self-approved-request": _without_requests("asked"),
    "temporary-access-expired": _put("sid", status="removed"),
    "removal-not-applied": _put("ben", status="removed"),
    "approval-not-applied": _put("ivan", status="active"),
    "old-invite-code-accepted": _without_requests("asked"),
    "invite-code-collision": lambda at: at.home("other").update(invite_code="TOM-ALPHA-BRAVO"),
    "concurrent-conflict": _without_requests("one"),
    "abuse-report": _closed,
    "over-capacity": _put("m15", status="removed"),
    "capacity-request": _closed,
    "leader-member-dispute": _closed,
    "policy-question": _closed,
    "legal-matter": _closed,
}
"""What a repair makes of it, for the rules that are about rows."""


def whole_town(*, repaired: bool = False) -> Town:
    """The town with every case; with those of REPAIRED repaired."""
    town = Town()
    for detector, act in BROKEN.items():
        act(Place(town, detector))
        if repaired and detector in REPAIRED:
            REPAIRED[detector](Place(town, detector))
    return town


def findings_of(folder: Path, town: Town) -> dict[str, Finding]:
    """The case that each detector finds in `town`, written into `folder` as an export."""
    write_csv(folder, town.tables())
    context = Context(as_of=AS_OF, window=YESTERDAY, limits=LIMITS)
    with open_source(str(folder), SourceMapping()) as source:
        result = scan(source, DETECTORS, context)
    found: dict[str, Finding] = {}
    for finding in map(whole, result.findings):
        corner = {
            uid(f"{finding.detector}/{name}") for name in ("home", "anna", "cora", "sid", "fred", "u0", "shelter")
        }
        if finding.detector in BROKEN and (corner & {*finding.users, *finding.households}):
            found.setdefault(finding.detector, finding)
    return found
