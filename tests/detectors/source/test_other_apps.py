"""Other apps than PetForce: their tables are read as they are, and their ordinary ways are no faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from detectors.advice import advice_of
from detectors.contract import Context, Window
from detectors.engine.household_view import look
from detectors.engine.lookup import look_up
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.registry import BY_ID, DETECTORS
from detectors.source import SourceError, SourceMapping, open_source
from detectors.source.app import UNFIT, App
from detectors.source.base import Fact
from detectors.source.own_names import in_own_names
from tests.support.effort import tries
from tests.support.other_apps import (
    NIGHT,
    TOWNS,
    Rows,
    ask,
    key,
    log,
    member,
    rewrite_town,
    schema_of,
    write_own_csv,
)
from tests.support.postgres import PostgresServer, load

Put = Callable[[str, Rows], str]
YESTERDAY = Window(NIGHT - timedelta(hours=27), NIGHT - timedelta(hours=3))
MAY_LACK = {"missing-index"}


@pytest.fixture(params=["duckdb", "postgresql"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Put]:
    """Puts a town of an app somewhere, and returns the --source value for it."""
    with ExitStack() as databases:

        def in_folder(preset: str, town: Rows) -> str:
            return str(write_own_csv(tmp_path / preset, town))

        def in_database(preset: str, town: Rows) -> str:
            server: PostgresServer = request.getfixturevalue("postgres")
            database = databases.enter_context(server.new_database(schema_of(preset)))
            load(database, town)
            return database.url

        yield in_folder if request.param == "duckdb" else in_database


def found_in(where: str, preset: str, **app: Any) -> list[tuple[str, str]]:
    """What a scan finds, as the detector and what it is about; every detector that runs does so without a failure."""
    mapping = SourceMapping.model_validate({"preset": preset, **({"app": app} if app else {})})
    with open_source(where, mapping) as source:
        result = scan(source, DETECTORS, Context(as_of=NIGHT, window=YESTERDAY))
    assert not [one for one in result.coverage if one.status == "failed"]
    return sorted(
        (one.detector, " ".join(one.subject.values())) for one in result.findings if one.detector not in MAY_LACK
    )


@pytest.mark.parametrize("preset", TOWNS)
def test_a_healthy_town_has_no_finding(put: Put, preset: str) -> None:
    assert found_in(put(preset, TOWNS[preset]()), preset) == []


@pytest.mark.parametrize("preset", TOWNS)
def test_without_its_preset_it_is_refused_by_name(put: Put, preset: str) -> None:
    where = put(preset, TOWNS[preset]())
    with pytest.raises(SourceError, match=f'there are the tables of {preset}: say .source. preset = "{preset}"'):
        open_source(where, SourceMapping())


def test_what_is_wrong_in_the_rewrite_is_found(put: Put) -> None:
    town = rewrite_town()
    for row in town["members"]:
        if row["household_id"] == key("home 1") and row["role"] == "owner":
            row["role"] = "admin"
    # With a request that was approved, somebody was there once.
    empty = {key("home 2"), key("home 7")}
    town["members"] = [row for row in town["members"] if row["household_id"] not in empty]
    town["activity_log"] = [row for row in town["activity_log"] if row["household_id"] not in empty]
    town["access_requests"] = [row for row in town["access_requests"] if row["household_id"] != key("home 2")]
    for row in town["access_requests"]:
        row["reviewed_by"] = None if row["household_id"] in empty else row["reviewed_by"]
    for number in range(21):
        log(town, 4, "member.removed", YESTERDAY.start + timedelta(minutes=11 * number + 1))
    town["households"][5]["name"] = "<script>alert(1)</script>"
    assert set(found_in(put("petforce-2", town), "petforce-2")) == {
        ("mass-removal", "user_4owner"),
        ("no-leader", key("home 1")),
        ("orphaned-household", key("home 2")),
        ("orphaned-household", "everyone-left"),
        ("stored-markup", key("home 5")),
    }


def test_people_may_help_in_many_households_and_own_one(put: Put) -> None:
    town = rewrite_town()
    for number, role in ((7, "owner"), (8, "admin"), (9, "member"), (10, "sitter")):
        member(town, number, "guest", role, NIGHT - timedelta(days=2))
        # Whoever owns household 1 comes; household 7 makes them an owner, too.
        town["members"][-1]["user_id"] = "user_1owner"
    assert found_in(put("petforce-2", town), "petforce-2") == [("member-of-many-households", "user_1owner")]


def test_requests_are_answered_by_members(put: Put) -> None:
    town = rewrite_town()
    answers = {row["household_id"]: row for row in town["access_requests"] if row["status"] == "approved"}
    for number, by in ((1, "1 asked"), (2, "3 owner"), (3, None), (4, "4 admin")):
        answers[key(f"home {number}")]["reviewed_by"] = by and key(f"row {by}")
    # Somebody who came by another way clears the request that they had made before.
    ask(town, 5, "admin", NIGHT - timedelta(days=3), "denied", key("row 5 admin"))
    wrong = [key("ask 1 asked"), key("ask 2 asked")]
    assert found_in(put("petforce-2", town), "petforce-2") == sorted(("self-approved-request", one) for one in wrong)


def test_one_person_asks_once(put: Put) -> None:
    town = rewrite_town()
    ask(town, 4, "eager", NIGHT - timedelta(days=2), "pending", None)
    town["access_requests"].append({**town["access_requests"][-1], "id": key("the same at once")})
    # Whoever was turned away may have been invited since.
    ask(town, 5, "admin", NIGHT - timedelta(days=9), "denied", key("row 5 owner"))
    found = found_in(put("petforce-2", town), "petforce-2")
    assert found == [("concurrent-conflict", f"{key('home 4')} user_4eager")]


def test_who_sits_in_many_households_is_told(put: Put) -> None:
    town = rewrite_town()
    for number in range(10):
        member(town, number, "business", "sitter", NIGHT - timedelta(days=number + 1))
        town["members"][-1]["user_id"] = "user_business"
    # Whoever owns a household answers for what it is called.
    town["households"][3]["name"] = "Book now for 20 EUR"
    assert found_in(put("petforce-2", town), "petforce-2") == [
        ("commercial-use", "user_3owner"),
        ("commercial-use", "user_business"),
    ]


def test_exactly_twenty_removals_are_no_mass_removal(put: Put) -> None:
    town = rewrite_town()
    for number in range(20):
        log(town, 4, "member.removed", YESTERDAY.start + timedelta(minutes=11 * number + 1))
    assert found_in(put("petforce-2", town), "petforce-2") == []


def test_a_code_of_another_form_may_hold_markup_too(put: Put) -> None:
    town = rewrite_town()
    town["households"][4]["join_code"] = "<script>alert(1)</script>"
    assert found_in(put("petforce-2", town), "petforce-2") == [("stored-markup", key("home 4"))]


def test_how_many_members_are_many_is_the_apps_own_affair(put: Put) -> None:
    town = rewrite_town()
    for number in range(14):
        member(town, 3, f"more {number}", "member", NIGHT - timedelta(days=9, minutes=7 * number))
    where = put("petforce-2", town)
    assert found_in(where, "petforce-2") == []
    assert found_in(where, "petforce-2", other_limits=False) == [("over-capacity", key("home 3"))]


def test_nothing_is_said_that_deleted_rows_leave_unknown(tmp_path: Path) -> None:
    town = rewrite_town()
    for name in ("members", "activity_log", "access_requests"):
        town[name] = [row for row in town[name] if row["household_id"] != key("home 2")]
    # Keys of the app's own are no odd ones either.
    for number in range(3, 12):
        log(town, number, "household.updated", NIGHT - timedelta(hours=9, minutes=number), {"changedFields": ["name"]})
    mapping = SourceMapping.model_validate({"preset": "petforce-2"})
    with open_source(str(write_own_csv(tmp_path / "town", town)), mapping) as source:
        result = scan(source, DETECTORS, Context(as_of=NIGHT, window=YESTERDAY))
    (found,) = map(whole, result.findings)
    assert found.story.issue == "Household has no member."
    said = " ".join(advice_of(BY_ID[found.detector], found, mapping).steps)
    assert "leader_id" not in said
    assert "its last member left, or that it was created" in said
    assert "keeps no row of those who left" in " ".join(found.story.steps)
    assert not [notice.said for notice in result.notices if "none of the keys" in notice.said]


def test_who_leads_is_active(postgres: PostgresServer, tmp_path: Path) -> None:
    town = TOWNS["donetick"]()
    (first,) = (row for row in town["user_circles"] if row["circle_id"] == 9 and row["user_id"] == 25)
    first["is_active"] = False
    mapping = SourceMapping.model_validate({"preset": "donetick"})
    with open_source(str(write_own_csv(tmp_path / "town", town)), mapping) as source:
        (view,) = look(source, "9", Context(as_of=NIGHT, window=YESTERDAY)).households
    assert view.leader_id == "27"
    with postgres.new_database(schema_of("donetick")) as database, database.connect() as connection:
        load(database, town)
        own = in_own_names("SELECT h.leader_id FROM households h WHERE h.id = 9", mapping)
        assert connection.execute(own.encode()).fetchall() == [(27,)]


def test_what_is_wrong_in_kitchenowl_is_found(put: Put) -> None:
    town = TOWNS["kitchenowl"]()
    for row in town["household_member"]:
        if row["household_id"] == 4:
            row["owner"] = False
        if row["household_id"] == 6:
            row["owner"] = row["admin"]
    town["household_member"] = [row for row in town["household_member"] if row["household_id"] != 9]
    assert found_in(put("kitchenowl", town), "kitchenowl") == [
        ("multiple-leaders", "6"),
        ("no-leader", "4"),
        ("orphaned-household", "9"),
    ]


def test_what_is_wrong_in_donetick_is_found(put: Put) -> None:
    town = TOWNS["donetick"]()
    for row in town["user_circles"]:
        # Nobody who is not let in yet leads.
        if row["circle_id"] in {4, 8}:
            row["role"] = "admin" if row["circle_id"] == 8 and row["role"] == "member" else "member"
    assert [row["is_active"] for row in town["user_circles"] if row["circle_id"] == 8] == [True, True, False]
    assert found_in(put("donetick", town), "donetick") == [("no-leader", "4"), ("no-leader", "8")]


def test_whoever_is_not_let_in_does_not_lead_in_the_place_of_another(put: Put) -> None:
    town = TOWNS["donetick"]()
    for row in town["user_circles"]:
        row["user_id"] += 100
    first = next(row for row in town["user_circles"] if row["circle_id"] == 5 and row["role"] == "admin")
    town["user_circles"].append({**first, "id": 9_001, "user_id": 1, "is_active": False})
    town["users"] += [{**town["users"][0], "id": 100 + row["id"]} for row in list(town["users"])]
    assert found_in(put("donetick", town), "donetick") == []


def test_where_members_have_no_ids_nobody_is_named_by_them(tmp_path: Path) -> None:
    town = rewrite_town()
    for row in town["members"]:
        del row["id"]
    assert found_in(str(write_own_csv(tmp_path, town)), "petforce-2") == []
    with open_source(str(tmp_path), SourceMapping.model_validate({"preset": "petforce-2"})) as source:
        assert not source.schema.has("household_events.user_id")
        assert "have no id" in source.schema.missing(frozenset({"household_events.user_id"}))[0]


def test_an_id_of_several_members_names_none_of_them(tmp_path: Path) -> None:
    town = rewrite_town()
    owner = next(row for row in town["members"] if row["id"] == key("row 4 owner"))
    town["members"].append({**owner, "user_id": "user_4other", "role": "member"})
    for number in range(21):
        log(town, 4, "member.removed", YESTERDAY.start + timedelta(minutes=11 * number + 1))
    assert found_in(str(write_own_csv(tmp_path, town)), "petforce-2") == []


@pytest.mark.parametrize("preset", TOWNS)
def test_support_sees_who_leads(put: Put, preset: str) -> None:
    home, code = {
        "petforce-2": (key("home 1"), "ABK-1001"),
        "kitchenowl": ("2", ""),
        "donetick": ("2", TOWNS["donetick"]()["circles"][1].get("invite_code", "")),
    }[preset]
    where = put(preset, TOWNS[preset]())
    with open_source(where, SourceMapping.model_validate({"preset": preset})) as source:
        for named in filter(None, (home, code)):
            (view,) = look(source, named, Context(as_of=NIGHT, window=YESTERDAY)).households
            assert (view.household_id, view.leaderless) == (home, "")
            assert any(one.leads for one in view.members)
        known = look_up(source, [home], [], Context(as_of=NIGHT, window=YESTERDAY))
        assert {row["role"] for row in known.member_rows} == {"leader", "member"}


def test_what_is_otherwise_may_be_said_by_hand(put: Put) -> None:
    where = put("petforce-2", rewrite_town())
    assert [what for what, _ in found_in(where, "petforce-2", several_leaders=False)] == ["multiple-leaders"] * 2


ROLES = st.lists(st.sampled_from(["owner", "admin", "member", "sitter"]), max_size=5)


@tries(24)
@given(homes=st.lists(ROLES, min_size=8, max_size=12).filter(lambda homes: sum(map(len, homes)) > 12))
def test_a_leader_is_whoever_has_the_role(homes: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    town = rewrite_town(len(homes))
    town["members"], town["activity_log"], town["access_requests"] = [], [], town["access_requests"][:0]
    for number, roles in enumerate(homes):
        for place, role in enumerate(roles):
            born = town["households"][number]["created_at"]
            member(town, number, "owner" if place == 0 else f"p{place}", role, born + timedelta(minutes=place))
    for number, roles in enumerate(homes):
        if roles:
            log(town, number, "household.updated", NIGHT - timedelta(hours=9, minutes=number))
    ask(town, 0, "asked", NIGHT - timedelta(days=3), "pending", None)
    expected = [
        ("orphaned-household" if not roles else "no-leader", key(f"home {number}"))
        for number, roles in enumerate(homes)
        if "owner" not in roles
    ]
    folder = write_own_csv(tmp_path_factory.mktemp("rewrite"), town)
    assert found_in(str(folder), "petforce-2") == sorted(expected)


def test_what_is_put_right_is_a_repair_and_half_a_table_is_none(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[source]\npreset = "petforce-2"\n', encoding="utf-8")
    town = rewrite_town(80)
    for row in town["members"]:
        if row["household_id"] == key("home 1") and row["role"] == "owner":
            row["role"] = "admin"
    night(tmp_path, town, 0)
    assert "no-leader" in tickets(tmp_path)
    assert night(tmp_path, {**town, "members": town["members"][::3]}, 1) == 4
    assert "no-leader" in tickets(tmp_path)
    # Of whoever left meanwhile there is no row.
    repaired = later(rewrite_town(80))
    repaired["members"] = [row for row in repaired["members"] if row["user_id"] != "user_1sitter"]
    assert night(tmp_path, repaired, 2) == 0
    assert "no-leader" not in tickets(tmp_path)


def test_somebody_who_leaves_a_circle_on_the_same_day_hides_no_repair(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[source]\npreset = "donetick"\n', encoding="utf-8")
    broken, repaired = TOWNS["donetick"](), TOWNS["donetick"]()
    for row in broken["user_circles"]:
        row["role"] = "member" if row["circle_id"] == 6 else row["role"]
    repaired["user_circles"] = [row for row in repaired["user_circles"] if row["user_id"] != 17]
    assert repaired["user_circles"] != TOWNS["donetick"]()["user_circles"]
    night(tmp_path, broken, 0)
    assert "no-leader" in tickets(tmp_path)
    assert night(tmp_path, repaired, 1) == 0
    assert "no-leader" not in tickets(tmp_path)


def test_of_several_leaders_one_that_is_alive_is_enough(tmp_path: Path) -> None:
    town = rewrite_town()
    born = NIGHT - timedelta(days=60)
    people = sorted({row["user_id"] for row in town["members"]})
    gone = {"user_0asked", "user_0owner", "user_6asked"}
    town["users"] = [
        {"id": one, "created_at": born, "deleted_at": NIGHT - timedelta(days=3) if one in gone else None}
        for one in people
    ]
    # In household 0 both owners' accounts are deleted, in household 6 one of two.
    assert found_in(str(write_own_csv(tmp_path / "town", town)), "petforce-2") == [("no-leader", key("home 0"))]


def later(town: Rows) -> Rows:
    """The town, with a day's audit rows more."""
    for number in range(10):
        log(town, number, "household.updated", NIGHT + timedelta(hours=30, minutes=number))
    return town


