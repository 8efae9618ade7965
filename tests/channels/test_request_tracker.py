"""Request Tracker as a queue, on a real RT 5: what a ticket holds, said once, read back, and people's edits left alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from channels.open_queue import RT_TOKEN, open_queue
from channels.protocol import DeliveryError, Queue, TicketRef, TicketState
from channels.request_tracker import ID_FIELD, SEVERITY_FIELD
from channels.settings import TIMEOUT
from reports.message import Attachment, Message, Section, Table
from tests.support.faulty_proxy import Fault, FaultyProxy, insist
from tests.support.renderers import RENDERERS
from tests.support.request_tracker import FIELD_RIGHTS, OTHER_QUEUE, QUEUE, RIGHTS, RequestTracker

COMMENT = Message("", "Still there", "engineering", "P0", "", (Section("Seen again", ("by the scan",)),))
ROWS = Attachment("rows", Table("Rows", ("Household",), (("Zoë’s 🐶 house",), ("=h2",))))
SEARCH, MAKE, SAY = r"GET .*/tickets\?", r"POST .*/ticket$", r"POST .*/comment$"
_numbers = itertools.count(1)


@pytest.fixture
def ticket() -> Message:
    """A message with an external id that no other test uses."""
    reference = f"hw-{next(_numbers):04}"
    return Message("[ENG-ESCALATION]", "No leader", "engineering", "P0", reference, (Section("Now", ("one",)),))


@pytest.fixture
def queue(request_tracker: RequestTracker) -> Queue:
    return opened(request_tracker.url, request_tracker.token)


def opened(url: str, token: str, *, name: str = QUEUE, timeout: float = 30) -> Queue:
    return open_queue(f"rt:{url}/?queue={name}", {RT_TOKEN: token, TIMEOUT: str(timeout)}, RENDERERS)


def worse(message: Message) -> Message:
    return replace(message, blocks=(Section("Now", ("two",)),))


def test_a_ticket_holds_text_tables_and_our_fields(
    queue: Queue, ticket: Message, request_tracker: RequestTracker
) -> None:
    ticket = replace(ticket, title=f"Zoë <b>\r\nX-RT: 1 {'long ' * 60}", attachments=(ROWS,))
    ref = queue.create(ticket.reference, ticket)
    assert ref.url == f"{request_tracker.url}/Ticket/Display.html?id={ref.id}"
    made = request_tracker.person.get(f"/ticket/{ref.id}").json()
    assert made["Subject"] == RENDERERS.line(ticket, 200)
    assert len(made["Subject"].encode()) == 200
    assert {field["name"]: field["values"] for field in made["CustomFields"]} == {
        ID_FIELD: [ticket.reference],
        SEVERITY_FIELD: ["P0"],
    }
    assert request_tracker.parts(ref.id) == [
        ("", RENDERERS.text(ticket)),
        ("rows.csv", "Household\nZoë’s 🐶 house\n'=h2\n"),
    ]
    assert queue.state(ref) == TicketState("open")


def test_a_second_create_finds_the_first_ticket(queue: Queue, ticket: Message, request_tracker: RequestTracker) -> None:
    assert queue.find(ticket.reference) is None
    ref = queue.create(ticket.reference, ticket)
    assert queue.find(ticket.reference) == ref
    assert queue.create(ticket.reference, worse(ticket)) == ref
    assert len(request_tracker.tickets(ticket.reference)) == 1


def test_linked_tickets_are_shown_on_each_other(queue: Queue, ticket: Message, request_tracker: RequestTracker) -> None:
    others = [queue.create(f"{ticket.reference}-{one}", ticket) for one in "ab"]
    ref = queue.create(ticket.reference, replace(ticket, refers_to=(others[0].id,)))
    assert request_tracker.linked(ref.id) == {others[0].id}
    # A person's own link stays, and one that is gone costs nothing.
    queue.update(ref, replace(worse(ticket), refers_to=(others[1].id, "99999")))
    assert request_tracker.linked(ref.id) == {one.id for one in others}
    assert queue.state(ref) == TicketState("open")


def test_without_the_right_to_link_the_text_must_do(
    queue: Queue, ticket: Message, request_tracker: RequestTracker
) -> None:
    other = queue.create(f"{ticket.reference}-a", ticket)
    weak = opened(request_tracker.url, request_tracker.token_without("ModifyTicket"))
    ref = weak.create(ticket.reference, replace(ticket, refers_to=(other.id,)))
    assert request_tracker.linked(ref.id) == set()


@pytest.mark.parametrize("quote", ["'", '"', "\\", "\\'", "ü"])
def test_an_id_with_any_character_is_found(queue: Queue, ticket: Message, quote: str) -> None:
    odd = f"{ticket.reference}{quote}x"
    ref = queue.create(odd, ticket)
    assert queue.find(odd) == ref
    assert queue.find(ticket.reference) is None


def test_a_comment_is_said_once_for_each_key(queue: Queue, ticket: Message, request_tracker: RequestTracker) -> None:
    ref = queue.create(ticket.reference, ticket)
    for key in ("night-1", "night-1", "night-2", "night-1"):
        queue.comment(ref, key, replace(COMMENT, title=f"Still there, Zoë 🐶, says {key}", attachments=(ROWS,)))
    comments = request_tracker.comments(ref.id)
    assert [comment.rpartition(" ")[2] for comment in comments] == ["night-1", "night-2"]
    assert [name for name, _ in request_tracker.parts(ref.id)] == ["", "", "rows.csv", "", "rows.csv"]


def test_more_history_than_a_page_holds_is_read(
    queue: Queue, ticket: Message, request_tracker: RequestTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.request_tracker._ON_A_PAGE", 2)
    ref = queue.create(ticket.reference, ticket)
    for key in (*"abcd", *"abcd"):
        queue.comment(ref, key, COMMENT)
    assert len(request_tracker.comments(ref.id)) == 4


def test_an_update_is_said_where_the_text_has_changed(
    queue: Queue, ticket: Message, request_tracker: RequestTracker
) -> None:
    ticket = replace(ticket, attachments=(ROWS,))
    ref = queue.create(ticket.reference, ticket)
    fewer_rows = replace(ticket, attachments=(Attachment("rows", replace(ROWS.table, rows=())),))
    texts = [ticket, worse(ticket), worse(ticket), fewer_rows, ticket, ticket]
    said = []
    for text in texts:
        queue.update(ref, text)
        said.append(len(request_tracker.comments(ref.id)))
    assert said == [0, 1, 1, 2, 3, 3]
    assert request_tracker.parts(ref.id)[2] == ("", RENDERERS.text(worse(ticket)))


@pytest.mark.parametrize(
    ("word", "status"),
    [("open", "acknowledged"), ("stalled", "acknowledged"), ("resolved", "resolved"), ("rejected", "closed"),
     ("deleted", "missing")],
)  # fmt: skip
def test_what_a_person_made_of_it_is_read_back(
    queue: Queue, ticket: Message, request_tracker: RequestTracker, word: str, status: str
) -> None:
    ref = queue.create(ticket.reference, ticket)
    queue.comment(ref, "night-1", COMMENT)
    assert queue.state(ref) == TicketState("open"), "what we say ourselves is no reply"
    request_tracker.person_does("POST", f"/ticket/{ref.id}/comment", Content="I look", ContentType="text/plain")
    first = queue.state(ref).first_reply_at
    assert first is not None
    assert first.tzinfo is not None
    request_tracker.person_does("POST", f"/ticket/{ref.id}/correspond", Content="Mended", ContentType="text/plain")
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", Owner="kim", Status=word)
    state = queue.state(ref)
    assert (state.status, state.owner, state.first_reply_at) == (status, "kim", first)


def test_the_words_of_another_lifecycle_are_understood(request_tracker: RequestTracker, ticket: Message) -> None:
    queue = opened(request_tracker.url, request_tracker.token, name="Workshop")
    ref = queue.create(ticket.reference, ticket)
    seen = [queue.state(ref).status]
    for word in ("on the bench", "mended"):
        request_tracker.person_does("PUT", f"/ticket/{ref.id}", Status=word)
        seen.append(queue.state(ref).status)
    assert seen == ["open", "acknowledged", "resolved"]


def test_what_people_edit_stays_as_they_left_it(queue: Queue, ticket: Message, request_tracker: RequestTracker) -> None:
    ref = queue.create(ticket.reference, ticket)
    fields = {SEVERITY_FIELD: "P2"}
    request_tracker.person_does(
        "PUT", f"/ticket/{ref.id}", Subject="Mine now", Owner="kim", Status="stalled", CustomFields=fields
    )
    before = request_tracker.properties(ref.id)
    queue.update(ref, replace(worse(ticket), title="Worse", severity="Immediate"))
    queue.comment(ref, "night-2", COMMENT)
    assert request_tracker.properties(ref.id) == before


def test_a_merged_ticket_is_the_one_it_was_merged_into(
    queue: Queue, ticket: Message, request_tracker: RequestTracker
) -> None:
    other = replace(ticket, reference=f"{ticket.reference}-other")
    ref, target = queue.create(ticket.reference, ticket), queue.create(other.reference, other)
    queue.comment(ref, "night-1", COMMENT)
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", MergeInto=int(target.id))
    assert queue.create(ticket.reference, ticket) == ref, "it is not made again"
    for key in ("night-1", "night-2", "night-2"):
        queue.comment(ref, key, COMMENT)
    for _ in range(2):
        queue.update(ref, worse(ticket))
        queue.update(target, other)
    assert len(request_tracker.comments(target.id)) == 3
    request_tracker.person_does("PUT", f"/ticket/{target.id}", Owner="kim", Status="resolved")
    assert queue.state(ref) == queue.state(target) == TicketState("resolved", "kim")


def test_a_ticket_that_is_gone_is_missing(queue: Queue) -> None:
    gone = TicketRef("987654", "")
    assert queue.state(gone) == TicketState("missing")
    with pytest.raises(DeliveryError, match="404") as caught:
        queue.comment(gone, "night-1", COMMENT)
    assert not caught.value.retry


def test_a_wrong_address_does_not_make_every_ticket_missing(request_tracker: RequestTracker) -> None:
    queue = opened(f"{request_tracker.url}/elsewhere", request_tracker.token)
    with pytest.raises(DeliveryError):
        queue.state(TicketRef("1", ""))


def test_a_ticket_moved_out_of_sight_is_no_missing_ticket(
    queue: Queue, ticket: Message, request_tracker: RequestTracker
) -> None:
    ref = queue.create(ticket.reference, ticket)
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", Queue=OTHER_QUEUE)
    for ask in (lambda: queue.state(ref), lambda: queue.comment(ref, "night-1", COMMENT)):
        with pytest.raises(DeliveryError, match="403 Forbidden") as caught:
            ask()
        assert not caught.value.retry
    assert request_tracker.comments(ref.id) == []


@pytest.mark.parametrize("right", [*RIGHTS, *FIELD_RIGHTS])
def test_a_right_that_is_missing_is_named(request_tracker: RequestTracker, ticket: Message, right: str) -> None:
    queue = opened(request_tracker.url, request_tracker.token_without(right))
    # RT itself says what is missing for these two.
    says = {"CreateTicket": "No permission to create tickets", "CommentOnTicket": "Permission Denied"}.get(right, right)
    with pytest.raises(DeliveryError, match=says) as caught:
        queue.comment(queue.create(ticket.reference, ticket), "night-1", COMMENT)
    assert not caught.value.retry


def test_an_unknown_queue_is_named(request_tracker: RequestTracker, ticket: Message) -> None:
    queue = opened(request_tracker.url, request_tracker.token, name="No / such")
    with pytest.raises(DeliveryError, match="there is no queue 'No / such' for us"):
        queue.create(ticket.reference, ticket)


def test_a_revoked_token_is_said_and_not_shown(
    request_tracker: RequestTracker, ticket: Message, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    queue = opened(request_tracker.url, request_tracker.token)
    request_tracker.revoke_token()
    try:
        with pytest.raises(DeliveryError, match=f"401 .*renew {RT_TOKEN}") as caught:
            queue.create(ticket.reference, ticket)
    finally:
        request_tracker.restore_token()
    assert not caught.value.retry
    assert request_tracker.token not in f"{caught.value!r} {caplog.text} {queue!r}"
    assert queue.create(ticket.reference, ticket)


FAULTS: dict[str, tuple[Callable[[str], Fault], bool]] = {
    "the answer is lost": (lambda where: Fault(where, forwarded=True), True),
    "the request is lost": (Fault, True),
    "it hangs before": (lambda where: Fault(where, hang=30), True),
    "it hangs after": (lambda where: Fault(where, forwarded=True, hang=30), True),
    "500": (lambda where: Fault(where, status=500), True),
    "429 for long": (lambda where: Fault(where, status=429, headers={"Retry-After": "3600"}), True),
    "429 for short": (lambda where: Fault(where, status=429, headers={"Retry-After": "0"}), False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_after_any_fault_everything_is_there_exactly_once(
    name: str, request_tracker: RequestTracker, rt_proxy: FaultyProxy, ticket: Message
) -> None:
    fault, fails = FAULTS[name]
    queue = opened(rt_proxy.url, request_tracker.token, timeout=3)
    rt_proxy.plan(fault(MAKE), fault(SAY))

    assert insist(lambda: queue.create(ticket.reference, ticket)) == fails
    (made,) = request_tracker.tickets(ticket.reference)
    ref = queue.find(ticket.reference)
    assert ref is not None
    assert ref.id == made["id"]
    failures = [insist(lambda key=key: queue.comment(ref, key, replace(COMMENT, title=key))) for key in ("one", "two")]  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    assert failures == [fails, 0]
    assert [comment.rpartition(" ")[2] for comment in request_tracker.comments(ref.id)] == ["one", "two"]


def test_the_check_names_what_is_missing(request_tracker: RequestTracker, queue: Queue) -> None:
    assert [(one.name, one.ok) for one in queue.check()] == [
        ("request tracker", True),
        ("rt create", True),
        ("rt field", True),
        ("rt reopen", True),
    ]
    (unseen,) = opened(request_tracker.url, request_tracker.token, name="Nowhere").check()
    assert (unseen.ok, "SeeQueue" in unseen.text) == (False, True)
    without = {right: request_tracker.token_without(right) for right in ("CreateTicket", "SeeCustomField")}
    by_name = {
        right: {one.name: one.ok for one in opened(request_tracker.url, token).check()}
        for right, token in without.items()
    }
    assert by_name["CreateTicket"]["rt create"] is False
    assert by_name["SeeCustomField"]["rt field"] is False
    assert [one.ok for one in opened(request_tracker.url, "no-token").check()] == [False]


def reopening(key: str) -> Message:
    return replace(COMMENT, title=key, reopens=True)


def test_what_people_ended_is_opened_again_with_the_comment_and_only_with_it(
    queue: Queue, request_tracker: RequestTracker, ticket: Message
) -> None:
    ref = queue.create(ticket.reference, ticket)
    queue.comment(ref, "while it is open", reopening("first"))
    assert request_tracker.properties(ref.id)["Status"] == "new"
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", Status="open")
    queue.comment(ref, "at work", reopening("second"))
    assert request_tracker.properties(ref.id)["Status"] == "open"
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", Status="resolved")
    queue.comment(ref, "worse", replace(COMMENT, title="third"))
    assert queue.state(ref).status == "resolved"
    queue.comment(ref, "back", reopening("fourth"))
    assert queue.state(ref).status == "open"
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", Status="rejected")
    queue.comment(ref, "back", reopening("fourth"))
    assert queue.state(ref).status == "closed"
    assert len(request_tracker.comments(ref.id)) == 4


@pytest.mark.parametrize(("right", "where", "ended"), [("ModifyTicket", QUEUE, "resolved"), ("", "Workshop", "mended")])
def test_where_it_cannot_be_opened_again_the_comment_must_do(
    request_tracker: RequestTracker, ticket: Message, right: str, where: str, ended: str
) -> None:
    token = request_tracker.token_without(right) if right else request_tracker.token
    queue = opened(request_tracker.url, token, name=where)
    ref = queue.create(ticket.reference, ticket)
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", Status=ended)
    queue.comment(ref, "back", reopening("back"))
    assert queue.state(ref).status == "resolved"
    assert len(request_tracker.comments(ref.id)) == 1


def test_the_priority_is_set_once(queue: Queue, request_tracker: RequestTracker, ticket: Message) -> None:
    ref = queue.create(ticket.reference, ticket)
    assert request_tracker.properties(ref.id)["Priority"] == "100"
    request_tracker.person_does("PUT", f"/ticket/{ref.id}", Priority=10)
    queue.update(ref, replace(ticket, title="Another title"))
    assert request_tracker.properties(ref.id)["Priority"] == "10"


def test_the_check_says_whether_a_ticket_can_be_opened_again(
    request_tracker: RequestTracker, queue: Queue, ticket: Message
) -> None:
    def said(queue: Queue) -> str:
        (text,) = [one.text for one in queue.check() if one.name == "rt reopen"]
        return text

    assert "nobody can tell" in said(opened(request_tracker.url, request_tracker.token, name="Workshop"))
    queue.create(ticket.reference, ticket)
    assert said(queue) == "what people ended too early is opened again (ModifyTicket)"
    assert "only commented on" in said(opened(request_tracker.url, request_tracker.token_without("ModifyTicket")))
