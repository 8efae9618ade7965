"""The folder queue: one ticket for one id, whole files only, and what people wrote stays."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.folder import FolderQueue
from channels.protocol import DeliveryError, TicketState
from reports import csv_text, markdown
from reports.message import Attachment, Message, Picture, Section, Table

ID = "51d0aa"
TICKET = Message("[ENG-ESCALATION]", "Household Without a Leader", "engineering", "P0", ID, (Section("Now", ("one",)),))
WORSE = replace(TICKET, blocks=(Section("Now", ("two",)),))
COMMENT = Message("", "Still there", "engineering", "P0", ID, (Section("Seen again", ("by the scan",)),))
ROWS = Attachment("rows", Table("Rows", ("Household id",), (("h1",), ("=h2",))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "queue"


@pytest.fixture
def queue(folder: Path) -> FolderQueue:
    return FolderQueue(folder, text=markdown.render, csv=csv_text.render)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def edit_record(folder: Path, **changes: object) -> None:
    path = folder / f"{ID}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_ticket_is_one_markdown_and_one_json_file(queue: FolderQueue, folder: Path) -> None:
    assert queue.find(ID) is None
    ref = queue.create(ID, TICKET)
    assert files(folder) == [f"{ID}.json", f"{ID}.md"]
    assert queue.find(ID) == ref
    assert Path(ref.url).read_text() == markdown.render(TICKET)
    assert json.loads((folder / f"{ID}.json").read_text())["ticket"]["title"] == TICKET.title
    assert queue.state(ref) == TicketState("open")


def test_a_picture_lies_beside_the_ticket_that_shows_it(queue: FolderQueue, folder: Path) -> None:
    drawn = Picture("household-members", "2 active members shown, no leader", "<svg/>")
    ref = queue.create(ID, replace(TICKET, pictures=(drawn,)))
    assert files(folder) == [f"{ID}.household-members.svg", f"{ID}.json", f"{ID}.md"]
    shown = f"![2 active members shown, no leader]({ID}.household-members.svg)"
    assert shown in Path(ref.url).read_text()
    queue.update(ref, replace(TICKET, pictures=(replace(drawn, svg="<svg></svg>"),)))
    assert (folder / f"{ID}.household-members.svg").read_text() == "<svg></svg>"
    queue.update(ref, TICKET)
    assert files(folder) == [f"{ID}.json", f"{ID}.md"], "a picture that is no longer true is gone"


def test_a_second_create_changes_nothing(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    assert queue.create(ID, WORSE) == ref
    assert (folder / f"{ID}.md").read_text() == markdown.render(TICKET)


def test_a_comment_is_added_once_for_each_key(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    for key in ("night-1", "night-1", "night-2", "night-1"):
        queue.comment(ref, key, COMMENT)
    assert (folder / f"{ID}.md").read_text().count("Still there") == 2
    assert [one["key"] for one in json.loads((folder / f"{ID}.json").read_text())["comments"]] == ["night-1", "night-2"]


def test_an_update_rewrites_the_ticket_and_keeps_its_comments(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, replace(TICKET, attachments=(ROWS,)))
    queue.comment(ref, "night-1", COMMENT)
    assert files(folder) == [f"{ID}.json", f"{ID}.md", f"{ID}.rows.csv"]
    assert (folder / f"{ID}.rows.csv").read_text() == "Household id\nh1\n'=h2\n"
    queue.update(ref, WORSE)
    text = (folder / f"{ID}.md").read_text()
    assert text.startswith(markdown.render(WORSE))
    assert "- one" not in text
    assert text.count("Still there") == 1
    assert files(folder) == [f"{ID}.json", f"{ID}.md"], "an attachment that is no longer true is gone"


def test_an_attachment_that_changed_is_an_update_too(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, replace(TICKET, attachments=(ROWS,)))
    longer = replace(ROWS, table=replace(ROWS.table, rows=(("h1",), ("h2",), ("h3",))))
    queue.update(ref, replace(TICKET, attachments=(longer,)))
    assert (folder / f"{ID}.rows.csv").read_text() == "Household id\nh1\nh2\nh3\n"


def test_what_a_person_wrote_into_the_text_stays(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    path = folder / f"{ID}.md"
    edited = path.read_bytes().replace(b"one", b"one (I called them, \xfcber)\r") + b"Asked the customer.\n"
    path.write_bytes(edited)
    queue.comment(ref, "night-1", COMMENT)
    queue.update(ref, WORSE)
    now = path.read_bytes()
    assert now.startswith(edited.rstrip())
    assert now.count(b"Still there") == 1
    assert now.count(b"- two") == 1


def test_what_a_person_set_in_the_record_stays_and_is_read(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    edit_record(folder, status="Acknowledged", owner="kim", first_reply_at="2026-02-02T15:00:00Z", note="called them")
    queue.update(ref, WORSE)
    queue.comment(ref, "night-1", COMMENT)
    assert queue.state(ref) == TicketState("acknowledged", "kim", datetime(2026, 2, 2, 15, tzinfo=UTC))
    assert json.loads((folder / f"{ID}.json").read_text())["note"] == "called them"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "done"}, "status must be one of open, acknowledged, resolved, closed"),
        ({"first_reply_at": "yesterday"}, "first_reply_at is no time"),
        ({"first_reply_at": "2026-02-02T15:00:00"}, "has no time zone"),
        ({"ticket": "lost"}, "is no ticket"),
        ({"comments": None}, "is no ticket"),
        ({"external_id": "other"}, "is no ticket"),
    ],
)
def test_a_record_spoilt_by_hand_is_named_and_left_alone(
    queue: FolderQueue, folder: Path, changes: dict[str, object], says: str
) -> None:
    ref = queue.create(ID, TICKET)
    edit_record(folder, **changes)
    before = (folder / f"{ID}.json").read_bytes()
    with pytest.raises(DeliveryError, match=says) as caught:
        queue.state(ref)
    assert not caught.value.retry
    assert str(folder / f"{ID}.json") in str(caught.value)
    assert (folder / f"{ID}.json").read_bytes() == before


def test_what_people_ended_is_opened_again_with_the_comment_and_only_with_it(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(TICKET.reference, TICKET)
    (path,) = folder.glob("*.json")

    def ends(status: str) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": status}))

    back = replace(COMMENT, reopens=True)
    ends("acknowledged")
    queue.comment(ref, "at work", back)
    assert queue.state(ref).status == "acknowledged"
    ends("Resolved")
    queue.comment(ref, "worse", COMMENT)
    assert queue.state(ref).status == "resolved"
    queue.comment(ref, "back", back)
    assert queue.state(ref).status == "open"
    ends("closed")
    queue.comment(ref, "back", back)
    assert queue.state(ref).status == "closed"


def test_a_record_that_is_no_json_is_named_and_left_alone(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    (folder / f"{ID}.json").write_text("{")
    with pytest.raises(DeliveryError, match="no valid JSON"):
        queue.comment(ref, "night-1", COMMENT)
    assert (folder / f"{ID}.json").read_text() == "{"


def test_a_deleted_ticket_is_missing(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    (folder / f"{ID}.json").unlink()
    assert queue.state(ref) == TicketState("missing")
    assert queue.find(ID) is None
    with pytest.raises(DeliveryError, match="the ticket is gone"):
        queue.comment(ref, "night-1", COMMENT)


def test_a_folder_that_is_not_there_has_not_been_emptied(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(DeliveryError, match="is not there; mount it"):
        queue.state(ref)


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "a/b", "", ".", "a\0b", "A", "x" * 300, "\ud800"])
def test_any_id_names_a_file_in_the_folder(queue: FolderQueue, folder: Path, hostile: str) -> None:
    ref = queue.create(hostile, TICKET)
    assert queue.find(hostile) == ref
    assert Path(ref.url).parent == folder
    assert len(files(folder)) == 2


class Interrupted(BaseException):
    """Stands for a process that dies."""


def die_before_step(number: int, patched: pytest.MonkeyPatch) -> None:
    """Let the process die before step `number` of putting files in place: writing, renaming or settling one."""
    steps = itertools.count()

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object) -> object:
            if next(steps) >= number:
                raise Interrupted
            return original(*arguments)

        return step

    patched.setattr(os, "fsync", counted(os.fsync))
    patched.setattr(Path, "replace", counted(Path.replace))


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("number", range(12))
def test_after_dying_anywhere_a_second_attempt_makes_it_whole(
    queue: FolderQueue, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, edited: bool
) -> None:
    def attempt() -> None:
        ref = queue.create(ID, TICKET)
        path = Path(ref.url)
        if edited and b"by hand" not in path.read_bytes():
            path.write_bytes(path.read_bytes() + b"by hand\n")
        queue.comment(ref, "night-1", COMMENT)

    with monkeypatch.context() as patched, pytest.raises(Interrupted):  # noqa: PT012  # the patch ends with the attempt
        die_before_step(number, patched)
        attempt()
    attempt()
    text = (folder / f"{ID}.md").read_text()
    assert text.startswith(markdown.render(TICKET))
    assert text.count("Still there") == 1
    assert text.count("by hand") == edited
    assert json.loads((folder / f"{ID}.json").read_text())["comments"][0]["key"] == "night-1"
    assert files(folder) == [f"{ID}.json", f"{ID}.md"]


def test_a_failing_disk_leaves_the_good_file(queue: FolderQueue, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = queue.create(ID, TICKET)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeliveryError, match="No space left on device") as caught:
        queue.update(ref, WORSE)
    assert caught.value.retry
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    queue = FolderQueue(tmp_path / "file" / "queue", text=markdown.render, csv=csv_text.render)
    with pytest.raises(DeliveryError) as caught:
        queue.create(ID, TICKET)
    assert str(caught.value) == (
        f"cannot write tickets in {tmp_path}/file/queue: Not a directory; a file stands where a folder must be: "
        "move it away, or give another folder with --queue folder:PATH"
    )
    assert not caught.value.retry
