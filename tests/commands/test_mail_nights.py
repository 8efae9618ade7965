"""`run` and `escalate` by e-mail: a helpdesk's inbound address, and Legal, which is told no other way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from channels import slack as slack_channel
from channels.mail import PASSWORD
from cli import main
from commands.desk import PSEUDONYM_KEY
from escalation.deliver.helpdesk import GIVE_UP_AFTER
from tests.support import slack_stub
from tests.support.mail_server import MailServer, mail_server
from tests.support.towns import Town, uid, write_csv

FIRST, SECOND, THIRD = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"
DESK = "mail:helpdesk@petforce.test"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    (tmp_path / "mail").mkdir()
    with mail_server(tmp_path / "mail") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = None
    town.report("r", "custody", "ben", household_id="oak", subject_user_id="anna", body="a secret of the family")
    return town


def night(folder: Path, town: Town, as_of: str, queue: str = "folder:out/queue") -> Result:
    folder.mkdir(exist_ok=True)
    source = str(write_csv(folder, town.tables()))
    return CliRunner().invoke(main, ["run", "--source", source, "--as-of", as_of, "--queue", queue])


def test_legal_matters_go_by_mail_and_nothing_else_does(
    server: MailServer, tmp_path: Path, elsewhere: Path, town: Town
) -> None:
    ran = night(tmp_path / "town", town, FIRST)
    assert ran.exit_code == 0, ran.output
    (sent,) = server.mails
    assert sent["To"] == sent["X-Envelope-To"] == "legal@petforce.com"
    assert str(sent["Subject"]).startswith("[URGENT LEGAL MATTER] ")
    tickets = [path.read_text() for path in (elsewhere / "out" / "queue").glob("*.md")]
    assert len(tickets) == 1
    assert "LEGAL" not in tickets[0]
    body = sent.get_body(("plain",))
    assert body is not None
    assert "Do not discuss legal matters on Slack" in body.get_content()
    assert "a secret of the family" not in sent.as_string()
    town.support_requests[0]["status"] = "closed"
    assert night(tmp_path / "town", town, SECOND).exit_code == 0
    assert server.mails[1]["In-Reply-To"] == sent["Message-ID"]
    assert len(server.mails) == 2


def test_without_a_mail_server_legal_stays_in_the_queue_and_says_how_it_is_told(
    tmp_path: Path, elsewhere: Path, town: Town
) -> None:
    assert night(tmp_path / "town", town, FIRST).exit_code == 0
    texts = [path.read_text() for path in (elsewhere / "out" / "queue").glob("*.md")]
    (legal,) = [text for text in texts if "URGENT LEGAL MATTER" in text]
    assert "Told by e-mail only" in legal


def test_a_helpdesk_by_mail_with_a_full_mailbox_in_between(server: MailServer, tmp_path: Path, town: Town) -> None:
    server.answers = ["452 4.2.2 mailbox full"] * 2
    failed = night(tmp_path / "town", town, FIRST, DESK)
    assert failed.exit_code == 5
    assert "a mailbox or disk is full" in failed.output
    server.breaks_off = 1
    assert night(tmp_path / "town", town, FIRST, DESK).exit_code == 5
    assert night(tmp_path / "town", town, FIRST, DESK).exit_code == 0
    assert night(tmp_path / "town", town, SECOND, DESK).exit_code == 0
    first = {key: mail for key, mail in server.mailbox().items() if mail["In-Reply-To"] is None}
    assert sorted(str(mail["To"]) for mail in first.values()) == ["helpdesk@petforce.test", "legal@petforce.com"]
    town.home("oak")["leader_id"] = uid("anna")
    assert night(tmp_path / "town", town, THIRD, DESK).exit_code == 0
    (thread,) = [key for key, mail in first.items() if mail["To"] == "helpdesk@petforce.test"]
    answers = [mail for mail in server.mailbox().values() if mail["References"] == thread]
    body = answers[-1].get_body(("plain",))
    assert body is not None
    assert "Fixed" in body.get_content()


def test_people_say_what_mail_cannot_tell(server: MailServer, tmp_path: Path, town: Town) -> None:
    town.support_requests.clear()
    call = CliRunner().invoke
    night(tmp_path / "town", town, FIRST, DESK)
    (ticket,) = [str(mail["X-Hearthwatch-ID"]) for mail in server.mails]
    acknowledged = call(main, ["tickets", "acknowledge", ticket, "--as-of", "2026-02-03T03:10:00Z"])
    assert acknowledged.exit_code == 0, acknowledged.output
    assert "acknowledged" in call(main, ["tickets", "list", "--as-of", SECOND]).output
    assert call(main, ["tickets", "acknowledge", ticket]).exit_code == 2
    resolved = call(
        main,
        ["tickets", "resolve", ticket, "--as-of", "2026-02-03T05:00:00Z", "--outcome", "leader set by hand"],
    )
    assert resolved.exit_code == 0, resolved.output
    assert night(tmp_path / "town", town, SECOND, DESK).exit_code == 0
    assert "still-seen" in call(main, ["tickets", "show", ticket]).output
    town.home("oak")["leader_id"] = uid("anna")
    call(main, ["tickets", "resolve", ticket, "--as-of", "2026-02-04T05:00:00Z"])
    assert night(tmp_path / "town", town, THIRD, DESK).exit_code == 0
    shown = call(main, ["tickets", "show", ticket]).output
    assert "leader set by hand" in shown
    assert call(main, ["tickets", "resolve", ticket]).exit_code == 2


def test_unsnooze_lifts_what_was_put_off(tmp_path: Path, elsewhere: Path, town: Town) -> None:
    call = CliRunner().invoke
    town.support_requests.clear()
    night(tmp_path / "town", town, FIRST)
    (ticket,) = [path.stem for path in (elsewhere / "out" / "queue").glob("*.md")]
    words = ["--reason", "kim@example.org repairs it", "--author", "jo", "--as-of", "2026-02-03T04:00Z"]
    assert call(main, ["tickets", "snooze", ticket, "--days", "1", *words]).exit_code == 0
    lifted = call(main, ["tickets", "unsnooze", ticket, *words])
    assert "1 silence lifted" in lifted.output
    shown = call(main, ["tickets", "show", ticket]).output
    assert "lifted: [not kept] repairs it (jo)" in shown
    assert "kim@example.org" not in shown
    again = call(main, ["tickets", "unsnooze", ticket, *words])
    assert (again.exit_code, "neither snoozed nor dismissed" in again.output) == (2, True)


def test_doctor_looks_at_every_channel_and_sends_nothing(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    call = CliRunner().invoke
    with slack_stub.slack() as stub:
        monkeypatch.setenv(slack_channel.TOKEN, slack_stub.TOKEN)
        monkeypatch.setenv(slack_channel.API, stub.url)
        monkeypatch.setenv(PSEUDONYM_KEY, "a secret of ours")
        fine = call(main, ["doctor", "--channels"])
        assert fine.exit_code == 0, fine.output
        assert "ok       folder: " in fine.output
        assert "ok       mail: " in fine.output
        assert "ok       slack #incidents: the app is a member (Engineering P0)" in fine.output
        assert "legal" not in fine.output.lower()
        stub.joined.remove("incidents")
        monkeypatch.setenv(PASSWORD, "revoked")
        bad = call(main, ["doctor", "--channels"])
        assert bad.exit_code == 5
        assert "problem  mail: " in bad.output
        assert "problem  slack #incidents: invite the app there" in bad.output
        assert "2 problems to solve first" in bad.output
        assert stub.messages == {}
    assert server.mails == []
    assert not (elsewhere / "out").exists()


@pytest.mark.parametrize(
    ("queue", "says"), [("mail:", "write --queue mail:ADDRESS"), ("mail:a@b, c@d", "write --queue mail:ADDRESS")]
)
def test_a_mail_queue_that_cannot_be_used(server: MailServer, queue: str, says: str) -> None:
    refused = CliRunner().invoke(main, ["doctor", "--channels", "--queue", queue])
    assert (refused.exit_code, says in refused.output) == (2, True), refused.output


def test_legal_does_not_wait_for_a_helpdesk_that_is_down(
    server: MailServer, tmp_path: Path, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(GIVE_UP_AFTER + 2):
        town.family(f"home {number}", f"leader {number}", f"member {number}")
        town.home(f"home {number}")["leader_id"] = None
    monkeypatch.setattr("channels.http.PAUSES", (0.0, 0.0))
    monkeypatch.setenv("HEARTHWATCH_RT_TOKEN", "1-14-0123456789abcdef")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        where = f"rt:http://127.0.0.1:{taken.getsockname()[1]}/"
        failed = night(tmp_path / "town", town, FIRST, where)
        assert failed.exit_code == 5
        assert "not tried: the queue is out of reach" in failed.output
        assert [mail["To"] for mail in server.mails] == ["legal@petforce.com"]
        assert night(tmp_path / "town", town, SECOND, where).exit_code == 5
    assert len(server.mails) == 1


def test_what_the_helpdesk_had_before_there_was_mail_stays_there(
    tmp_path: Path, elsewhere: Path, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mail").mkdir()
    with monkeypatch.context() as patch, mail_server(tmp_path / "mail") as server:
        # The ticket is made, but the ledger does not come to know it.
        patch.setattr("channels.folder.FolderQueue._ref", lambda *_: 1 / 0)
        assert night(tmp_path / "town", town, FIRST).exit_code == 5
        patch.undo()
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        assert night(tmp_path / "town", town, FIRST).exit_code == 0
        assert not server.mails
    assert len(list((elsewhere / "out" / "queue").glob("*.json"))) == 2