def night(folder: Path, town: Rows, days: int) -> int:
    source = write_own_csv(folder / f"night {days}", town)
    options = ["--source", str(source), "--as-of", (NIGHT + timedelta(days=days)).isoformat(), *settings(folder)]
    return CliRunner().invoke(main, ["run", *options, "--queue", f"folder:{folder / 'queue'}"]).exit_code


def tickets(folder: Path) -> str:
    return CliRunner().invoke(main, ["tickets", "list", "--format", "json", *settings(folder)]).output


def test_doctor_asks_for_nothing_that_the_app_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[source]\npreset = "petforce-2"\n', encoding="utf-8")
    source = write_own_csv(tmp_path / "town", rewrite_town())
    options = ["--source", str(source), "--policy", str(tmp_path / "policy.toml"), "--as-of", NIGHT.isoformat()]
    told = CliRunner().invoke(main, ["doctor", *options]).output
    assert "leader_id is worked out from id" in told
    assert "map them" not in told
    assert "its_word" not in told
    (foreign,) = (line for line in told.splitlines() if "detector multiple-leaders" in line)
    assert foreign.endswith("in this app several people may lead a household")
    (in_part,) = (line for line in told.splitlines() if "detector self-approved-request" in line)
    assert "without answers by nobody, and rejections by the requester" in in_part


