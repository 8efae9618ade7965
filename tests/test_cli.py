"""The command line: contracts, exit codes, and one line for everything that goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from cli import main
from detectors.cases.fetchers import FETCHERS
from detectors.registry import BY_ID
from tests.conftest import ReadDatabase
from tests.support.postgres import Database, load
from tests.support.towns import Town, uid, write_csv

AS_OF = "2026-02-03T03:00:00Z"


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = None
    town.event("household_left", "oak", "zoe", was_leader=False)
    return town


@pytest.fixture
def folder(tmp_path: Path, town: Town) -> str:
    (tmp_path / "town").mkdir()
    return str(write_csv(tmp_path / "town", town.tables()))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in an empty folder of their own."""
    here = tmp_path / "cwd"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environment)


def fails(result: Result, code: int, *words: str) -> None:
    """The command ended with `code`, nothing on standard output, and one line that holds all `words`."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("hearthwatch: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_scan_prints_one_json_document_and_writes_nothing(folder: str, elsewhere: Path) -> None:
    result = call("scan", "--source", folder, "--as-of", AS_OF, "--format", "json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert list(document) == ["scan", "findings", "coverage"]
    assert document["scan"]["window"] == {"from": "2026-02-02T00:00:00Z", "to": "2026-02-03T00:00:00Z"}
    assert document["findings"][0]["subject"] == {"household_id": uid("oak")}
    assert result.stderr == ""
    assert list(elsewhere.iterdir()) == []


def test_the_same_as_of_gives_the_same_bytes_on_either_engine(folder: str, petforce_db: Database, town: Town) -> None:
    town.home("oak")["leader_id"] = uid("nobody")
    load(petforce_db, town.tables())
    for source in (folder, petforce_db.url):
        first, second = (
            json.loads(call("scan", "--source", source, "--as-of", AS_OF, "--format", "json").stdout) for _ in range(2)
        )
        for document in (first, second):
            assert document["scan"].pop("seconds") >= 0
        assert json.dumps(first) == json.dumps(second)


def test_global_options_stand_before_or_after_the_command_or_in_the_environment(folder: str) -> None:
    wanted = call("scan", "--source", folder, "--as-of", AS_OF, "--format", "csv")
    assert wanted.exit_code == 0
    assert call("--source", folder, "--as-of", AS_OF, "scan", "--format", "csv").stdout == wanted.stdout
    twins = {"HEARTHWATCH_SOURCE": folder, "HEARTHWATCH_AS_OF": AS_OF}
    assert call("scan", "--format", "csv", **twins).stdout == wanted.stdout
    assert (
        call("scan", "--format", "csv", "--source", folder, **{**twins, "HEARTHWATCH_SOURCE": "nowhere"}).exit_code == 0
    )


def test_a_scan_shows_each_finding_whichever_team_will_hear_of_it() -> None:
    """A ticket of Trust & Safety's explains the limit that the same removals passed; a scan makes none."""
    demo = str(Path(__file__).parents[1] / "fixtures" / "demo" / "night-2")
    named = ("--detector", "mass-removal", "--detector", "rate-limit-bypass")
    result = call("scan", "--source", demo, "--as-of", "2026-02-04T03:00Z", "--format", "json", *named)
    findings = json.loads(result.stdout)["findings"]
    assert {(one["detector"], one["team"]) for one in findings} == {
        ("mass-removal", "trust-safety"),
        ("rate-limit-bypass", "engineering"),
    }


def test_filters(folder: str) -> None:
    def detectors(*arguments: str) -> list[str]:
        result = call("scan", "--source", folder, "--as-of", AS_OF, "--format", "json", *arguments)
        return [finding["detector"] for finding in json.loads(result.stdout)["findings"]]

    assert detectors("--detector", "no-leader") == ["no-leader"]
    assert detectors("--detector", "orphaned-household") == []
    assert detectors("--team", "trust-safety") == []
    assert detectors("--severity", "P0") == ["no-leader"]
    assert detectors("--household", uid("oak")) == ["no-leader"]
    assert detectors("--household", uid("elm")) == []
    assert detectors("--user", uid("ben")) == ["no-leader"]
    assert detectors("--user", uid("stranger")) == []


