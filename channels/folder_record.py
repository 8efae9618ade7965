"""The JSON record of a ticket in a folder, which people may edit: what is kept of a message, and whether it is still one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels.protocol import DeliveryError
from reports.message import Message, from_plain, to_plain

RECORD_VERSION = 1
Record = dict[str, Any]
"""The JSON file's object. What people add to it stays."""


def is_ticket(record: Any, external_id: str) -> bool:
    """Whether what a person's editing left of a record is still the ticket: all that we read of it, in its kind."""
    try:
        # Half a surrogate pair, which JSON can hold, can be written nowhere.
        json.dumps(record, ensure_ascii=False).encode()
        comments: Any = record["comments"]
        for plain in (record["ticket"], *(one["message"] for one in comments)):
            from_plain(plain)
        return (
            (record["version"], record["external_id"]) == (RECORD_VERSION, external_id)
            and isinstance(comments, list)
            and all(isinstance(one, str) for one in (record["text_written"], *(each["key"] for each in comments)))
            and "status" in record
        )
    except (LookupError, TypeError, ValueError, RecursionError):
        return False


def reply(written: object, path: Path) -> datetime | None:
    """When somebody first answered, as it is written in the ticket at `path`."""
    if not written:
        return None
    try:
        at = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        at = None
    if at is None:
        raise DeliveryError(f"{path}: first_reply_at is no time in ISO 8601; write 2026-02-02T14:35:00Z", retry=False)
    if at.tzinfo is None:
        raise DeliveryError(f"{path}: first_reply_at has no time zone (2026-02-02T14:35:00Z has)", retry=False)
    if not 1971 <= at.year <= 9000:
        raise DeliveryError(f"{path}: first_reply_at is too far away", retry=False)
    return at.astimezone(UTC)


def outline(message: Message) -> dict[str, object]:
    """`message` for the record, without the rows of its attachments and the lines of its pictures: those have files of their own."""
    bare = tuple(replace(one, table=replace(one.table, rows=())) for one in message.attachments)
    drawn = tuple(replace(one, svg="") for one in message.pictures)
    return to_plain(replace(message, attachments=bare, pictures=drawn))