def settings(folder: Path) -> list[str]:
    return ["--ledger", f"sqlite:///{folder / 'ledger.db'}", "--policy", str(folder / "policy.toml")]


def test_rules_name_what_can_be_otherwise() -> None:
    assert frozenset().union(*(one.meta.not_where | one.meta.partly_where.keys() for one in DETECTORS)) <= UNFIT.keys()
    assert UNFIT.keys() | {"leads_one"} == {*get_args(Fact)}
    assert all(hasattr(App(), fact) for fact in get_args(Fact))


def test_who_leaves_the_rewrite_takes_what_they_did_along(tmp_path: Path) -> None:
    """Nobody else may have written the audit rows of a day; the household that has no owner now is found all the same."""
    policy, town = tmp_path / "policy.toml", rewrite_town()
    policy.write_text('[source]\npreset = "petforce-2"\n')
    for number in range(4):
        log(town, 4, "household.updated", NIGHT - timedelta(days=2, minutes=9 * number))

    def run(night: int) -> Result:
        where = str(write_own_csv(tmp_path / "town", town))
        told = [
            "--policy",
            str(policy),
            "--ledger",
            f"sqlite:///{tmp_path}/l.db",
            "--queue",
            f"folder:{tmp_path}/queue",
        ]
        as_of = (NIGHT + timedelta(days=night)).isoformat()
        return CliRunner().invoke(main, [*told, "--source", where, "--as-of", as_of, "run"])

    assert run(0).exit_code == 0
    for name, column in (("members", "id"), ("activity_log", "performed_by")):
        town[name] = [row for row in town[name] if row[column] != key("row 4 owner")]
    town["households"][5]["name"] = "<script>alert(1)</script>"
    after = run(1)
    assert (after.exit_code, "no-leader" in after.stdout) == (0, True), after.output
    (ticket,) = (told for file in (tmp_path / "queue").glob("*.md") if "Markup" in (told := file.read_text()))
    assert "FROM households h" in ticket
    assert '."description"' not in ticket