def test_exit_10_only_when_asked_and_at_or_above(folder: str) -> None:
    assert call("scan", "--source", folder, "--as-of", AS_OF).exit_code == 0
    assert call("scan", "--source", folder, "--as-of", AS_OF, "--fail-on", "P2").exit_code == 10
    assert call("scan", "--source", folder, "--as-of", AS_OF, "--fail-on", "P2", "--team", "legal").exit_code == 0


def test_usage(folder: str, tmp_path: Path) -> None:
    fails(call("scan"), 2, "--source", "HEARTHWATCH_SOURCE")
    fails(call("scan", "--source", folder, "--detector", "no-leeder"), 2, "no-leeder", "no-leader")
    fails(call("scan", "--source", folder, "--as-of", "yesterday"), 2, "yesterday")
    fails(call("scan", "--source", folder, "--since", "2026-02-03", "--until", "2026-02-01"), 2, "window is empty")
    fails(call("scan", "--source", folder, "--format", "xml"), 2, "xml")
    fails(call("nonsense"), 2, "nonsense")
    broken = tmp_path / "policy.toml"
    broken.write_text("[limits]\ncreations_per_day = 'many'\n")
    fails(call("scan", "--source", folder, "--policy", str(broken)), 2, "creations_per_day")
    fails(call("scan", "--source", folder, "--policy", str(tmp_path / "none.toml")), 2, "none.toml")


