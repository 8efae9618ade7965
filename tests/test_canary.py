"""A mark in every personal field and every secret: it comes out nowhere but where the policy or the README allows it.

The town is the demo's, in which most detectors find something; each name, text, device, address and error text of it carries
its mark, and further people write what the text detectors look for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from channels import slack as slack_channel
from channels.heartbeat import URL as HEARTBEAT
from channels.mail import PASSWORD as MAIL_PASSWORD
from channels.open_queue import ZENDESK_TOKEN
from cli import main
from commands.desk import PSEUDONYM_KEY
from tests.support import slack_stub
from tests.support.mail_server import MailServer, mail_server
from tests.support.postgres import Database
from tests.support.slack_stub import SlackStub, slack
from tests.support.towns import uid, write_csv
from tests.support.zendesk_stub import OAUTH_TOKEN, ZendeskStub, zendesk

DEMO = Path(__file__).parent.parent / "fixtures" / "demo"
NIGHTS = {"night-1": "2026-02-03T03:00:00Z", "night-2": "2026-02-04T03:00:00Z"}
TABLES = (
    "households",
    "household_members",
    "household_join_requests",
    "household_events",
    "users",
    "support_requests",
    "sessions",
)
LAST_PARTS, LAST_GROUPS = ".231.232", "::e231:e232"
"""The end of every IP address of the town. Masked addresses keep their beginnings only."""
MARKS = (
    "zqname",
    "zqdescription",
    "zqbody",
    "zqagent",
    "zqmail",
    "zqnote",
    LAST_PARTS,
    "e231",
    "555 0199",
    "7946 0958",
)
SECRETS = {
    MAIL_PASSWORD: "zqsecret-mail",
    HEARTBEAT: "http://127.0.0.1:9/zqsecret-heartbeat",
    PSEUDONYM_KEY: "zqsecret-pseudonyms",
    "PGPASSWORD": "zqsecret-database",
}
ZENDESK_SECRET = OAUTH_TOKEN
Row = dict[str, Any]


def _marked(row: Row) -> Row:
    """`row` with a mark in each of its personal fields."""
    marked = dict(row)
    for column in ("name", "description", "body", "user_agent"):
        if marked.get(column) is not None:
            marked[column] = f"{marked[column]} zq{column.removeprefix('user_')}"
    if marked.get("email") is not None:
        marked["email"] = f"zqmail-{marked['email']}"
    if marked.get("ip_address"):
        marked["ip_address"] = _address(marked["ip_address"])
    if "metadata" in marked:
        metadata = json.loads(marked["metadata"])
        if "ip_address" in metadata:
            metadata["ip_address"] = _address(metadata["ip_address"])
        if "user_agent" in metadata:
            metadata["user_agent"] += " zqagent"
        metadata["note"] = "zqnote"
        if "error_code" in metadata:
            metadata["error_message"] = f"zqerror for zqmail@example.org at 74.174{LAST_PARTS}, call +1 415 555 0199"
        marked["metadata"] = metadata
    return marked


def _address(written: str) -> str:
    if ":" in written:
        return f"{':'.join(written.split(':')[:3])}{LAST_GROUPS}"
    return f"{'.'.join(written.split('.')[:2])}{LAST_PARTS}"


def _rows(night: str) -> dict[str, list[Row]]:
    tables: dict[str, list[Row]] = {}
    for table in TABLES:
        found = duckdb.sql(f"SELECT * FROM '{DEMO / night / table}.parquet'")  # our own names
        tables[table] = [_marked(dict(zip(found.columns, row, strict=True))) for row in found.fetchall()]
    told = (
        "Buy crypto and casino chips from zqname",
        "Dog walking business, book now: zqmail@example.org, +1 415 555 0199, 30 EUR an hour zqname",
        "<script>alert('zqname')</script>",
        "Join us on Rover instead zqname",
    )
    for home, text in zip(tables["households"][-len(told) :], told, strict=True):
        home |= {"name": text[:50], "description": f"{text} zqdescription"}
    people = [row["user_id"] for row in tables["household_members"][:40]]
    for number, category in enumerate(("threat", "custody", "dispute", "harassment", "feature_request", "capacity")):
        tables["support_requests"].append(
            {
                "id": uid(f"support {number}"),
                "created_at": f"2026-02-02T{10 + number}:00:00+00:00",
                "requester_id": people[number],
                "subject_user_id": people[number + 10],
                "household_id": tables["household_members"][number]["household_id"],
                "category": category,
                "feature": None,
                "body": "zqbody: write to zqmail@example.org or call +1 415 555 0199",
                "status": "open",
            }
        )
    for number, person in enumerate(people[20:26]):
        tables["support_requests"].append(
            {
                "id": uid(f"wish {number}"),
                "created_at": f"2026-02-02T{10 + number}:30:00+00:00",
                "requester_id": person,
                "category": "feature_request",
                "feature": f"Dark mode, ask zqmail@localhost, 020 7946 0958, fe80{LAST_GROUPS}%eth0, 74.174{LAST_PARTS}",
                "body": "zqbody",
                "status": "open",
            }
        )
    tables["household_events"] += _suspicious(tables["households"][5])
    return tables


def _suspicious(home: Row) -> Iterator[Row]:
    """Codes guessed from one address, and a leader who changes their home from everywhere."""

    def event(number: int, kind: str, at: str, day: str = "2026-02-02", **metadata: Any) -> Row:
        known = {"household_id": home["id"], "user_id": home["leader_id"]} if kind == "household_updated" else {}
        row = {"id": 10_000_000 + number, "event_type": kind, "event_timestamp": f"{day}T{at}+00:00"}
        return _marked({"household_id": None, "user_id": None, **row, **known, "metadata": json.dumps(metadata)})

    for number in range(120):
        code = f"AAA-ALPHA-W{number:03}"
        at = f"14:{number // 3:02}:{number % 3:02}"
        yield event(
            number, "household_invite_code_validated", at, ip_address="203.0.1.1", invite_code=code, valid=False
        )
    known = {"ip_address": "200.7.1.1", "user_agent": "Browser/known"}
    yield event(199, "household_updated", "15:00:00", day="2026-01-22", changed=["name"], **known)
    for number in range(200, 206):
        device = {"ip_address": f"{number}.7.1.1", "user_agent": f"Browser/{number}"}
        yield event(number, "household_updated", f"15:{number - 200:02}:00", changed=["name"], **device)
    yield event(300, "household_create_failed", "16:00:00", error_code="08006")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("marked")
    made: dict[str, str] = {}
    for night in NIGHTS:
        (folder / night).mkdir()
        made[night] = str(write_csv(folder / night, _rows(night)))
    return made


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ZendeskStub, SlackStub, MailServer]]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "authority").mkdir()
    with zendesk() as helpdesk, slack() as board, mail_server(tmp_path / "authority") as mail:
        environment = {
            **mail.environment(),
            HEARTBEAT: SECRETS[HEARTBEAT],
            PSEUDONYM_KEY: SECRETS[PSEUDONYM_KEY],
            ZENDESK_TOKEN: ZENDESK_SECRET,
            slack_channel.TOKEN: slack_stub.TOKEN,
            slack_channel.API: board.url,
            "HEARTHWATCH_METRICS": "hearthwatch.prom",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield helpdesk, board, mail


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["--verbose", *arguments])
    assert "Traceback" not in result.output, result.output
    return result


def marks_in(text: str) -> list[str]:
    secrets = (*SECRETS.values(), ZENDESK_SECRET, slack_stub.TOKEN, "a-mail-password")
    return [mark for mark in (*MARKS, *secrets) if mark in text]


def test_the_marks_are_found_where_they_may_be(sources: dict[str, str]) -> None:
    data = call("scan", "--source", sources["night-1"], "--as-of", NIGHTS["night-1"], "--format", "json").stdout
    assert set(MARKS) - {"zqbody", "zqerror", "zqnote", "e231"} <= set(marks_in(data))
    found = {finding["detector"] for finding in json.loads(data)["findings"]}
    assert len(found) > 20
    assert "feature-gap" in found


@pytest.mark.parametrize("where", ["folder", "zendesk", "mail"])
def test_no_mark_leaves_by_any_channel(
    where: str, sources: dict[str, str], servers: tuple[ZendeskStub, SlackStub, MailServer], tmp_path: Path
) -> None:
    helpdesk, board, mail = servers
    queue = {"folder": "folder:queue", "zendesk": f"zendesk:{helpdesk.url}", "mail": "mail:helpdesk@petforce.test"}
    said = ""
    for night, as_of in NIGHTS.items():
        ran = call("run", "--source", sources[night], "--as-of", as_of, "--queue", queue[where], "--report", "pages")
        assert ran.exit_code == 0, ran.output
        said += ran.output
    assert "made" in said
    assert marks_in(said) == []
    assert marks_in(json.dumps([helpdesk.tickets, helpdesk.audits, helpdesk.uploads], default=str)) == []
    assert marks_in(board.everything()) == []
    assert marks_in("".join(one.as_string() + _decoded(one) for one in mail.mails)) == []
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "authority" not in path.parts]
    assert {"hearthwatch.db", "hearthwatch.prom", "tonight.html"} <= {path.name for path in written}
    assert {str(path): marks for path in written if (marks := marks_in(path.read_text(errors="replace")))} == {}
    assert {
        "folder": "queue" in {path.parent.name for path in written},
        "zendesk": helpdesk.tickets,
        "mail": mail.mails,
    }[where]


def _decoded(mail: Any) -> str:
    parts = [part.get_content() for part in mail.walk() if not part.is_multipart()]
    return "".join(part if isinstance(part, str) else part.decode(errors="replace") for part in parts)


def test_no_mark_is_shown_by_what_people_ask(
    sources: dict[str, str], servers: tuple[ZendeskStub, SlackStub, MailServer]
) -> None:
    for night, as_of in NIGHTS.items():
        assert call("run", "--source", sources[night], "--as-of", as_of).exit_code == 0
    place = ("--source", sources["night-2"], "--as-of", NIGHTS["night-2"])
    tickets = [line.split()[0] for line in call("tickets", "list", *place).stdout.splitlines()]
    assert len(tickets) > 15
    asked = [
        ("tickets", "list", *place),
        ("tickets", "digest", *place),
        *(("tickets", "show", one, *place) for one in tickets),
        *(("tickets", "verify", one, *place) for one in tickets[::12]),
        ("report", *place),
        ("report", *place, "--format", "html"),
        ("doctor", *place),
        ("scan", *place),
        ("scan", *place, "--format", "markdown"),
    ]
    leaks = {" ".join(arguments[:3]): marks for arguments in asked if (marks := marks_in(call(*arguments).output))}
    assert leaks == {}


def test_a_persons_escalation_takes_no_mark_from_the_source(
    sources: dict[str, str], servers: tuple[ZendeskStub, SlackStub, MailServer]
) -> None:
    household = _rows("night-1")["households"][-2]["id"]
    words = ("--title", "Odd home", "--issue", "odd", "--steps", "s", "--expected", "e", "--actual", "a")
    filed = call(
        *("escalate", "eng", "--source", sources["night-1"], "--as-of", NIGHTS["night-1"], "--severity", "P1"),
        *(
            "--when",
            "2026-02-02T14:00Z",
            "--household",
            household,
            *words,
            "--requesting",
            "r",
            "--non-interactive",
            "--yes",
        ),
    )
    assert filed.exit_code == 0, filed.output
    assert marks_in(filed.output + "".join(path.read_text() for path in Path("out").rglob("*.*"))) == []


def test_a_database_that_quotes_its_rows_is_not_repeated(
    petforce_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGPASSWORD", SECRETS["PGPASSWORD"])
    with petforce_db.connect() as connection:
        connection.execute(
            "INSERT INTO household_events (event_type, event_timestamp) VALUES ('household_created', '2026-02-02')"
        )
        connection.execute(
            """
            CREATE FUNCTION told(text) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'row of % is odd', $1 USING DETAIL = 'zqbody zqmail@example.org'; END $$
            """
        )
        connection.execute("ALTER TABLE household_events RENAME TO kept")
        connection.execute("CREATE VIEW household_events AS SELECT * FROM kept WHERE told('zqname')")
    failed = CliRunner().invoke(
        main, ["scan", "--verbose", "--source", petforce_db.url, "--as-of", NIGHTS["night-1"]], catch_exceptions=False
    )
    assert failed.exit_code == 4, failed.output
    assert "SQLSTATE P0001" in failed.stderr
    assert marks_in(failed.output) == []


def test_a_failure_of_our_own_quotes_nothing(
    sources: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError(MARKS[0])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("commands.scanning.document_of", broken)
    failed = CliRunner().invoke(
        main, ["scan", "--verbose", "--source", sources["night-1"], "--as-of", NIGHTS["night-1"]]
    )
    assert failed.exit_code == 1
    assert "in broken" in failed.stderr
    assert "KeyError (its text is left out" in failed.stderr
    assert marks_in(failed.output) == []