def test_a_preset_may_be_written_over() -> None:
    mapping = SourceMapping.model_validate(
        {"preset": "petforce-2", "tables": {"household_members": {"name": "people"}}, "app": {"several_leaders": False}}
    )
    assert mapping.table_name("household_members") == "people"
    assert mapping.table_name("household_events") == "activity_log"
    assert mapping.app.leaders_by_role
    assert not mapping.app.several_leaders


def test_a_word_that_is_given_counts_against_its_preset() -> None:
    roles, types = {"ignore": ["Sitter"]}, {"member.invited": "household_updated", "ignore": ["pet.created"]}
    words = {"household_members": {"role": roles}, "household_events": {"event_type": types}}
    mapping = SourceMapping.model_validate({"preset": "petforce-2", "words": words})
    assert mapping.said("household_members.role") == {"owner": "leader", "admin": "member", "sitter": None}
    said = mapping.said("household_events.event_type")
    assert said["member.invited"] == "household_updated"
    assert said["pet.created"] is None
    assert said["member.role_changed"] is None


def test_ids_of_a_server_may_be_of_several_types(postgres: PostgresServer) -> None:
    town = rewrite_town()
    for number in range(21):
        log(town, 4, "member.removed", YESTERDAY.start + timedelta(minutes=11 * number + 1))
    with postgres.new_database(schema_of("petforce-2")) as database:
        load(database, town)
        with database.connect() as connection:
            connection.execute(
                "ALTER TABLE activity_log DROP CONSTRAINT activity_log_performed_by_fkey, ALTER performed_by TYPE text"
            )
            connection.execute(
                "ALTER TABLE members DROP CONSTRAINT members_household_id_fkey, ALTER household_id TYPE text"
            )
            connection.commit()
        assert found_in(database.url, "petforce-2") == [("mass-removal", "user_4owner")]