@pytest.mark.parametrize("arguments", [[b"scan", b"--source", b"t\xf6wn"], [b"tickets", b"show", b"\xff"], [b"\xe9"]])
def test_an_argument_that_is_no_utf8_is_refused(arguments: list[bytes]) -> None:
    program = [sys.executable.encode(), b"-m", b"cli"]
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    ended = subprocess.run([*program, *arguments], capture_output=True, env=where, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1
    assert b"is no text in UTF-8" in ended.stderr


def test_sources_that_cannot_be_read(tmp_path: Path, folder: str, row_security_db: ReadDatabase, town: Town) -> None:
    fails(call("scan", "--source", str(tmp_path / "nowhere")), 3, "nowhere")
    fails(call("scan", "--source", "postgresql://x:hunter2@127.0.0.1:1/x"), 3, "127.0.0.1")
    town.home("oak")["leader_id"] = uid("nobody")
    load(row_security_db.database, town.tables())
    fails(call("scan", "--source", row_security_db.reader.url), 3, "BYPASSRLS")
    Path(folder, "households.csv").write_text("id,leader_id\n1\n")
    fails(call("scan", "--source", folder), 3, "households.csv")


def test_what_could_not_look_makes_the_scan_incomplete_and_keeps_the_rest(petforce_db: Database, town: Town) -> None:
    town.home("oak")["leader_id"] = uid("nobody")
    load(petforce_db, town.tables())
    with petforce_db.connect() as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE household_join_requests IN ACCESS EXCLUSIVE MODE")
        result = call(
            "scan", "--source", petforce_db.url, "--as-of", AS_OF, "--format", "json", "--detector", "no-leader"
        )
        other.execute("ROLLBACK")
    document = json.loads(result.stdout)
    assert result.exit_code == 4
    assert document["coverage"][0]["status"] == "failed"
    assert "55P03" in document["coverage"][0]["reason"]


def test_doctor(folder: str, row_security_db: ReadDatabase) -> None:
    result = call("doctor", "--source", folder)
    assert result.exit_code == 0
    assert "can run" in result.stdout
    result = call("doctor", "--source", row_security_db.reader.url)
    assert result.exit_code == 3
    assert "BYPASSRLS" in result.stdout + result.stderr


def test_the_doctor_fits_a_terminal_and_names_together_what_lacks_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    town = Town()
    town.family("a", "ann", "bob")
    town.event("household_created", "a", "ann")
    folder = str(write_csv(tmp_path, town.tables(), leave_out=["support_requests"]))
    lines = call("doctor", "--source", folder).stdout.splitlines()
    (together,) = [line for line in lines if "legal-matter" in line]
    assert "capacity-request" in together
    assert "needs support_requests" in together
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("commands.knowledge.sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    drawn = call("doctor", "--source", folder).stdout
    assert max(map(len, drawn.splitlines())) <= 80
    assert drawn.split() == " ".join(lines).split()


def test_the_doctor_advises_indexes_with_the_statement(petforce_db: Database) -> None:
    assert "indexes of" not in call("doctor", "--source", petforce_db.url, "--as-of", AS_OF).stdout
    with petforce_db.connect() as connection:
        connection.execute("DROP INDEX household_members_user_id_idx")
    advice = call("doctor", "--source", petforce_db.url, "--as-of", AS_OF).stdout
    assert "CREATE INDEX CONCURRENTLY ON public.household_members (user_id);" in advice


def test_detectors_and_policy_explain_themselves() -> None:
    assert "transfer-failed" in call("detectors", "list").stdout
    page = call("detectors", "explain", "transfer-failed").stdout
    assert "Stays silent when" in page
    fails(call("detectors", "explain", "transfer-fail"), 2, "transfer-failed")
    shown = call("policy", "show", "limits.creations_per_day")
    assert shown.stdout == "limits.creations_per_day = 10  (default)\n"
    fails(call("policy", "show", "limits.nothing"), 2, "limits.nothing")
    assert call("policy", "check").exit_code == 0


def test_every_detector_rides_on_some_pass_or_is_said_to_need_none() -> None:
    said = call("scan", "--explain-passes").stdout
    named = {name for line in said.splitlines() for name in line.partition(": ")[2].split(", ")}
    assert named == set(BY_ID)
    assert said.splitlines()[-1] == "no pass, but the catalog or others' findings: missing-index, vip-affected"


def test_a_reader_that_stops_reading_is_no_error(folder: str) -> None:
    command = f"{sys.executable} -c 'from cli import main; main()' detectors explain no-leader | true; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() in {"0", "141"}
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_early_changes_no_exit_code(folder: str) -> None:
    program = Path(sys.executable).parent / "hearthwatch"
    command = f"{program} scan --source {folder} --as-of {AS_OF} --fail-on P0 | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "10"
    assert done.stderr.strip() == "hearthwatch: there are findings at or above P0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_output_that_nobody_can_write_is_one_line(unbuffered: dict[str, str]) -> None:
    program = Path(sys.executable).parent / "hearthwatch"
    with Path("/dev/full").open("w") as full:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | unbuffered
        ended = subprocess.run(
            [program, "detectors", "list"], stdout=full, stderr=subprocess.PIPE, check=False, env=environment
        )
    assert ended.returncode == 1
    (said,) = ended.stderr.decode().splitlines()
    assert said.startswith("hearthwatch: no space is left")


def test_verbose_shows_the_traceback_wherever_it_stands(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("commands.scanning.run_scan", broken)
    fails(call("scan", "--source", folder, "--as-of", AS_OF), 1, "our own failure", "--verbose")
    for arguments in (["--verbose", "scan"], ["scan", "--verbose"]):
        assert "Traceback" in call(*arguments, "--source", folder, "--as-of", AS_OF).stderr


def test_facts_that_cannot_be_understood_fail_the_detectors_that_wait_for_them(
    folder: str, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.report("question", "dispute", "anna", household_id="oak")
    write_csv(tmp_path / "town", town.tables())
    monkeypatch.setitem(FETCHERS, "household_id", ("households", lambda *_: int("none")))
    arguments = ("--detector", "no-leader", "--detector", "leader-member-dispute")
    result = call("scan", "--source", folder, "--as-of", AS_OF, "--format", "json", *arguments)
    assert result.exit_code == 4
    assert "Traceback" not in result.stderr
    document = json.loads(result.stdout)
    endings = {one["detector"]: (one["status"], one["reason"], one["findings"]) for one in document["coverage"]}
    assert endings == {
        "no-leader": ("failed", "fetching the facts: our own failure; --verbose shows where", 0),
        "leader-member-dispute": ("ran", None, 1),
    }


def test_an_id_that_the_source_does_not_know_is_said(folder: str) -> None:
    result = call("scan", "--source", folder, "--as-of", AS_OF, "--household", "cut-off")
    assert result.exit_code == 6
    assert result.stdout.startswith("no such household: ")
    assert result.stdout.count("\n") == 1
    assert "no household, member or request of that id" in result.stderr
    document = call("scan", "--source", folder, "--as-of", AS_OF, "--household", "cut-off", "--format", "json")
    assert document.exit_code == 6
    assert json.loads(document.stdout)["findings"] == []
