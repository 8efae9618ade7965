"""The default queue: a folder with one Markdown and one JSON file for each ticket, and a CSV for each attachment.

The JSON file is the ticket: its `status`, `owner` and `first_reply_at` are for people to set, by hand or by a program.
The Markdown file is for reading; what a person writes into it stays, and what is said later is added at its end.
Every file is written aside and then put in place, so that no reader ever sees half of one. Whoever may write in the folder
may leave odd things there: they are named, never followed, and cost their own ticket alone. Runs take turns at the folder.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from channels.folder_record import RECORD_VERSION, Record, is_ticket, outline, reply
from channels.protocol import Check, DeliveryError, Status, TicketRef, TicketState
from channels.renderers import said
from reports import files
from reports.message import Attachment, Message, Picture, Table, from_plain

LONGEST = 50_000_000
"""Bytes of a ticket's file that are read."""
PATIENCE = 10.0
"""Seconds for which another run's turn at the folder is waited for."""
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_STATUSES: tuple[Status, ...] = tuple(status for status in get_args(Status) if status != "missing")
# Trying again soon cannot help where a person must first give rights or correct the path. Room is often made meanwhile.
_FOR_A_PERSON = {
    errno.EACCES: "let this user write there",
    errno.EPERM: "let this user write there",
    errno.EROFS: "mount it to be written",
    errno.ENOTDIR: "a file stands where a folder must be: move it away",
    errno.EISDIR: "a folder stands where a file must be: move it away",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "correct the links",
}
_MAY_PASS = {errno.ENOSPC: "make room", errno.EDQUOT: "make room"}


