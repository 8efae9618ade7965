"""E-mail through a real mail server with TLS and passwords."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from channels import mail
from channels.mail import MailQueue, Recipients, open_mail_server
from channels.protocol import DeliveryError, TicketState
from channels.settings import TIMEOUT, ChannelSettingError
from escalation.policy.policy import load_policy
from reports import mail as words
from reports.message import Message
from reports.ticket import ticket
from tests.reports.examples import TRANSFER_FAILED, incident
from tests.support.mail_server import PASSWORD, MailServer, mail_server
from tests.support.renderers import RENDERERS

POLICY = load_policy()
NOW = datetime(2026, 2, 3, 3, tzinfo=UTC)
DESK = "helpdesk@petforce.test"
SPEECH = ticket(TRANSFER_FAILED, POLICY, reference="hw-1")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with mail_server(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.authority))
        yield running


def queue_at(server: MailServer, **changes: str) -> MailQueue:
    opened = open_mail_server({**server.environment(), TIMEOUT: "3", **changes})
    assert opened is not None
    return MailQueue(*opened, lambda message: Recipients(DESK), words=words.render, renderers=RENDERERS, now=NOW)


def test_a_ticket_and_its_news_are_one_thread(server: MailServer) -> None:
    queue = queue_at(server)
    ref = queue.create("hw-1", SPEECH)
    queue.comment(ref, "hw-1/worse", SPEECH)
    queue.update(ref, SPEECH)
    first, second = server.mails
    assert first["Message-ID"] == ref.id == "<hw-1@petforce.test>"
    assert (second["In-Reply-To"], second["References"]) == (ref.id, ref.id)
    assert second["Subject"] == f"Re: {first['Subject']}"
    assert first["Subject"] == "[ENG-ESCALATION] Household Leadership Transfer Failure"
    assert (first["To"], first["From"]) == (DESK, "Hearthwatch <hearthwatch@petforce.test>")
    assert (first["Auto-Submitted"], first["X-Hearthwatch-ID"]) == ("auto-generated", "hw-1")
    assert first["Date"] == "Tue, 03 Feb 2026 03:00:00 +0000"
    assert queue.state(ref) == TicketState("open")
    assert queue.find("hw-1") is None


def test_text_html_and_tables_travel_whole(server: MailServer) -> None:
    message = ticket(incident(40), POLICY, reference="hw-1")
    queue_at(server).create("hw-1", message)
    (mail_of,) = server.mails
    plain, html = mail_of.get_body(("plain",)), mail_of.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "How to verify" in plain.get_content()
    assert "<h1>" in html.get_content()
    sent = {part.get_filename(): part.get_content() for part in mail_of.iter_attachments()}
    assert {name: text.replace("\r\n", "\n") for name, text in sent.items()} == {
        name: text.replace("\r\n", "\n") for name, text in RENDERERS.files(message).items()
    }
    assert sent


def test_a_picture_travels_as_one_that_is_shown(server: MailServer) -> None:
    queue_at(server).create("hw-1", ticket(TRANSFER_FAILED, POLICY, reference="hw-1"))
    (drawn,) = server.mails[0].iter_attachments()
    assert (drawn.get_filename(), drawn.get_content_type()) == ("household-members.png", "image/png")
    assert drawn.get_content().startswith(b"\x89PNG")


def test_a_lost_answer_leads_to_the_same_message_again(server: MailServer) -> None:
    queue = queue_at(server)
    server.breaks_off = 1
    with pytest.raises(DeliveryError, match="broke off without an answer") as caught:
        queue.create("hw-1", SPEECH)
    assert caught.value.retry
    queue.create("hw-1", SPEECH)
    assert len(server.mails) == 2
    assert len(server.mailbox()) == 1


def refuse_recipient(server: MailServer) -> None:
    server.refused.add(DESK)


def answer(text: str) -> Callable[[MailServer], None]:
    return lambda server: server.answers.append(text)


@pytest.mark.parametrize(
    ("trouble", "changes", "says", "retry"),
    [
        (refuse_recipient, {}, "refuses the recipient: 550: is the address right", False),
        (answer("452 4.2.2 mailbox full"), {}, "452, a mailbox or disk is full", True),
        (answer("552 5.2.2 over quota"), {}, "552, a mailbox or disk is full", True),
        (answer("451 4.7.1 greylisted"), {}, "451, for now", True),
        (answer("554 5.7.1 spam"), {}, "554: ask who runs it", False),
        (answer("250 ok"), {mail.PASSWORD: "revoked"}, f"not accepted: renew {mail.PASSWORD}", False),
    ],
)
def test_a_refusal_names_the_remedy(
    server: MailServer, trouble: Callable[[MailServer], None], changes: dict[str, str], says: str, retry: bool
) -> None:
    trouble(server)
    with pytest.raises(DeliveryError, match=says) as caught:
        queue_at(server, **changes).create("hw-1", SPEECH)
    assert caught.value.retry is retry
    assert DESK not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert server.mails == []


def test_the_password_goes_to_no_server_that_is_not_trusted(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DeliveryError, match="certificate is not trusted"):
        queue_at(server).create("hw-1", SPEECH)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # TLS is there from the beginning, which the server does not count
def test_tls_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(tmp_path, tls=False, from_the_beginning=True) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.authority))
        queue_at(running, **{mail.URL: f"smtps://localhost:{running.port}"}).create("hw-1", SPEECH)
        assert len(running.mails) == 1


def test_unencrypted_only_on_this_machine(tmp_path: Path) -> None:
    with mail_server(tmp_path, tls=False) as running:
        queue_at(running, **{mail.USER: ""}).create("hw-1", SPEECH)
        assert len(running.mails) == 1
        elsewhere = running.url.replace("localhost", "127.0.0.1.nip.invalid")
        opened = open_mail_server({**running.environment(), mail.URL: elsewhere})
        assert opened is not None
        with pytest.raises(DeliveryError), opened[0].connected():
            pass


def test_nobody_is_there(server: MailServer) -> None:
    with pytest.raises(DeliveryError, match="Mail server localhost:9: ") as caught:
        queue_at(server, **{mail.URL: "smtp://localhost:9"}).create("hw-1", SPEECH)
    assert caught.value.retry


def test_the_check_sends_nothing(server: MailServer) -> None:
    assert [one.ok for one in queue_at(server).check()] == [True]
    assert [one.ok for one in queue_at(server, **{mail.PASSWORD: "revoked"}).check()] == [False]
    assert server.mails == []


@pytest.mark.parametrize(
    "title",
    [
        "x\r\nBcc: eve@evil.example\r\n\r\nbody",
        "=?utf-8?q?x=0d=0aBcc:_eve=40evil.example=0d=0a=0d=0abody?=",
        "=?utf-8?b?eA0KQmNjOiBldmVAZXZpbC5leGFtcGxlDQoNCmJvZHk=?=",
        "=?utf-8?q?=0ABcc=3A_eve=40evil.example?= é",
        "=?utf-8?b?aHR0cHM6Ly9ldmlsLmNvbQ==?=",
    ],
)
def test_a_hostile_title_makes_no_header(server: MailServer, title: str) -> None:
    hostile = TRANSFER_FAILED.model_copy(update={"title": title})
    message: Message = ticket(hostile, POLICY, reference="hw-1")
    queue = queue_at(server)
    queue.comment(queue.create("hw-1", message), "worse", message)
    for sent in server.mails:
        assert sent["Bcc"] is None
        assert sent["X-Envelope-To"] == DESK
        assert "\n" not in str(sent["Subject"])
        assert "https://evil" not in str(sent["Subject"])
        assert "".join(str(sent["Subject"]).removeprefix("Re: ").split()) == "".join(
            words.render(message).subject.split()
        )
        assert "User ID: user_12345" in sent.get_body(("plain",)).get_content()  # type: ignore[union-attr]


@pytest.mark.parametrize("to", ["=?utf-8?q?eve=40evil.example=2C?=@x.test", "a@b.test, eve@evil.example", "a@b@c.test"])
def test_what_is_no_plain_address_gets_no_mail(server: MailServer, to: str) -> None:
    queue = queue_at(server)
    queue._recipients = lambda _: Recipients(to)
    with pytest.raises(DeliveryError, match="address in the policy is none"):
        queue.create("hw-1", SPEECH)
    assert server.mails == []


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({mail.URL: "http://mail.example"}, "must look like smtp://HOST"),
        ({mail.URL: "smtp://"}, "must look like smtp://HOST"),
        ({mail.URL: "smtp://jo:hunter2@mail.example"}, "no user or password in the address"),
        ({mail.URL: "smtp://mail.example"}, f"set {mail.SENDER}"),
        ({mail.URL: "smtp://mail.example", mail.SENDER: "a@b\r\nBcc: c@d"}, f"set {mail.SENDER}"),
        ({mail.URL: "smtp://mail.example", mail.SENDER: "a@b.test", mail.USER: "jo"}, f"set {mail.PASSWORD}"),
    ],
)
def test_settings_that_cannot_be_used(environment: dict[str, Any], says: str) -> None:
    with pytest.raises(ChannelSettingError, match=says) as caught:
        open_mail_server(environment)
    assert "hunter2" not in str(caught.value)


def test_no_server_is_no_mail() -> None:
    assert open_mail_server({}) is None
