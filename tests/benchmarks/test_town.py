"""A generated town is reproducible, and its clean life keeps the app's rules."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.town import TownSpec, generate, preset
from benchmarks.town.faults import EVERYONE_LEFT

Row = dict[str, Any]
Tables = dict[str, list[Row]]

SPEC = replace(preset("tiny"), households=800, members=2_400, requests=1_700)
CREATED, JOINED, LEFT, REMOVED, TRANSFERRED = (
    f"household_{kind}"
    for kind in ("created", "join_request_approved", "left", "member_removed", "leadership_transferred")
)


@pytest.fixture(scope="module", params=[1, 2, 3])
def clean(request: pytest.FixtureRequest) -> Tables:
    return generate(replace(SPEC, seed=request.param)).tables()


def by(rows: list[Row], *keys: str) -> dict[Any, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys)].append(row)
    return groups


def active(tables: Tables) -> list[Row]:
    return [row for row in tables["household_members"] if row["status"] == "active"]


def told(tables: Tables, *kinds: str) -> Iterator[Row]:
    """Events of these types, a retried one once."""
    seen = set()
    for event in tables["household_events"]:
        correlation = event["metadata"].get("correlation_id")
        if event["event_type"] in kinds and correlation not in seen:
            seen.add(correlation)
            yield event


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_same_seed_same_bytes(tmp_path: Path, form: Any) -> None:
    spec = preset("tiny", plant=1)
    generate(spec).write_folder(tmp_path / "first", form)
    generate(spec).write_folder(tmp_path / "second", form)
    generate(replace(spec, seed=2)).write_folder(tmp_path / "other", form)
    first = files(tmp_path / "first")
    assert first == files(tmp_path / "second")
    assert len(first) == 8
    other = files(tmp_path / "other")
    assert all(first[name] != other[name] for name in first)


def test_csv_and_parquet_hold_what_tables_holds(tmp_path: Path) -> None:
    town = generate(preset("tiny"))
    town.write_folder(tmp_path / "csv", "csv")
    town.write_folder(tmp_path / "parquet", "parquet")
    for name, rows in town.tables().items():
        ids = [str(row["id"]) for row in rows]
        for path in (tmp_path / "csv" / f"{name}.csv", tmp_path / "parquet" / f"{name}.parquet"):
            assert [str(row[0]) for row in duckdb.sql(f"SELECT id FROM '{path}'").fetchall()] == ids


def test_sizes_are_those_asked_for(clean: Tables) -> None:
    sizes = {name: len(rows) for name, rows in clean.items()}
    wanted = (SPEC.households, SPEC.members, SPEC.requests, SPEC.events)
    names = ("households", "household_members", "household_join_requests", "household_events")
    assert tuple(sizes[name] for name in names) == wanted


def test_keys_are_unique(clean: Tables) -> None:
    for name, rows in clean.items():
        assert len({row["id"] for row in rows}) == len(rows), name
    assert len({row["invite_code"] for row in clean["households"]}) == SPEC.households
    assert all(len(rows) == 1 for rows in by(clean["household_members"], "household_id", "user_id").values())


def test_each_household_has_the_leader_that_it_names_or_is_in_the_truth() -> None:
    town = generate(SPEC)
    tables = town.tables()
    members = by(active(tables), "household_id")
    empty = []
    for household in tables["households"]:
        rows = members.get(household["id"], [])
        if not rows:
            empty.append({"household_id": household["id"]})
            continue
        leaders = [row for row in rows if row["role"] == "leader"]
        assert [row["user_id"] for row in leaders] == [household["leader_id"]]
        assert not leaders[0]["is_temporary"]
        assert len(rows) <= 15
    assert town.truth == {EVERYONE_LEFT: empty}
    assert len(empty) > 5
    everybody = by(tables["household_members"], "household_id")
    assert all(everybody[orphan["household_id"]] for orphan in empty)


def test_nobody_belongs_to_two_households(clean: Tables) -> None:
    residents = [row for row in active(clean) if not row["is_temporary"]]
    assert max(Counter(row["user_id"] for row in residents).values()) == 1
    stays = by([row for row in clean["household_members"] if not row["is_temporary"]], "user_id")
    assert sum(len(rows) > 1 for rows in stays.values()) > 5, "people move house"


def test_nobody_is_in_two_households_at_a_time(clean: Tables) -> None:
    gone = {(event["household_id"], _leaver(event)): event["event_timestamp"] for event in told(clean, LEFT, REMOVED)}
    stays = by([row for row in clean["household_members"] if not row["is_temporary"]], "user_id")
    for rows in stays.values():
        rows.sort(key=lambda row: row["joined_at"])
        for earlier, later in itertools.pairwise(rows):
            assert earlier["status"] == "removed"
            assert gone.get((earlier["household_id"], earlier["user_id"]), _start(clean)) < later["joined_at"]


def _leaver(event: Row) -> Any:
    return event["metadata"]["member_id"] if event["event_type"] == REMOVED else event["user_id"]


def _start(tables: Tables) -> datetime:
    return SPEC.as_of - timedelta(days=SPEC.days)


def test_members_came_by_an_approved_request_or_a_leader(clean: Tables) -> None:
    born = {row["id"]: row["created_at"] for row in clean["households"]}
    approved = by(
        [row for row in clean["household_join_requests"] if row["status"] == "approved"], "household_id", "user_id"
    )
    for row in clean["household_members"]:
        founder = row["joined_at"] - born[row["household_id"]] < timedelta(seconds=1)
        assert founder == (row["invited_by"] is None)
        if not founder and not row["is_temporary"]:
            (request,) = approved[row["household_id"], row["user_id"]]
            assert request["requested_at"] < row["joined_at"]
    joined = {(row["household_id"], row["user_id"]) for row in clean["household_members"]}
    assert approved.keys() <= joined


def test_temporary_members_have_time_left_and_do_not_lead(clean: Tables) -> None:
    sitters = [row for row in active(clean) if row["is_temporary"]]
    assert sitters
    assert all(row["role"] == "member" for row in sitters)
    assert all(row["temporary_expires_at"] is None or row["temporary_expires_at"] > SPEC.as_of for row in sitters)


def test_who_left_or_was_removed_is_gone_and_was_there(clean: Tables) -> None:
    rows = {(row["household_id"], row["user_id"]): row for row in clean["household_members"]}
    events = list(told(clean, LEFT, REMOVED))
    assert {event["event_type"] for event in events} == {LEFT, REMOVED}
    for event in events:
        row = rows[event["household_id"], _leaver(event)]
        assert row["status"] == "removed"
        assert row["joined_at"] < event["event_timestamp"]
        if event["event_type"] == LEFT:
            assert event["metadata"]["was_leader"] == (row["role"] == "leader")


def test_a_leader_who_leaves_company_behind_hands_over(clean: Tables) -> None:
    transfers = by(list(told(clean, TRANSFERRED)), "household_id")
    leaders = {row["id"]: row["leader_id"] for row in clean["households"]}
    members = by(active(clean), "household_id")
    assert transfers
    for event in told(clean, LEFT):
        if event["metadata"]["was_leader"] and members[event["household_id"]]:
            (transfer,) = transfers[event["household_id"]]
            assert transfer["metadata"]["from_user_id"] == event["user_id"]
            assert abs(transfer["event_timestamp"] - event["event_timestamp"]) < timedelta(seconds=2)
    for household, (transfer,) in transfers.items():
        assert transfer["metadata"]["to_user_id"] == leaders[household]


def test_a_successor_who_was_not_designated_is_the_longest_standing(clean: Tables) -> None:
    gone = {(event["household_id"], _leaver(event)): event["event_timestamp"] for event in told(clean, LEFT, REMOVED)}
    everybody = by(clean["household_members"], "household_id")
    for transfer in told(clean, TRANSFERRED):
        moment, heir = transfer["event_timestamp"], transfer["metadata"]["to_user_id"]
        there = [
            row
            for row in everybody[transfer["household_id"]]
            if not row["is_temporary"]
            and row["user_id"] != transfer["user_id"]
            and row["joined_at"] < moment
            and (row["status"] == "active" or gone.get((row["household_id"], row["user_id"]), _start(clean)) > moment)
        ]
        longest = min(there, key=lambda row: row["joined_at"])
        assert transfer["metadata"]["was_designated"] == (longest["user_id"] != heir)


def test_the_apps_limits_are_reached_but_not_passed(clean: Tables) -> None:
    creations = Counter((event["user_id"], event["event_timestamp"].date()) for event in told(clean, CREATED))
    removals = Counter((event["user_id"], event["event_timestamp"].date()) for event in told(clean, REMOVED))
    assert max(creations.values()) == 5
    assert max(removals.values()) == 20


def test_only_members_do_things_and_only_the_leader_decides(clean: Tables) -> None:
    gone = {(event["household_id"], _leaver(event)): event["event_timestamp"] for event in told(clean, LEFT, REMOVED)}
    rows = {(row["household_id"], row["user_id"]): row for row in clean["household_members"]}
    passed = {event["household_id"]: event for event in told(clean, TRANSFERRED)}
    leaders = {row["id"]: row["leader_id"] for row in clean["households"]}
    free = {"household_join_request_submitted", "household_join_request_withdrawn", "household_invite_code_validated"}
    decisions = {JOINED, REMOVED, "household_join_request_rejected", "household_invite_code_regenerated"}
    slack = timedelta(seconds=2)
    for event in clean["household_events"]:
        key = event["household_id"], event["user_id"]
        if None in key or event["event_type"] in free | {CREATED, LEFT}:
            continue
        assert rows[key]["joined_at"] <= event["event_timestamp"]
        if rows[key]["status"] == "removed":
            assert event["event_timestamp"] <= gone[key] + slack or event["event_type"] in {
                TRANSFERRED,
                "household_leave_started",
            }
        if event["event_type"] in decisions:
            # A decision in flight may be written down seconds after the leader who took it has gone.
            moment, transfer = event["event_timestamp"], passed.get(event["household_id"])
            wanted = {leaders[event["household_id"]]}
            if transfer and moment < transfer["event_timestamp"] + 5 * slack:
                wanted.add(transfer["user_id"])
            if transfer and moment < transfer["event_timestamp"]:
                wanted = {transfer["user_id"]}
            assert event["user_id"] in wanted


def test_requests_use_the_code_of_their_time(clean: Tables) -> None:
    codes = {row["id"]: row["invite_code"] for row in clean["households"]}
    renewed = defaultdict(list)
    for event in told(clean, "household_invite_code_regenerated"):
        renewed[event["household_id"]].append(event["event_timestamp"])
    stale = 0
    for row in clean["household_join_requests"]:
        latest = max(renewed[row["household_id"]], default=None)
        current = latest is None or row["requested_at"] >= latest
        assert (row["invite_code"] == codes[row["household_id"]]) == current
        stale += not current
    assert stale


def test_times_and_ids(clean: Tables) -> None:
    events = clean["household_events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    moments = [event["event_timestamp"] for event in events]
    assert min(moments) >= _start(clean)
    assert max(moments) < SPEC.as_of - timedelta(minutes=2)
    latest, lateness = datetime.min.replace(tzinfo=UTC), timedelta()
    for moment in moments:
        latest = max(latest, moment)
        lateness = max(lateness, latest - moment)
    assert timedelta(minutes=20) < lateness <= timedelta(hours=1)
    yesterday = SPEC.as_of.date() - timedelta(days=1)
    assert 0.5 < sum(moment.date() == yesterday for moment in moments) / (len(moments) / SPEC.days) < 1.5


@pytest.mark.parametrize(
    "change",
    [
        {"as_of": datetime(2026, 1, 1)},  # noqa: DTZ001 - that it has no zone is the point
        {"households": 10},
        {"days": 2},
        {"members": 900},
        {"members": 9_000},
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"UTC|at least|more"):
        replace(SPEC, **change)


def test_history_factor_keeps_the_nightly_volume() -> None:
    longer: TownSpec = SPEC.with_history(10)
    assert (longer.days, longer.events) == (SPEC.days * 10, SPEC.events * 10)