class FolderQueue:
    """Tickets in `folder`, which is made when the first ticket is. `text` and `csv` say how messages are written."""

    def __init__(self, folder: Path, *, text: Callable[[Message], str], csv: Callable[[Table], str]) -> None:
        self._folder = folder
        self._text = text
        self._csv = csv
        self._is_tidy = False

    def find(self, external_id: str) -> TicketRef | None:
        with self._trouble("read"):
            return self._ref(external_id) if files.is_there(self._record_path(external_id)) else None

    def check(self) -> list[Check]:
        place = next(one for one in (self._folder.absolute(), *self._folder.absolute().parents) if one.exists())
        if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
            return [Check("folder", True, f"{self._folder} can be written")]
        why = "is no folder: move it away" if not place.is_dir() else "may not be written by this user: give the right"
        return [Check("folder", False, f"{place} {why}, or give another one with --queue folder:PATH")]

    def create(self, external_id: str, message: Message) -> TicketRef:
        record = {
            "version": RECORD_VERSION,
            "external_id": external_id,
            "status": "open",
            "owner": None,
            "first_reply_at": None,
            "ticket": outline(message),
            "attached": self._digests(message),
            "comments": [],
            "text_written": "",
        }
        with self._trouble("write"):
            files.make_private(self._folder)
        with self._turn("write"):
            if self.find(external_id) is None:
                self._attach(_file_name(external_id), message.attachments)
                self._draw(_file_name(external_id), message.pictures)
                # The record comes last, because it is what find looks for: a ticket is there when all of it is.
                self._write(external_id, record, self._whole_text(record))
        return self._ref(external_id)

    def comment(self, ref: TicketRef, key: str, message: Message) -> None:
        with self._turn("write"):
            record = self._record(ref.id)
            marks = (said(one["key"], from_plain(one["message"])).mark for one in record["comments"])
            if said(key, message).is_among(marks):
                return
            record["comments"].append({"key": key, "message": outline(message)})
            if message.reopens and str(record["status"]).casefold() in ("resolved", "closed"):
                record["status"] = "open"
            self._attach(f"{_file_name(ref.id)}.{_file_name(key)}", message.attachments)
            self._say(ref.id, record, _part(key, self._text(message)))

    def update(self, ref: TicketRef, message: Message) -> None:
        with self._turn("write"):
            record = self._record(ref.id)
            told, digests = outline(message), self._digests(message)
            if record["ticket"] == told and record.get("attached") == digests:
                return
            before = from_plain(record["ticket"])
            record |= {"ticket": told, "attached": digests}
            text = self._text(message)
            for attachment in before.attachments:
                self._attachment_path(_file_name(ref.id), attachment).unlink(missing_ok=True)
            self._attach(_file_name(ref.id), message.attachments)
            for picture in before.pictures:
                self._picture_path(_file_name(ref.id), picture).unlink(missing_ok=True)
            self._draw(_file_name(ref.id), message.pictures)
            self._say(ref.id, record, _part(text, text))

    def state(self, ref: TicketRef) -> TicketState:
        if not self._folder.is_dir():
            # An unmounted disk or a moved folder: nobody has deleted the tickets.
            raise DeliveryError(f"the folder {self._folder} is not there; mount it, or make it anew", retry=False)
        if self.find(ref.id) is None:
            return TicketState("missing")
        record, path = self._record(ref.id), self._record_path(ref.id)
        status: Status | None = next(
            (known for known in _STATUSES if known == str(record.get("status")).casefold()), None
        )
        if status is None:
            raise DeliveryError(f"{path}: status must be one of {', '.join(_STATUSES)}", retry=False)
        # Whoever writes a name there has taken the ticket.
        owner = str(record.get("owner") or "")
        taken: Status = "acknowledged" if status == "open" and owner else status
        return TicketState(taken, owner, reply(record.get("first_reply_at"), path))

    def _say(self, external_id: str, record: Record, part: str) -> None:
        """Write `record`; its text is written anew unless a person edited it, else `part` is added at its end, once."""
        whole = self._whole_text(record)
        path = self._text_path(external_id)
        present = files.read(path, LONGEST) if files.is_there(path) else b""
        # After a crash between the two files the text may already be the one that the record does not know yet.
        if not present or _digest(present) in (record["text_written"], _digest(whole)):
            self._write(external_id, record, whole)
        else:
            added = part.encode()
            self._write(external_id, record, present if added in present else present.rstrip() + b"\n" + added)

    def _whole_text(self, record: Record) -> bytes:
        comments = (_part(one["key"], self._text(from_plain(one["message"]))) for one in record["comments"])
        return "".join([self._text(from_plain(record["ticket"])), *comments]).encode()

    def _write(self, external_id: str, record: Record, text: bytes) -> None:
        edited = text != self._whole_text(record)
        files.put(self._text_path(external_id), text)
        record["text_written"] = "" if edited else _digest(text)
        files.put(self._record_path(external_id), json.dumps(record, indent=2).encode() + b"\n")

    def _attach(self, stem: str, attachments: Iterable[Attachment]) -> None:
        for attachment in attachments:
            files.put(self._attachment_path(stem, attachment), self._csv(attachment.table).encode())

    def _draw(self, stem: str, pictures: Iterable[Picture]) -> None:
        for picture in pictures:
            files.put(self._picture_path(stem, picture), picture.svg.encode())

    def _digests(self, message: Message) -> dict[str, str]:
        drawn = {f"{one.name}.svg": _digest(one.svg.encode()) for one in message.pictures}
        return drawn | {one.name: _digest(self._csv(one.table).encode()) for one in message.attachments}

    def _attachment_path(self, stem: str, attachment: Attachment) -> Path:
        return self._folder / f"{stem}.{_file_name(attachment.name)}.csv"

    def _picture_path(self, stem: str, picture: Picture) -> Path:
        return self._folder / f"{stem}.{_file_name(picture.name)}.svg"

    def _record(self, external_id: str) -> Record:
        path = self._record_path(external_id)
        with self._trouble("read"):
            try:
                record = json.loads(files.read(path, LONGEST).decode())
            except FileNotFoundError:
                raise DeliveryError(f"{path}: the ticket is gone", retry=False) from None
            except (ValueError, RecursionError):
                raise DeliveryError(f"{path}: is no valid JSON any more; correct or delete it", retry=False) from None
        if not is_ticket(record, external_id):
            text = f"{path}: is no ticket {external_id} of version {RECORD_VERSION}; correct or delete it"
            raise DeliveryError(text, retry=False)
        found: Record = record
        return found

    def _ref(self, external_id: str) -> TicketRef:
        return TicketRef(external_id, str(self._text_path(external_id)))

    def _record_path(self, external_id: str) -> Path:
        return self._folder / f"{_file_name(external_id)}.json"

    def _text_path(self, external_id: str) -> Path:
        return self._folder / f"{_file_name(external_id)}.md"

    @contextmanager
    def _turn(self, doing: str) -> Iterator[None]:
        """A turn at the folder, which no other run has meanwhile. It ends with the process, however that ends."""
        with self._trouble(doing):
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _wait_for(folder, self._folder)
                if not self._is_tidy:
                    files.forget_parts(self._folder)
                    self._is_tidy = True
                yield
            finally:
                os.close(folder)

    @contextmanager
    def _trouble(self, doing: str) -> Iterator[None]:
        try:
            yield
        except files.OddFileError as error:
            raise DeliveryError(str(error), retry=False) from None
        except IsADirectoryError as error:
            text = f"{error.filename2 or error.filename}: is a folder where a file belongs; move it away"
            raise DeliveryError(text, retry=False) from error
        except OSError as error:
            text = f"cannot {doing} tickets in {self._folder}: {_remedy(error)}"
            raise DeliveryError(text, retry=error.errno not in _FOR_A_PERSON) from error


def _remedy(error: OSError) -> str:
    """What is wrong, and what a person can do about it where one must."""
    said = error.strerror or str(error)
    remedy = (_FOR_A_PERSON | _MAY_PASS).get(error.errno or 0)
    return f"{said}; {remedy}, or give another folder with --queue folder:PATH" if remedy else said


def _wait_for(folder: int, path: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise DeliveryError(f"the folder {path} is used by another run", retry=True) from None
            time.sleep(0.05)
        else:
            return


def _file_name(external_id: str) -> str:
    """A name for any id on any file system; ids that differ have names that differ."""
    if _PLAIN_NAME.fullmatch(external_id):
        return external_id
    return f"id-{_digest(external_id.encode('utf-8', 'surrogatepass'))}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _part(mark: str, text: str) -> str:
    """`text` as it stands below a ticket, under a mark that nobody sees in the drawn Markdown."""
    return f"\n---\n<!-- {_digest(mark.encode())} -->\n\n{text}"