def test_an_app_without_requests_may_have_an_audit_table(tmp_path: Path) -> None:
    town = rewrite_town()
    del town["access_requests"]
    assert found_in(str(write_own_csv(tmp_path, town)), "petforce-2", no_requests=True) == []


@pytest.mark.parametrize("preset", TOWNS)
def test_a_statement_for_people_leaves_out_what_the_app_does_not_have(postgres: PostgresServer, preset: str) -> None:
    town = TOWNS[preset]()
    homes = next(name for name in ("households", "household", "circles") if name in town)
    for number, text in (
        (5, "<script>alert(1)</script>"),
        (6, "We came from rover.com"),
        (7, "Crypto trading signals"),
    ):
        town[homes][number]["name"] = text
    for row in town.get("members", town.get("household_member", [])):
        if row["household_id"] in {key("home 1"), 2}:
            row.update({"role": "admin"} if "role" in row else {"owner": False})
    mapping = SourceMapping.model_validate({"preset": preset})
    with postgres.new_database(schema_of(preset)) as database:
        load(database, town)
        with open_source(database.url, mapping) as source:
            result = scan(source, DETECTORS, Context(as_of=NIGHT, window=YESTERDAY))
        found = [one for one in map(whole, result.findings) if one.detector not in MAY_LACK]
        led = set() if preset == "donetick" else {"no-leader"}
        assert {one.detector for one in found} == {"stored-markup", "competitor-use", "off-topic-use"} | led
        with database.connect() as connection:
            for one in found:
                statement = "\n".join(advice_of(BY_ID[one.detector], one, mapping).statement)
                assert not statement or len(connection.execute(statement.encode()).fetchall()) == 1, statement


