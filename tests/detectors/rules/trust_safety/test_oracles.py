"""Random small towns: each rule against the catalogue's text in plain Python, on both engines."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean, median, pstdev

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from detectors.contract import Detector
from detectors.limits import Limits
from detectors.rules.customer_success import capacity_request, leader_member_dispute, policy_question
from detectors.rules.legal import legal_matter
from detectors.rules.security import unauthorised_access
from detectors.rules.trust_safety import (
    abuse_report,
    bot_cadence,
    commercial_use,
    competitor_use,
    coordinated_harassment,
    failed_logins_then_changes,
    invite_code_sharing,
    off_topic_use,
    punitive_removals,
    scraping,
    suspicious_access,
    unauthorised_transfer,
)
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

towns = tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def both(on_duckdb: Scanner, on_postgres: Scanner) -> list[Scanner]:
    return [on_duckdb, on_postgres]


def agree(
    both: list[Scanner], town: Town, detector: Detector, expected: set[str], limits: Limits | None = None
) -> None:
    """Both engines name exactly the `expected` people or households (by readable name), and say the same."""
    # Somebody lives in order, so that no table is empty beside a full one.
    town.family("sound", "sue", "sam")
    results = [scanner.findings(town, detector, limits=limits) for scanner in both]
    for found in results:
        assert {value for finding in found for value in finding.subject.values()} == {uid(name) for name in expected}
    assert results[0] == results[1]


logins = st.lists(
    st.tuples(
        st.sampled_from(["anna", "ben"]),
        st.sampled_from(
            ["login_failed", "login_failed", "login_succeeded", "household_updated", "pet_activity_logged"]
        ),
        st.integers(-90, 180),
        st.sampled_from([None, None, None, "c", "d"]),
        st.booleans(),
    ),
    max_size=40,
)


@towns
@given(logins)
def test_failed_logins_then_changes(both: list[Scanner], rows: list[tuple[str, str, int, str | None, bool]]) -> None:
    town = Town()
    first: dict[tuple[str, str, str | int], datetime] = {}
    for place, (user, kind, minutes, correlation, hidden) in enumerate(rows):
        at = YESTERDAY.start + minutes * MINUTE
        more = {"correlation_id": user + correlation} if correlation else {}
        if hidden and kind.startswith("login"):
            town.event(kind, None, None, at=at, user_id=user, **more)
        else:
            town.event(kind, "oak", user, at=at, **more)
        key = (user, kind, correlation or place)
        first[key] = min(at, first.get(key, at))
    expected = set()
    for user in ("anna", "ben"):
        of = {
            kind: [at for (who, what, _), at in first.items() if (who, what) == (user, kind)]
            for kind in ("login_failed", "login_succeeded", "household_updated")
        }
        for change in of["household_updated"]:
            for success in of["login_succeeded"]:
                for last in of["login_failed"]:
                    burst = [at for at in of["login_failed"] if last - 30 * MINUTE < at <= last]
                    in_order = last <= success <= change and change - last < HOUR and change >= YESTERDAY.start
                    if len(burst) >= 3 and in_order:
                        expected.add(user)
    agree(both, town, failed_logins_then_changes.DETECTOR, expected, Limits(failed_logins=3))


def variation(times: list[datetime]) -> float:
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return pstdev(gaps) / fmean(gaps) if len(times) >= 5 and fmean(gaps) else 1


def between_pauses(times: list[datetime]) -> list[list[datetime]]:
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    ends = [place for place, gap in enumerate(gaps, 1) if gap > 3 * median(gaps)] + [len(times)]
    return [times[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@towns
@given(
    st.lists(st.sampled_from([0.3, 0.6, 2.0, 2.5, 58.0, 60.0, 60.0, 60.0, 62.0, 600.0]), max_size=16),
    st.lists(st.sampled_from(["household_updated", "household_settings_viewed"]), min_size=17, max_size=17),
    st.lists(st.sampled_from([None, None, None, None, "c", "d"]), min_size=17, max_size=17),
)
@example([60.0, 58.0, 60.0, 62.0, 600.0, 0.3], ["household_settings_viewed"] * 7, [None] * 7)
@example([60.0, 0.3, 60.0, 0.3, 60.0, 0.3, 60.0], ["household_updated"] * 8, ["a", "b", "b", "c", "c", "d", "d", "e"])
@example(
    [60.0, 0.3, 60.0, 60.0, 60.0],
    ["household_updated", "household_settings_viewed", *["household_updated"] * 4],
    [None] * 6,
)
def test_bot_cadence(both: list[Scanner], gaps: list[float], kinds: list[str], ids: list[str | None]) -> None:
    town, at = Town(), NOON
    first: dict[tuple[str, str | int], datetime] = {}
    for place, (gap, kind, correlation) in enumerate(zip([0.0, *gaps], kinds, ids, strict=False)):
        at += timedelta(seconds=gap)
        town.event(kind, "oak", "anna", at=at, **({"correlation_id": correlation} if correlation else {}))
        first.setdefault((kind, correlation or place), at)
    changes = [at for (kind, _), at in first.items() if kind == "household_updated"]
    operations: dict[str | int, tuple[datetime, str]] = {}
    for (kind, key), at in first.items():
        operations.setdefault(key, (at, kind))
    views = [at for at, kind in operations.values() if kind != "household_updated"]
    of_one_screen = {later for earlier, later in pairwise(views) if later - earlier <= timedelta(seconds=2)}
    actions = [at for at, kind in operations.values() if kind == "household_updated" or at not in of_one_screen]
    groups = [group for times in (actions, changes) for group in (times, *between_pauses(times))]
    regular = any(variation(group) < 0.1 for group in groups)
    fast = len(changes) >= 5 and median([(b - a).total_seconds() for a, b in pairwise(changes)]) < 1
    agree(both, town, bot_cadence.DETECTOR, {"anna"} if regular or fast else set(), Limits(bot_actions=5))


@towns
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.booleans(), st.sampled_from(["active", "removed"]), st.integers(0, 33)),
        max_size=9,
    ),
)
def test_commercial_sittings(both: list[Scanner], sittings: list[tuple[str, bool, str, int]]) -> None:
    town = Town()
    for home in {home for home, *_ in sittings}:
        town.family(home, f"{home} leader")
    for home, temporary, status, days in sittings:
        town.member(home, "sid", is_temporary=temporary, status=status, at=AS_OF - days * DAY - HOUR)
    counted = [home for home, temporary, _, days in sittings if temporary and days < 30]
    limits = Limits(commercial_sittings=4, commercial_sitting_households=3)
    fires = len(counted) >= 4 and len(set(counted)) >= 3
    agree(both, town, commercial_use.DETECTOR, {"sid"} if fires else set(), limits)


PIECES: dict[str, str] = {
    "casino": "off-topic",
    "CRYPTO": "off-topic",
    "c\u0430sino": "off-topic",
    "poker  night": "off-topic",
    "cas\u200bino": "off-topic",
    "&#99;rypto": "off-topic",
    "Pawshake": "competitor",
    "rover.com": "competitor price",
    "p\u0430wshake": "competitor",
    "ROVER&#46;COM": "competitor price",
    "customers": "trade",
    "Our Rates": "trade",
    "cu\u00adstomers": "trade",
    "$20": "price",
    "20 euros": "price",
    "call 555-0142": "price",
    "a@b.example": "price",
    "$30 per night": "rate",
    "40\u20ac/night": "rate",
    "one pill per night": "",
    "Rover": "",
    "Business": "",
    "casinos": "",
    "Kennel Lane": "",
    "\u041a\u043e\u0442": "",
    "caf\u00e9 & co": "",
    "7": "",
}
TEXT = st.lists(st.sampled_from(sorted(PIECES)), max_size=3)


@towns
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_listed_words(both: list[Scanner], texts: list[tuple[list[str], list[str]]]) -> None:
    town = Town()
    expected: set[tuple[str, str]] = set()
    for number, (name, description) in enumerate(texts):
        town.household(f"h{number}", f"u{number}")
        town.home(f"h{number}").update(name=", ".join(name), description=", ".join(description))
        kinds = {kind for piece in (*name, *description) for kind in PIECES[piece].split()}
        expected |= {(f"{kind}-use", uid(f"h{number}")) for kind in kinds & {"off-topic", "competitor"}}
        if "rate" in kinds or {"trade", "price"} <= kinds:
            expected.add(("commercial-use", uid(f"u{number}")))
    rules = (off_topic_use.DETECTOR, competitor_use.DETECTOR, commercial_use.DETECTOR)
    town.family("sound", "sue", "sam")
    results = [scanner.findings(town, *rules) for scanner in both]
    assert {(finding.detector, *finding.subject.values()) for finding in results[0]} == expected
    assert results[0] == results[1]


@towns
@given(
    st.lists(st.tuples(st.integers(-30, 1500), st.integers(0, 5), st.booleans()), max_size=12),
    st.lists(st.tuples(st.integers(-70, 1500), st.booleans()), max_size=14),
    st.booleans(),
)
def test_scraping(
    both: list[Scanner], reads: list[tuple[int, int, bool]], guesses: list[tuple[int, bool]], known: bool
) -> None:
    town, who = Town(), "anna" if known else None
    town.family("h0", "anna", "ben")
    per_day: set[int] = set()
    for minutes, home, broken in reads:
        at = YESTERDAY.start + minutes * MINUTE
        more = {"error_code": "X"} if broken else {}
        town.event("household_dashboard_viewed", f"h{home}", who, at=at, ip_address="6.6.6.6", **more)
        if at in YESTERDAY and (home or not known) and not broken:
            per_day.add(home)
    bad = []
    for minutes, valid in guesses:
        at = YESTERDAY.start + minutes * MINUTE
        said = valid if minutes % 2 else str(valid)
        town.event("household_invite_code_validated", None, who, at=at, ip_address="6.6.6.6", valid=said)
        if not valid and at < YESTERDAY.end:
            bad.append(at)
    hour = any(len([at for at in bad if last - HOUR < at <= last]) >= 4 for last in bad if last in YESTERDAY)
    day = len([at for at in bad if at in YESTERDAY]) >= 6
    limits = Limits(scraped_households=3, guessed_codes_per_hour=4, guessed_codes_per_day=6)
    results = [scanner.subjects(town, scraping.DETECTOR, limits=limits) for scanner in both]
    actor = {"user_id": uid("anna")} if known else {"ip_address": "6.6.6.6"}
    assert results == [[actor] if len(per_day) > 3 or hour or day else []] * 2


@towns
@given(
    st.lists(
        st.tuples(
            st.integers(-100, 200),
            st.sampled_from(
                [
                    None,
                    "10.1.0.1",
                    "::ffff:10.2.0.1",
                    "10.2.9.9:80",
                    "::ffff:a03:1",
                    "2001:db8::1",
                    "[2001:DB8:0:7::1]:80",
                ]
            ),
            st.sampled_from([None, "phone", "laptop", "curl"]),
            st.booleans(),
        ),
        max_size=14,
    ),
    st.sampled_from([None, 6, 9, 40]),
    st.sets(st.sampled_from(["laptop", "curl"])),
)
def test_suspicious_access(
    both: list[Scanner],
    rows: list[tuple[int, str | None, str | None, bool]],
    known_for: int | None,
    sessions: set[str],
) -> None:
    networks = {"10.1.0.1": 1, "::ffff:10.2.0.1": 2, "10.2.9.9:80": 2, "::ffff:a03:1": 3}
    town, acts = Town(), []
    if known_for:
        rows = [(-known_for * 24 * 60, None, "phone", False), *rows]
    for device in sessions:
        town.session(device, "anna", at=YESTERDAY.start - 100 * DAY, user_agent=device)
    for minutes, address, agent, change in rows:
        at = YESTERDAY.start + minutes * MINUTE
        facts = {key: value for key, value in (("ip_address", address), ("user_agent", agent)) if value}
        town.event("household_updated" if change else "household_dashboard_viewed", "oak", "anna", at=at, **facts)
        acts.append((at, address and networks.get(address, 6), agent, change))
    agents = [(at, agent) for at, _, agent, _ in acts if agent]
    agents += [(YESTERDAY.start - 100 * DAY, device) for device in sessions]
    known = bool(sessions) or (known_for or 0) > 7
    expected = set()
    for moment, _, _, _ in acts:
        span = [act for act in acts if moment - HOUR < act[0] <= moment]
        new = {agent for _, _, agent, _ in span if agent and min(a for a, b in agents if b == agent) > moment - HOUR}
        odd = len({net for _, net, _, _ in span} - {None}) >= 3 or (len(new) >= 2 and known)
        if odd and any(c and at in YESTERDAY and moment <= at < moment + HOUR for at, _, _, c in acts):
            expected.add("anna")
    agree(both, town, suspicious_access.DETECTOR, expected)


@towns
@given(
    st.sampled_from(["active", "removed", "none"]),
    st.integers(-300, 100),
    st.one_of(st.none(), st.integers(-200, 200)),
    st.one_of(st.none(), st.integers(-200, 200)),
    st.integers(-200, 200),
    st.booleans(),
)
def test_unauthorised_access(
    both: list[Scanner], status: str, joined: int, expires: int | None, left: int | None, viewed: int, creator: bool
) -> None:
    town = Town()
    town.household("oak", "sam" if creator else "anna", at=LONG_AGO)
    town.member("oak", "anna", role="leader")
    view = NOON + viewed * MINUTE
    if status != "none":
        town.member("oak", "sam", status=status, at=NOON + joined * MINUTE)
        if expires is not None:
            town.row("oak", "sam").update(is_temporary=True, temporary_expires_at=NOON + expires * MINUTE)
    else:
        expires = None
    if left is not None:
        town.event("household_left", "oak", "sam", at=NOON + left * MINUTE)
    town.event("household_dashboard_viewed", "oak", "sam", at=view)
    begun = status != "none" and joined <= viewed + 2
    ended = [end for end in (left, expires) if end is not None]
    if status == "active" and begun:
        wrong = expires is not None and viewed > expires + 2
    else:
        past = [end for end in ended if end < viewed]
        if past and not (begun and joined > max(past)):
            wrong = viewed > max(past) + 2
        elif begun or (creator and status == "none"):
            wrong = False
        else:
            # Who leaves later must have belonged before, unless they joined in between.
            wrong = not any(end >= viewed and (status == "none" or end < joined) for end in ended)
    if creator and status == "none":
        wrong = bool([end for end in ended if end < viewed]) and viewed > max(e for e in ended if e < viewed) + 2
    expected = {"oak", "sam"} if wrong else set()
    agree(both, town, unauthorised_access.DETECTOR, expected)


@towns
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["anna", "ben", None]),
            st.integers(-200, 200),
            st.booleans(),
        ),
        max_size=3,
    ),
    st.lists(st.tuples(st.sampled_from(["anna", "ben"]), st.integers(-200, 200)), max_size=3),
)
def test_unauthorised_transfer(
    both: list[Scanner], moves: list[tuple[str | None, int, bool]], leaves: list[tuple[str, int]]
) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    expected = set()
    for by, minutes, foreign in moves:
        more = {"session_id": uid("his")} if foreign else {}
        town.event(
            "household_leadership_transferred",
            "oak",
            by,
            at=NOON + minutes * MINUTE,
            from_user_id="anna",
            to_user_id="ben",
            **more,
        )
        left = [at for who, at in leaves if who == "anna" and -60 < at - minutes <= 2]
        if foreign or (by == "ben" and not left):
            expected.add("oak")
    town.session("his", "ben")
    for who, minutes in leaves:
        town.event("household_leave_started", "oak", who, at=NOON + minutes * MINUTE)
    agree(both, town, unauthorised_transfer.DETECTOR, expected)


@towns
@given(
    st.lists(st.tuples(st.sampled_from("bcdef"), st.integers(-80, 120), st.booleans()), max_size=7),
    st.lists(st.tuples(st.sampled_from("bcdef"), st.integers(-1600, 60), st.booleans()), max_size=2),
    st.lists(st.integers(-80, 60), max_size=2),
)
def test_punitive_removals(
    both: list[Scanner],
    removals: list[tuple[str, int, bool]],
    reports: list[tuple[str, int, bool]],
    rejections: list[int],
) -> None:
    town = Town()
    town.family("oak", "anna", *"bcdef")
    start = YESTERDAY.start
    for who, minutes, _ in removals:
        town.event("household_member_removed", "oak", "anna", at=start + minutes * MINUTE, member_id=who)
    for number, (who, minutes, here) in enumerate(reports):
        home = "oak" if here else "elm"
        town.report(f"r{number}", "threat", who, at=start + minutes * MINUTE, household_id=home)
    for minutes in rejections:
        town.event("household_join_request_rejected", "oak", "anna", at=start + minutes * MINUTE, requester_id="z")
    expected = set()
    for who, at, _ in removals:
        if at >= 0 and any(here and by == who and 0 <= at - said < 24 * 60 for by, said, here in reports):
            expected.add("oak")
    for anchor in rejections:
        first: dict[str, int] = {}
        for who, at, _ in removals:
            if 0 <= at - anchor < 60:
                first[who] = min(at, first.get(who, at))
        if len(first) >= 3 and max(first.values()) >= 0:
            expected.add("oak")
    agree(both, town, punitive_removals.DETECTOR, expected)


@towns
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["pending", "approved", "rejected"]), st.integers(0, 9 * 24)),
        max_size=14,
    )
)
def test_invite_code_sharing(both: list[Scanner], asked: list[tuple[int, str, int]]) -> None:
    town = Town()
    town.family("oak", "anna")
    rows = []
    for number, (person, status, hours) in enumerate(asked):
        at = YESTERDAY.end - hours * HOUR - MINUTE
        town.request(f"r{number}", "oak", f"p{person}", status=status, at=at)
        rows.append((at, person, status))
    # Four people on a day of whom fewer than half were approved, or more than six; four in a week, most rejected.
    day = [row for row in rows if row[0] in YESTERDAY]
    people = {person for _, person, _ in day}
    stayed = {person for _, person, status in day if status == "approved"}
    bad = (len(people) >= 4 and 2 * len(stayed) < len(people)) or len(people) > 6
    for last, _, _ in day:
        week = [row for row in rows if last - 7 * DAY < row[0] <= last]
        people = {person for _, person, _ in week}
        since = [row for row in rows if last - 7 * DAY < row[0]]
        approved = {person for _, person, status in since if status == "approved"}
        rejected = {person for _, person, status in since if status == "rejected"} - approved
        bad = bad or (len(people) >= 4 and 2 * len(rejected & people) > len(people))
    limits = Limits(sharing_people=4, household_capacity=6)
    agree(both, town, invite_code_sharing.DETECTOR, {"oak"} if bad else set(), limits)


@towns
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["anna", "ben", "dora", "emil", "fay"]),
            st.booleans(),
            st.integers(0, 9 * 24),
        ),
        max_size=7,
    )
)
def test_coordinated_harassment(both: list[Scanner], blows: list[tuple[str, bool, int]]) -> None:
    town = Town()
    for home, people in (("oak", ("anna", "ben")), ("elm", ("dora", "emil"))):
        town.household(home, people[0])
        for person in people:
            town.member(home, person)
    rows = []
    for number, (person, report, hours) in enumerate(blows):
        at = YESTERDAY.end - hours * HOUR - MINUTE
        if report:
            town.report(f"r{number}", "harassment", person, at=at, subject_user_id="vera")
        else:
            town.event("household_member_removed", "fir", person, at=at, member_id="vera")
        rows.append((at, person, report))
    bad = False
    for last in (at for at, _, _ in rows if at in YESTERDAY):
        near = [row for row in rows if last - 7 * DAY < row[0] <= last]
        for pair in (("anna", "ben"), ("dora", "emil")):
            theirs = [row for row in near if row[1] in pair]
            both_struck = {person for _, person, _ in theirs} == set(pair)
            bad = bad or (both_struck and any(report for _, _, report in theirs))
    agree(both, town, coordinated_harassment.DETECTOR, {"vera"} if bad else set())


REQUEST_RULES: dict[Detector, tuple[str, ...]] = {
    abuse_report.DETECTOR: ("harassment", "threat", "child_safety"),
    capacity_request.DETECTOR: ("capacity",),
    leader_member_dispute.DETECTOR: ("dispute",),
    policy_question.DETECTOR: ("policy_question",),
    legal_matter.DETECTOR: ("legal_request", "subpoena", "court_order", "custody", "tos_dispute", "data_deletion"),
}
CATEGORIES = [
    *(category for categories in REQUEST_RULES.values() for category in categories),
    "spam",
    "feature_request",
]


@towns
@given(
    st.lists(
        st.tuples(st.sampled_from(CATEGORIES), st.sampled_from(["open", "closed", "new"]), st.integers(0, 60)),
        max_size=12,
    )
)
def test_support_requests(both: list[Scanner], rows: list[tuple[str, str, int]]) -> None:
    town = Town()
    town.account("anna")
    for number, (category, status, days) in enumerate(rows):
        town.report(f"r{number}", category, "anna", at=AS_OF - days * DAY - HOUR, status=status)
    expected = {
        (detector.id, uid(f"r{number}"))
        for detector, categories in REQUEST_RULES.items()
        for number, (category, status, days) in enumerate(rows)
        if category in categories and status != "closed" and (category != "data_deletion" or days >= 30)
    }
    results = [scanner.findings(town, *REQUEST_RULES) for scanner in both]
    assert {(finding.detector, finding.subject["support_id"]) for finding in results[0]} == expected
    assert results[0] == results[1]
