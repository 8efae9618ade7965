"""What others put among the queue's files: it is named, never followed, and costs its own ticket alone."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import channels.folder
from channels.folder import FolderQueue
from channels.protocol import DeliveryError
from reports import csv_text, markdown
from reports.message import Attachment, Message, Section, Table

ID = "51d0aa"
ROWS = Attachment("rows", Table("Rows", ("Household id",), (("h1",), ("=h2",))))
TICKET = Message("[T]", "A title", "engineering", "P0", ID, (Section("Now", ("one",)),), (ROWS,))
COMMENT = Message("", "Still there", "engineering", "P0", ID, (Section("Seen again", ("by the scan",)),), (ROWS,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "queue"


@pytest.fixture
def queue(folder: Path) -> FolderQueue:
    return FolderQueue(folder, text=markdown.render, csv=csv_text.render)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of somebody's that must stay as it is."""
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """The test's own folder is made before: with no right at all it could not be entered."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.usefixtures("umask")
def test_only_we_read_tickets_whatever_the_umask(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    queue.comment(ref, "night-1", COMMENT)
    queue.update(ref, TICKET)
    assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent)} == {0o700}
    assert len(modes(folder)) == 4
    assert set(modes(folder).values()) == {0o600}


def test_a_folder_that_is_there_keeps_its_rights(queue: FolderQueue, folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    queue.create(ID, TICKET)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert set(modes(folder).values()) == {0o600}


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()


def an_endless_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def five_gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5_000_000_000)


@pytest.mark.parametrize("ending", ["json", "md"])
@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (a_pipe, "is a pipe"),
        (a_folder, "is a folder"),
        (an_endless_link, "is a link"),
        (a_loop, "is a link"),
        (a_link_to_nothing, "is a link"),
        (five_gigabytes, "more than"),
    ],
)
def test_what_is_no_file_is_named(
    queue: FolderQueue, folder: Path, plant: Callable[[Path], None], ending: str, says: str
) -> None:
    ref = queue.create(ID, TICKET)
    path = folder / f"{ID}.{ending}"
    path.unlink()
    plant(path)
    with pytest.raises(DeliveryError) as caught:
        queue.comment(ref, "night-1", COMMENT)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "remove it" in str(caught.value)
    assert not caught.value.retry
    if ending == "json":
        with pytest.raises(DeliveryError, match=re.escape(str(path))):
            queue.state(ref)


DEEP = b'{"a":' * 100_000


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"7",
            b"[]",
            b'"x"',
            b"null",
            b"\xff\xfe{}",
            b"[" * 100_000,
            DEEP,
            b"{}",
            b"NaN",
            b'{"external_id": "51d0aa"}',
        ),
    ],
)
def test_a_record_that_is_something_else_is_named_and_left(queue: FolderQueue, folder: Path, content: bytes) -> None:
    ref = queue.create(ID, TICKET)
    path = folder / f"{ID}.json"
    path.write_bytes(content)
    for ask in (lambda: queue.state(ref), lambda: queue.comment(ref, "k", COMMENT), lambda: queue.update(ref, TICKET)):
        with pytest.raises(DeliveryError, match=re.escape(f"{path}: is no ")) as caught:
            ask()
        assert "correct or delete it" in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "value",
    [
        *(
            "9999-12-31T23:59:59-12:00",
            "0001-01-01T00:00:00+12:00",
            "9999-12-31T23:59:59Z",
            "yesterday",
            "2026-02-02T15:00",
        ),
        *(7, 1e400, True, [], ["2026-02-02T15:00:00Z"], {"at": 1}),
    ],
)
def test_a_time_that_is_none_is_named(queue: FolderQueue, folder: Path, value: object) -> None:
    ref = queue.create(ID, TICKET)
    path = folder / f"{ID}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"first_reply_at": value}))
    if not value:
        assert queue.state(ref).first_reply_at is None
        return
    with pytest.raises(DeliveryError, match="first_reply_at") as caught:
        queue.state(ref)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"version": None}, {"version": "1"}, {"comments": [7]}, {"comments": 7}]
)
def test_a_record_of_another_kind_is_named(queue: FolderQueue, folder: Path, change: dict[str, object]) -> None:
    ref = queue.create(ID, TICKET)
    path = folder / f"{ID}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DeliveryError, match="is no ticket 51d0aa of version 1"):
        queue.comment(ref, "night-1", COMMENT)


@pytest.mark.parametrize("name", [f".{ID}.json.part", f".{ID}.md.part", f".{ID}.rows.csv.part", f"{ID}.rows.csv"])
def test_a_planted_link_is_not_written_through(queue: FolderQueue, folder: Path, victim: Path, name: str) -> None:
    folder.mkdir(parents=True)
    (folder / name).symlink_to(victim)
    ref = queue.create(ID, TICKET)
    queue.comment(ref, "night-1", COMMENT)
    assert victim.read_text() == "precious"
    assert "Still there" in (folder / f"{ID}.md").read_text()


def test_runs_take_turns_at_the_folder(queue: FolderQueue, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = queue.create(ID, TICKET)
    monkeypatch.setattr(channels.folder, "PATIENCE", 0.1)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    for ask in (lambda: queue.create("other", TICKET), lambda: queue.comment(ref, "night-1", COMMENT)):
        with pytest.raises(DeliveryError, match="is used by another run") as caught:
            ask()
        assert caught.value.retry
    os.close(other)
    queue.comment(ref, "night-1", COMMENT)


def test_what_a_run_that_died_left_is_cleared_away_and_nothing_else(folder: Path, queue: FolderQueue) -> None:
    folder.mkdir(parents=True)
    left = folder / f".{ID}.md.0123456789abcdef.part"
    left.write_text("half")
    (folder / ".mine.part").write_text("somebody's")
    (folder / ".x.0123456789abcdef.part").mkdir()
    queue.create(ID, TICKET)
    assert not left.exists()
    assert {".mine.part", ".x.0123456789abcdef.part"} <= set(modes(folder))


def said(reason: str, minute: int, line: str) -> tuple[str, Message]:
    section = Section(f"{reason} (2026-02-04 03:{minute:02} UTC)", (line.format(f"2026-02-04 03:{minute:02}:00 UTC"),))
    return f"{ID}/{reason}/aa11/20260204T03{minute:02}00Z", Message("", "t", "engineering", "P0", ID, (section,))


def test_a_ledger_put_back_repeats_nothing_that_the_ticket_says(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)

    def comment(reason: str, minute: int, line: str) -> int:
        queue.comment(ref, *said(reason, minute, line))
        return len(json.loads((folder / f"{ID}.json").read_text())["comments"])

    assert comment("fixed", 1, "the scan of {} no longer sees it") == 1
    assert comment("fixed", 2, "the scan of {} no longer sees it") == 1, "said already, as of an earlier time"
    assert comment("back", 3, "the scan of {} sees it again") == 2
    assert comment("fixed", 4, "the scan of {} no longer sees it") == 3, "something else was said meanwhile"
    assert comment("worse", 5, "Affected now: 5") == 4
    assert comment("worse", 6, "Affected now: 6") == 5, "other words"
    assert comment("happened-again", 7, "at 2026-02-04 01:00:00 UTC") == 6
    assert comment("happened-again", 8, "at 2026-02-04 02:00:00 UTC") == 7, "another time of its own"


def spoilt(record: dict[str, object], chance: random.Random) -> bytes:
    """A ticket's file as somebody's program or hand could leave it: a value of another kind, or bytes that are gone or odd."""
    values: list[object] = [
        None,
        True,
        -1,
        1e308,
        "",
        "x" * 1000,
        [],
        [[]],
        {},
        {"key": 7},
        "\ud800",
        "9999-12-31T23:59:59-23:59",
    ]
    changed = json.loads(json.dumps(record))
    place = changed
    while isinstance(place, dict | list) and place:
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if chance.random() < 0.5 or not isinstance(place[key], dict | list) or not place[key]:
            place[key] = chance.choice(values)
            break
        place = place[key]
    written = bytearray(json.dumps(changed).encode())
    if chance.random() < 0.3:
        start = chance.randrange(len(written))
        written[start : start + chance.randrange(20)] = chance.randbytes(chance.randrange(4))
    return bytes(written)


def test_whatever_is_written_into_a_ticket_the_queue_works_or_names_it(queue: FolderQueue, folder: Path) -> None:
    ref = queue.create(ID, TICKET)
    queue.comment(ref, "night-1", COMMENT)
    path = folder / f"{ID}.json"
    whole = json.loads(path.read_text())
    chance = random.Random(16)
    named = 0
    for number in range(1000):
        path.write_bytes(spoilt(whole, chance))
        for ask in (
            lambda: queue.state(ref),
            lambda key=f"night-{number}": queue.comment(ref, key, COMMENT),
            lambda: queue.update(ref, TICKET),
        ):
            try:
                ask()
            except DeliveryError as error:
                named += 1
                assert str(path) in str(error)  # noqa: PT017  # not every call fails
    assert named > 500