def test_what_an_app_does_not_have_is_named_in_our_names() -> None:
    with pytest.raises(ValueError, match=r"app.without: 'homes.name' is none of household_events, "):
        SourceMapping.model_validate({"app": {"without": ["homes.name"]}})
    # What is worked out is there.
    sitters = in_own_names("SELECT m.is_temporary FROM household_members m", SourceMapping(preset="petforce-2"))
    assert "NULL" not in sitters
    given = {"preset": "petforce-2", "tables": {"households": {"columns": {"description": "about"}}}}
    own = in_own_names("SELECT h.description FROM households h", SourceMapping.model_validate(given))
    assert own == 'SELECT h."about" FROM households h'


def test_a_column_that_names_no_person_is_refused() -> None:
    with pytest.raises(ValueError, match=r"people_by_member: 'users\.id' is none of"):
        SourceMapping.model_validate({"app": {"people_by_member": ["users.id"]}})


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT h.leader_id FROM households h WHERE h.leader_id = 'user_1owner'", [("user_1owner",)]),
        ("SELECT m.user_id FROM household_members m WHERE m.status = 'removed'", []),
        (
            "SELECT DISTINCT e.user_id FROM household_events e WHERE e.event_type = 'household_member_removed' AND e.user_id = 'user_3owner'",
            [("user_3owner",)],
        ),
        ("SELECT count(*) FROM household_members m WHERE m.role = 'leader' AND m.status = 'active'", [(14,)]),
    ],
)
def test_statements_for_people_work_columns_out_too(postgres: PostgresServer, statement: str, rows: list[Any]) -> None:
    with postgres.new_database(schema_of("petforce-2")) as database:
        load(database, rewrite_town())
        own = in_own_names(statement, SourceMapping.model_validate({"preset": "petforce-2"}))
        with database.connect() as connection:
            assert connection.execute(own.encode()).fetchall() == rows
