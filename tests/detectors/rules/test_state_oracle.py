"""Random small towns against plain Python written from the catalogue's text, and PostgreSQL against DuckDB.

Every time lies well apart from the limits; the boundaries have tests of their own beside each detector.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.contract import Detector
from detectors.limits import Limits
from detectors.registry import BY_ID
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

Found = set[tuple[str, tuple[tuple[str, str], ...]]]
HOMES = ("oak", "elm")
PEOPLE = ("anna", "ben", "cleo", "dora")
SHARED = tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
LIMITS = Limits(household_capacity=2, commercial_sittings=3, commercial_sitting_households=2)


def said(detector: str, **subject: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return detector, tuple(sorted(subject.items()))


def agree(scanners: tuple[Scanner, Scanner], town: Town, expected: Found, *ids: str) -> None:
    detectors: list[Detector] = [BY_ID[one] for one in ids]
    # Somebody lives in order, so that no table is empty or without any leader.
    town.family("sound", "sue", "sam")
    duck, postgres = (scanner.findings(town, *detectors, limits=LIMITS) for scanner in scanners)
    subjects = {said(f.detector, **{str(key): value for key, value in f.subject.items()}) for f in duck}
    assert subjects == expected
    assert [finding.model_dump_json() for finding in duck] == [finding.model_dump_json() for finding in postgres]


@st.composite
def memberships(draw: st.DrawFn) -> Town:
    town = Town()
    people = st.sampled_from(PEOPLE)
    for home in HOMES:
        town.household(home, draw(st.one_of(st.none(), people)))
        for place in range(draw(st.integers(0, 4))):
            temporary = draw(st.booleans())
            town.member(
                home,
                draw(people),
                role=draw(st.sampled_from(["leader", "member", "member"])),
                status=draw(st.sampled_from(["active", "active", "removed"])),
                at=LONG_AGO + draw(st.sampled_from([timedelta(0), (place + 1) * DAY])),
                is_temporary=temporary,
                temporary_expires_at=draw(st.sampled_from([None, NOON, AS_OF + DAY])) if temporary else None,
                invited_by=draw(st.sampled_from([None, uid("anna"), uid("dora")])),
            )
        for place in range(draw(st.integers(0, 4))):
            town.request(
                f"{home} {place}",
                home,
                draw(people),
                status=draw(st.sampled_from(["pending", "approved", "rejected", "withdrawn"])),
                at=LONG_AGO + 5 * DAY + place * HOUR,
                by=draw(st.one_of(st.none(), people, st.just("stranger"))),
            )
    for person in PEOPLE:
        if draw(st.booleans()):
            town.account(person, deleted_at=draw(st.sampled_from([None, LONG_AGO, NOON, AS_OF + DAY])))
    if draw(st.integers(0, 4)) == 0:
        town.households.remove(town.home(draw(st.sampled_from(HOMES))))
    return town


def rows_of(town: Town, home: str) -> list[dict[str, Any]]:
    return [row for row in town.household_members if row["household_id"] == uid(home)]


def requests_of(town: Town, home: str) -> list[dict[str, Any]]:
    return [row for row in town.household_join_requests if row["household_id"] == uid(home)]


def active_of(town: Town, home: str) -> list[dict[str, Any]]:
    return [row for row in rows_of(town, home) if row["status"] == "active"]


def there(town: Town) -> list[str]:
    return [home for home in HOMES if any(row["id"] == uid(home) for row in town.households)]


def living_of(town: Town, home: str) -> list[dict[str, Any]]:
    """The active rows behind which somebody stands; accounts that are not in the table live."""
    deleted = {row["id"] for row in town.users if row["deleted_at"] and row["deleted_at"] < AS_OF}
    return [row for row in active_of(town, home) if row["user_id"] not in deleted]


def integrity(town: Town) -> Found:
    expected: Found = set()
    everyone_left = False
    households: dict[str, set[str]] = defaultdict(set)
    for home in HOMES:
        active, living = active_of(town, home), living_of(town, home)
        if sum(row["role"] == "leader" for row in living) > 1:
            expected.add(said("multiple-leaders", household_id=uid(home)))
        if home in there(town):
            named = town.home(home)["leader_id"] in {row["user_id"] for row in living}
            if living and not (named and any(row["role"] == "leader" for row in living)):
                expected.add(said("no-leader", household_id=uid(home)))
            if not rows_of(town, home):
                expected.add(said("orphaned-household", household_id=uid(home)))
            elif not active:
                everyone_left = True
            if len({row["user_id"] for row in active}) > 2:
                expected.add(said("over-capacity", household_id=uid(home)))
        elif active:
            expected.add(said("members-without-household", household_id=uid(home)))
        for user, number in Counter(row["user_id"] for row in active).items():
            if number > 1:
                expected.add(said("duplicate-member", household_id=uid(home), user_id=user))
        for row in active:
            if not row["is_temporary"]:
                households[row["user_id"]].add(home)
    if everyone_left:
        expected.add(said("orphaned-household", operation="everyone-left"))
    return expected | {
        said("member-of-many-households", user_id=user) for user, homes in households.items() if len(homes) > 1
    }


@SHARED
@given(memberships())
def test_membership_rows(on_duckdb: Scanner, on_postgres: Scanner, town: Town) -> None:
    rules = ("multiple-leaders", "no-leader", "orphaned-household", "duplicate-member", "member-of-many-households")
    agree((on_duckdb, on_postgres), town, integrity(town), *rules, "members-without-household", "over-capacity")


def leaders_of(town: Town, home: str) -> set[str | None]:
    """Who leads or has led, the creator included."""
    ever = {r["user_id"] for r in rows_of(town, home) if r["role"] == "leader" or r["joined_at"] == LONG_AGO}
    return ever | {town.home(home)["leader_id"]}


def security(town: Town) -> Found:
    expected: Found = set()
    for home in HOMES:
        is_there = home in there(town)
        leader = town.home(home)["leader_id"] if is_there else None
        leaders = leaders_of(town, home) if is_there else set()
        belonged = {row["user_id"] for row in rows_of(town, home)} | {leader}
        for request in requests_of(town, home) if is_there else ():
            answered = request["status"] in {"approved", "rejected"}
            by = request["responded_by"]
            if answered and (by is None or by == request["user_id"] or by not in belonged):
                expected.add(said("self-approved-request", request_id=request["id"]))
        for user in {row["user_id"] for row in active_of(town, home)}:
            rows = [row for row in active_of(town, home) if row["user_id"] == user]
            asked = [request for request in requests_of(town, home) if request["user_id"] == user]
            subject = {"household_id": uid(home), "user_id": user}
            sitting = [row for row in rows if row["is_temporary"]]
            over = any(row["temporary_expires_at"] == NOON for row in sitting)
            lives = any(row["user_id"] == user for row in living_of(town, home))
            if over or (lives and any(row["role"] == "leader" or user == leader for row in sitting)):
                expected.add(said("temporary-access-expired", **subject))
            if is_there and not is_let_in(rows, asked, leaders):
                expected.add(said("member-without-approval", **subject))
    return expected


def is_let_in(rows: list[dict[str, Any]], asked: list[dict[str, Any]], leaders: set[str | None]) -> bool:
    if any(row["joined_at"] == LONG_AGO for row in rows) or any(r["status"] == "approved" for r in asked):
        return True
    if any(row["is_temporary"] and (row["invited_by"] is None or row["invited_by"] in leaders) for row in rows):
        return True
    return any(
        request["requested_at"] <= row["joined_at"]
        and (
            request["status"] == "rejected"
            or (request["status"] == "withdrawn" and request["responded_by"] not in {None, request["user_id"]})
        )
        for request in asked
        for row in rows
    )


@SHARED
@given(memberships())
def test_security(on_duckdb: Scanner, on_postgres: Scanner, town: Town) -> None:
    ids = ("self-approved-request", "member-without-approval", "temporary-access-expired")
    agree((on_duckdb, on_postgres), town, security(town), *ids)


def conflicts(town: Town) -> Found:
    expected: Found = set()
    for home in there(town):
        leaders = leaders_of(town, home)
        for user in {request["user_id"] for request in requests_of(town, home)}:
            asked = [request for request in requests_of(town, home) if request["user_id"] == user]
            rows = [row for row in active_of(town, home) if row["user_id"] == user]
            withdrawn = any(
                request["status"] == "withdrawn" and request["responded_by"] not in {None, user} for request in asked
            )
            twice = sum(request["status"] == "pending" for request in asked) > 1
            if withdrawn or twice or is_rejected_member(rows, asked, leaders):
                expected.add(said("concurrent-conflict", household_id=uid(home), user_id=user))
    return expected


def is_rejected_member(rows: list[dict[str, Any]], asked: list[dict[str, Any]], leaders: set[str | None]) -> bool:
    rejected = [request["requested_at"] for request in asked if request["status"] == "rejected"]
    approved = [request["requested_at"] for request in asked if request["status"] == "approved"]
    if not rows or not rejected:
        return False
    row = max(rows, key=lambda row: row["joined_at"])
    of_this = [at for at in approved if at <= row["joined_at"]]
    if of_this:
        return bool(max(rejected) > max(of_this))
    a_sitter = row["is_temporary"] and (row["invited_by"] is None or row["invited_by"] in leaders)
    return not approved and not (a_sitter and max(rejected) <= row["joined_at"])


@SHARED
@given(
    memberships().filter(
        lambda town: (
            len({(r["household_id"], r["user_id"], r["joined_at"]) for r in town.household_members})
            == len(town.household_members)
        )
    )
)
def test_concurrent_conflicts(on_duckdb: Scanner, on_postgres: Scanner, town: Town) -> None:
    agree((on_duckdb, on_postgres), town, conflicts(town), "concurrent-conflict")


CODES = (None, " ", "REX-ALPHA-BRAVO", "rex-alpha-bravo", "REX-ALPHA-ZULU", "REX-ALPHA", "MAX-LIMA-LIMA")


@st.composite
def coded(draw: st.DrawFn) -> Town:
    town = Town()
    for home in ("oak", "elm", "fir"):
        town.family(home, f"leader of {home}")
        regenerated = draw(st.booleans())
        town.home(home).update(invite_code=draw(st.sampled_from(CODES)), updated_at=NOON if regenerated else LONG_AGO)
        if regenerated:
            for _ in range(draw(st.integers(1, 2))):
                at = draw(st.sampled_from([NOON, NOON + 2 * MINUTE]))
                told = {"old_invite_code": draw(st.sampled_from(CODES))} if draw(st.booleans()) else {}
                town.event("household_invite_code_regenerated", home, "leader", at=at, correlation_id=home, **told)
        for place in range(draw(st.integers(0, 2))):
            after = draw(st.sampled_from([-HOUR, HOUR, 3 * HOUR]))
            code = draw(st.sampled_from([code for code in CODES if code]))
            town.request(f"{home} {place}", home, "zoe", invite_code=code, at=NOON + after)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from([YESTERDAY.start - HOUR, NOON, YESTERDAY.end + HOUR]))
        town.event("household_invite_code_failed", "oak", "zoe", at=at, correlation_id=draw(st.sampled_from("ab")))
    return town


def compared(code: str | None) -> str:
    return (code or "").strip().upper()


def codes(town: Town) -> Found:
    expected: Found = set()
    having: dict[str, set[str]] = defaultdict(set)
    had: dict[str, set[str]] = defaultdict(set)
    for home in town.households:
        code = home["invite_code"]
        having[compared(code)].add(home["id"])
        if code is None or code not in {"REX-ALPHA-BRAVO", "REX-ALPHA-ZULU", "MAX-LIMA-LIMA"}:
            expected.add(said("invite-code-failure", operation="stored-codes"))
        began = [
            e["event_timestamp"]
            for e in town.household_events
            if e["household_id"] == home["id"] and "regenerated" in e["event_type"]
        ]
        for e in town.household_events:
            if e["household_id"] == home["id"]:
                had[compared(e["metadata"].get("old_invite_code"))].add(home["id"])
        asked = [request for request in town.household_join_requests if request["household_id"] == home["id"]]
        for request in asked:
            had[compared(request["invite_code"])].add(home["id"])
            late = began and request["requested_at"] > min(began) + 5 * MINUTE
            if late and compared(code) and compared(request["invite_code"]) not in {"", compared(code)}:
                expected.add(said("old-invite-code-accepted", household_id=home["id"]))
    for code in having.keys() - {""}:
        if len(having[code]) > 1 or had[code] - having[code]:
            expected.add(said("invite-code-collision", invite_code=code))
    first: dict[str, Any] = {}
    for event in town.household_events:
        if event["event_type"] == "household_invite_code_failed" and event["event_timestamp"] < YESTERDAY.end:
            key = event["metadata"]["correlation_id"]
            first[key] = min(first.get(key, event["event_timestamp"]), event["event_timestamp"])
    if any(at in YESTERDAY for at in first.values()):
        expected.add(said("invite-code-failure", operation="generation"))
    return expected


@SHARED
@given(coded())
def test_codes(on_duckdb: Scanner, on_postgres: Scanner, town: Town) -> None:
    ids = ("invite-code-failure", "invite-code-collision", "old-invite-code-accepted")
    agree((on_duckdb, on_postgres), town, codes(town), *ids)


FRAGMENTS = {
    "Rex & Bella's home": None,
    "a <3 for dogs": None,
    "javascript": None,
    "casinos": None,
    "Müller": None,
    "&lt;b&gt;": None,
    "kennel": None,
    "<script>x</script>": "stored-markup",
    "{{7*7}}": "stored-markup",
    "casino": "off-topic-use",
    "Poker NIGHT": "off-topic-use",
    "c\u200basino": "off-topic-use",
    "rover.com": "competitor-use",
    "paw\u00adshake": "competitor-use",
}


@st.composite
def written(draw: st.DrawFn) -> tuple[Town, Found]:
    town, expected = Town(), set()
    for home in HOMES:
        parts = draw(st.lists(st.sampled_from(sorted(FRAGMENTS)), max_size=4))
        middle = draw(st.integers(0, len(parts)))
        town.family(home, f"leader of {home}")
        town.home(home).update(name=" - ".join(parts[:middle]) or "Home", description=", ".join(parts[middle:]) or None)
        for part in parts:
            detector = FRAGMENTS[part]
            if detector:
                expected.add(said(detector, household_id=uid(home)))
    for person in ("sid", "tim"):
        rows = draw(st.lists(st.tuples(st.sampled_from(HOMES), st.integers(1, 60)), max_size=5))
        for home, days in rows:
            town.member(home, person, status="removed", is_temporary=True, at=AS_OF - days * DAY + HOUR)
        lately = [home for home, days in rows if days <= 30]
        if len(lately) >= 3 and len(set(lately)) == 2:
            expected.add(said("commercial-use", user_id=uid(person)))
    town.event("household_dashboard_viewed", "oak", "fay", at=AS_OF - 60 * DAY)
    lifeless = Counter[str]()
    for place in range(draw(st.integers(0, 5))):
        name = draw(st.sampled_from(["Test Home", "Granny's"]))
        home = f"fake {place}"
        town.household(home, "fay", at=AS_OF - draw(st.sampled_from([10, 1])) * DAY)
        created = town.home(home)["created_at"]
        town.home(home)["name"] = f"{name} {place}"
        town.member(home, "fay", role="leader", at=created)
        life = draw(st.sampled_from([None, None, "member", "early", "late"]))
        if life == "member":
            town.member(home, "gus", at=created + HOUR)
        elif life:
            town.event("pet_activity_logged", home, "fay", at=created + (HOUR if life == "early" else 3 * DAY))
        if created < AS_OF - 2 * DAY and life in {None, "late"}:
            lifeless[name] += 1
    if any(number >= 3 for number in lifeless.values()):
        expected.add(said("fake-households", user_id=uid("fay")))
    return town, expected


@SHARED
@given(written())
def test_texts_and_founders(on_duckdb: Scanner, on_postgres: Scanner, case: tuple[Town, Found]) -> None:
    town, expected = case
    ids = ("stored-markup", "off-topic-use", "competitor-use", "commercial-use", "fake-households")
    agree((on_duckdb, on_postgres), town, expected, *ids)
