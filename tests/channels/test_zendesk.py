"""Zendesk as a queue, on a stub that enforces the documented contract."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from channels.open_queue import ZENDESK_EMAIL, ZENDESK_TOKEN, open_queue
from channels.protocol import DeliveryError, Queue, TicketRef, TicketState
from channels.settings import TIMEOUT
from channels.zendesk import LONGEST_COMMENT
from reports.message import Attachment, Message, Picture, Section, Table
from tests.support.faulty_proxy import Fault, FaultyProxy, all_faults_happen, insist
from tests.support.renderers import RENDERERS
from tests.support.zendesk_stub import (
    API_TOKEN,
    EMAIL,
    OAUTH_TOKEN,
    PERSON,
    SEVERITY_FIELD,
    START,
    TEAM_FIELD,
    ZendeskStub,
    zendesk,
)

ID = "hw-51d0aa"
TICKET = Message("[T&S-ESCALATION]", "Zoë’s <b>house</b>", "trust-safety", "Same-day", ID, (Section("Now", ("one",)),))
WORSE = replace(TICKET, blocks=(Section("Now", ("two",)),))
COMMENT = Message("", "Still there", "trust-safety", "Same-day", ID, (Section("Seen again", ("by the scan",)),))
ROWS = Attachment("rows", Table("Rows", ("Household",), (("Zoë’s 🐶 house",),)))
WITH_ROWS = replace(TICKET, attachments=(ROWS,))
DRAWN = Picture(
    "household-members",
    "1 active member shown, no leader",
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="3"/></svg>',
)
MAKE, SAY = r"POST .*/tickets\.json$", r"PUT .*/tickets/\d+\.json$"
API_LOGIN = {ZENDESK_EMAIL: EMAIL, ZENDESK_TOKEN: API_TOKEN}


@pytest.fixture
def stub() -> Iterator[ZendeskStub]:
    with zendesk() as account:
        yield account


@pytest.fixture
def queue(stub: ZendeskStub) -> Queue:
    return opened(stub.url)


@pytest.fixture
def proxy(stub: ZendeskStub) -> Iterator[FaultyProxy]:
    with all_faults_happen(stub.url) as between:
        yield between


def opened(url: str, login: dict[str, str] = API_LOGIN) -> Queue:
    fields = f"severity_field={SEVERITY_FIELD}&team_field={TEAM_FIELD}"
    return open_queue(f"zendesk:{url}?{fields}", {**login, TIMEOUT: "1"}, RENDERERS)


def as_html(message: Message) -> str:
    return f"<pre>{html.escape(RENDERERS.text(message))}</pre>"


def number(ref: TicketRef) -> int:
    return int(ref.id)


@pytest.mark.parametrize("login", [API_LOGIN, {ZENDESK_TOKEN: OAUTH_TOKEN}])
def test_a_ticket_holds_text_tables_tags_and_fields(stub: ZendeskStub, login: dict[str, str]) -> None:
    queue = opened(stub.url, login)
    ref = queue.create(ID, WITH_ROWS)
    assert ref.url == f"{stub.url}/agent/tickets/{ref.id}"
    ticket = stub.tickets[number(ref)]
    assert ticket["external_id"] == ID
    assert ticket["subject"] == RENDERERS.subject(WITH_ROWS)
    assert ticket["tags"] == ["hearthwatch", "t_s-escalation", "severity_same-day"]
    assert ticket["priority"] == "high"
    assert ticket["custom_fields"] == [
        {"id": SEVERITY_FIELD, "value": "Same-day"},
        {"id": TEAM_FIELD, "value": "trust-safety"},
    ]
    (comment,) = stub.audits[number(ref)][0]["events"]
    assert comment["html_body"] == as_html(WITH_ROWS)
    assert comment["public"] is False
    assert comment["attachments"] == [("rows.csv", "text/csv", RENDERERS.csv(ROWS.table))]
    assert queue.state(ref) == TicketState("open")


def test_a_picture_travels_as_one_that_is_shown(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, replace(TICKET, pictures=(DRAWN,)))
    ((name, kind, content),) = stub.audits[number(ref)][0]["events"][0]["attachments"]
    assert (name, kind, content[:4]) == ("household-members.png", "image/png", "\x89PNG")


def test_a_second_create_finds_the_first_ticket(stub: ZendeskStub, queue: Queue) -> None:
    assert queue.find(ID) is None
    ref = queue.create(ID, TICKET)
    assert queue.find(ID) == queue.create(ID, WORSE) == ref
    assert len(stub.tickets) == 1


def test_linked_tickets_can_be_followed(stub: ZendeskStub, queue: Queue) -> None:
    linked = f'<p>Linked: <a href="{stub.url}/agent/tickets/7">#7</a></p>'
    ref = queue.create(ID, replace(TICKET, refers_to=("7", "<b>")))
    queue.update(ref, replace(WORSE, refers_to=("7",)))
    assert stub.comments(number(ref)) == [as_html(TICKET) + linked, as_html(WORSE) + linked]


def test_of_two_tickets_with_our_id_the_first_is_ours(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, TICKET)
    stub.tickets[99] = {**stub.tickets[number(ref)], "id": 99}
    assert queue.find(ID) == ref


def test_a_comment_is_said_once_for_each_key(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, TICKET)
    for key in ("one", "one", "two", "three", "two", "one"):
        queue.comment(ref, key, replace(COMMENT, title=key))
    assert stub.comments(number(ref))[1:] == [as_html(replace(COMMENT, title=key)) for key in ("one", "two", "three")]


def test_an_update_is_said_where_the_text_has_changed(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, WITH_ROWS)
    said = []
    for text in (WITH_ROWS, WORSE, WORSE, TICKET, WITH_ROWS, WITH_ROWS):
        queue.update(ref, text)
        said.append(len(stub.comments(number(ref))))
    assert said == [1, 2, 2, 3, 4, 4]


def test_a_text_too_long_for_a_comment_travels_as_a_file(stub: ZendeskStub, queue: Queue) -> None:
    long = replace(TICKET, blocks=(Section("Now", ("x" * (LONGEST_COMMENT + 5000),)),))
    ref = queue.create(ID, long)
    (comment,) = stub.audits[number(ref)][0]["events"]
    assert "all of it is attached as ticket.txt" in comment["html_body"]
    assert comment["attachments"] == [("ticket.txt", "text/plain", RENDERERS.text(long))]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "open"),
        ({"status": "open"}, "open"),
        ({"status": "open", "assignee_id": PERSON}, "acknowledged"),
        ({"status": "pending"}, "acknowledged"),
        ({"status": "hold"}, "acknowledged"),
        ({"status": "solved"}, "resolved"),
        ({"status": "closed"}, "closed"),
    ],
)
def test_what_a_person_made_of_it_is_read_back(
    stub: ZendeskStub, queue: Queue, changes: dict[str, object], status: str
) -> None:
    ref = queue.create(ID, TICKET)
    queue.comment(ref, "one", COMMENT)
    stub.trigger(number(ref))
    assert queue.state(ref) == TicketState("open"), "neither we nor a rule are a person"
    stub.person(number(ref), says="I look")
    stub.person(number(ref), says="Mended", **changes)
    owner = "Kim" if "assignee_id" in changes else ""
    assert queue.state(ref) == TicketState(status, owner, START + timedelta(minutes=4))  # type: ignore[arg-type]  # parametrised


def test_what_people_edit_stays_as_they_left_it(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, TICKET)
    stub.person(number(ref), subject="Mine now", status="hold", priority="low", tags=["mine"], assignee_id=PERSON)
    before = {**stub.tickets[number(ref)], "updated_at": None}
    queue.comment(ref, "one", COMMENT)
    queue.update(ref, replace(WORSE, severity="Immediate"))
    assert {**stub.tickets[number(ref)], "updated_at": None} == before


def test_what_people_solved_is_opened_again_with_the_comment_and_only_with_it(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, TICKET)
    stub.person(int(ref.id), status="pending", assignee_id=PERSON)
    queue.comment(ref, "at work", replace(COMMENT, reopens=True))
    assert queue.state(ref).status == "acknowledged"
    stub.person(int(ref.id), status="solved")
    queue.comment(ref, "worse", COMMENT)
    assert queue.state(ref).status == "resolved"
    for _ in range(2):
        queue.comment(ref, "back", replace(COMMENT, reopens=True))
    assert stub.tickets[int(ref.id)]["status"] == "open"
    stub.person(int(ref.id), status="solved")
    queue.comment(ref, "back", replace(COMMENT, reopens=True))
    assert queue.state(ref).status == "resolved"


def test_what_comes_after_closing_goes_on_one_follow_up(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, TICKET)
    queue.comment(ref, "one", COMMENT)
    stub.person(number(ref), status="closed", tags=["closed_by_merge"])
    for key in ("one", "two", "two", "three"):
        queue.comment(ref, key, COMMENT)
    queue.update(ref, TICKET)
    (follow_up,) = stub.tickets[number(ref)]["followup_ids"]
    assert len(stub.tickets) == 2
    assert len(stub.comments(follow_up)) == 2
    assert queue.find(ID) == ref
    assert queue.state(ref) == TicketState("open")
    stub.person(follow_up, status="solved", assignee_id=PERSON)
    assert queue.state(ref) == TicketState("resolved", "Kim")
    stub.delete(follow_up)
    assert queue.state(ref).status == "closed"


def test_a_deleted_ticket_is_missing_and_takes_no_comments(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, TICKET)
    stub.delete(number(ref))
    assert queue.state(ref) == TicketState("missing")
    with pytest.raises(DeliveryError, match="404") as caught:
        queue.comment(ref, "one", COMMENT)
    assert not caught.value.retry


def test_a_wrong_address_does_not_make_every_ticket_missing(stub: ZendeskStub) -> None:
    with pytest.raises(DeliveryError, match="InvalidEndpoint"):
        open_queue(f"zendesk:{stub.url}/elsewhere", API_LOGIN, RENDERERS).state(TicketRef("1", ""))


def test_a_revoked_token_is_said_and_not_shown(
    stub: ZendeskStub, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    stub.token_revoked = True
    with pytest.raises(DeliveryError, match=f"renew {ZENDESK_TOKEN}") as caught:
        queue.create(ID, TICKET)
    assert not caught.value.retry
    assert "[secret]" in str(caught.value), "the stub repeats what it was given"
    for secret in (API_TOKEN, "cm9ib3RAcGV0Zm9yY2Uu"):
        assert secret not in f"{caught.value!r} {caplog.text}"


def test_a_refusal_says_why(stub: ZendeskStub, queue: Queue) -> None:
    bad_field = open_queue(f"zendesk:{stub.url}?team_field=1", API_LOGIN, RENDERERS)
    with pytest.raises(DeliveryError, match=r"422 .*RecordInvalid: Custom field: does not exist") as caught:
        bad_field.create(ID, TICKET)
    assert not caught.value.retry
    assert queue.create(ID, TICKET)


FAULTS: dict[str, tuple[Callable[[str], Fault], int, int]] = {
    # The fault, then how often making and commenting fail. A ticket's key lets its making be repeated at once.
    "the answer is lost": (lambda where: Fault(where, forwarded=True), 0, 1),
    "the request is lost": (Fault, 0, 1),
    "it hangs before": (lambda where: Fault(where, hang=30), 1, 1),
    "it hangs after": (lambda where: Fault(where, forwarded=True, hang=30), 1, 1),
    "500": (lambda where: Fault(where, status=500), 0, 1),
    "409": (lambda where: Fault(where, status=409), 0, 0),
    "429 for long": (lambda where: Fault(where, status=429, headers={"Retry-After": "93"}), 1, 1),
    "429 twice": (lambda where: Fault(where, times=2, status=429, headers={"Retry-After": "0"}), 0, 0),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("lags", [False, True])
def test_after_any_fault_everything_is_there_exactly_once(
    name: str, stub: ZendeskStub, proxy: FaultyProxy, *, lags: bool
) -> None:
    fault, makes_fail, says_fail = FAULTS[name]
    stub.listing_lags = lags
    queue = opened(proxy.url)
    proxy.plan(fault(MAKE), fault(SAY))
    assert insist(lambda: queue.create(ID, TICKET)) == makes_fail
    stub.listing_lags = False
    ref = queue.find(ID)
    assert ref is not None
    assert list(stub.tickets) == [number(ref)]
    texts = [replace(COMMENT, title=key) for key in ("one", "two")]
    failed = [insist(lambda text=text: queue.comment(ref, text.title, text)) for text in texts]  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    assert failed == [says_fail, 0]
    assert stub.comments(number(ref))[1:] == [as_html(text) for text in texts]


def test_a_ticket_made_with_other_words_a_moment_ago_is_not_made_again(stub: ZendeskStub, queue: Queue) -> None:
    ref = queue.create(ID, WITH_ROWS)
    stub.listing_lags = True
    with pytest.raises(DeliveryError, match="not listed yet") as caught:
        queue.create(ID, WORSE)
    assert caught.value.retry
    assert list(stub.tickets) == [number(ref)]


def test_the_key_replays_where_the_list_lags(stub: ZendeskStub, queue: Queue) -> None:
    stub.listing_lags = True
    assert queue.create(ID, TICKET) == queue.create(ID, TICKET)
    assert stub.lookups == ["miss", "hit"]


def test_the_check_sends_nothing(stub: ZendeskStub) -> None:
    fields = f"?severity_field={SEVERITY_FIELD}&team_field=99"
    queue = open_queue(f"zendesk:{stub.url}{fields}", {ZENDESK_EMAIL: EMAIL, ZENDESK_TOKEN: API_TOKEN}, RENDERERS)
    assert [(one.name, one.ok) for one in queue.check()] == [
        ("zendesk", True),
        ("zendesk severity", True),
        ("zendesk team", False),
    ]
    stub.role = "end-user"
    assert not queue.check()[0].ok
    stub.token_revoked = True
    assert [one.ok for one in queue.check()] == [False]
    assert stub.tickets == {}
