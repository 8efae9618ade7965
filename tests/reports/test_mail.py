"""E-mail: a subject of one line, and HTML that holds no more than its text."""

from __future__ import annotations

from email.message import EmailMessage
from html.parser import HTMLParser

from hypothesis import given

from detectors.contract import Finding
from escalation.policy.policy import load_policy
from reports import mail, text
from reports.ticket import ticket
from tests.reports.examples import TRANSFER_FAILED, bare, incident
from tests.reports.hostile import findings, hidden, live, texts
from tests.support.effort import tries

POLICY = load_policy()
OURS = {
    "ol",
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "pre",
    "ul",
    "li",
    "table",
    "tr",
    "th",
    "td",
    "p",
}


class Reader(HTMLParser):
    """What a mail program makes of the HTML: its tags and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.append("!--")


def test_the_mail_says_what_the_ticket_says() -> None:
    message = ticket(TRANSFER_FAILED, POLICY)
    words = mail.render(message)
    assert words.subject == "[ENG-ESCALATION] Household Leadership Transfer Failure"
    assert words.text == text.render(message)
    assert "<pre>User ID: user_12345\nHousehold ID: household_67890\n" in words.html
    assert "<td>user_2</td><td>no badge</td>" in words.html


def test_a_legal_matter_is_marked_in_the_subject() -> None:
    assert mail.render(ticket(bare("legal"), POLICY)).subject.startswith("[URGENT LEGAL MATTER] ")


def test_an_attachment_is_announced() -> None:
    assert "<p>Attached: rows.csv</p>" in mail.render(ticket(incident(30), POLICY)).html


@given(texts)
def test_no_header_can_be_smuggled_into_the_subject(title: str) -> None:
    words = mail.render(ticket(bare(title=title), POLICY))
    assert len(words.subject) <= mail.SUBJECT_MOST
    assert hidden(words.subject) == []
    assert "\n" not in words.subject
    sent = EmailMessage()
    sent["Subject"] = words.subject
    sent.set_content(words.text)
    assert sorted(sent.keys()) == ["Content-Transfer-Encoding", "Content-Type", "MIME-Version", "Subject"]
    sent.as_bytes()


@tries(100)
@given(findings)
def test_nothing_in_the_html_is_live(finding: Finding) -> None:
    message = ticket(finding, POLICY)
    words = mail.render(message)
    assert hidden(words.html) == []
    read = Reader(words.html)
    assert set(read.tags) <= OURS
    assert read.attributes == [("lang", "en"), ("charset", "utf-8")]
    drawn = "".join(read.said)
    for address in (POLICY.teams[finding.team].email, *POLICY.teams[finding.team].copy_to):
        drawn = drawn.replace(address, "")
    assert live(drawn) == []
