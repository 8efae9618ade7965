"""How a message is put into words for a queue; the composition root chooses the formatters."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reports.message import Message, Picture, Table, to_plain

DIGEST_LENGTH = 16
_MADE_AT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d) UTC\)")


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture as a file: its name, its kind (`png`, or `svg+xml`) and its content."""

    name: str
    kind: str
    content: bytes


def as_svg(picture: Picture) -> PictureFile:
    return PictureFile(f"{picture.name}.svg", "svg+xml", picture.svg.encode())


@dataclass(frozen=True, slots=True)
class Renderers:
    """The formatters, each of which neutralises what it writes: one line, plain text, Markdown, CSV."""

    subject: Callable[[Message], str]
    text: Callable[[Message], str]
    markdown: Callable[[Message], str]
    csv: Callable[[Table], str]
    picture: Callable[[Picture], PictureFile] = as_svg

    def line(self, message: Message, longest: int) -> str:
        """The message's subject on one line of at most `longest` bytes."""
        line = " ".join(self.subject(message).split())
        if len(line.encode()) <= longest:
            return line
        return line.encode()[: longest - len("…".encode())].decode(errors="ignore") + "…"

    def files(self, message: Message) -> dict[str, str]:
        """The message's attachments: file names and their CSV."""
        return {f"{one.name}.csv": self.csv(one.table) for one in message.attachments}

    def pictures(self, message: Message) -> list[PictureFile]:
        """The message's pictures as files that the channel's readers see as such."""
        return [self.picture(one) for one in message.pictures]

    def digest(self, message: Message) -> str:
        """The same for messages that read the same, attachments included."""
        drawn = (part for one in message.pictures for part in (one.name, one.svg))
        parts = (self.text(message), *(part for file in sorted(self.files(message).items()) for part in file), *drawn)
        return digest("\0".join(parts))


def digest(text: str) -> str:
    """A short name for `text`, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_LENGTH]


@dataclass(frozen=True, slots=True)
class Said:
    """What a comment says, short enough to be its mark: its key, what it is about, and its words, both without the time."""

    key: str
    about: str
    words: str

    @property
    def mark(self) -> str:
        """The key's digest comes first, so that whoever looks for that finds it."""
        return f"{self.key} {self.about} {self.words}"

    def is_among(self, marks: Iterable[str]) -> bool:
        """Whether one of a ticket's marks, oldest first, is this one, or the last about the same says the same.

        A ledger put back from a backup does not know what its later nights have said, and says it as of another time.
        """
        same = ""
        for mark in marks:
            key, _, rest = mark.partition(" ")
            about, _, words = rest.partition(" ")
            if key == self.key:
                return True
            if about == self.about:
                same = words
        return same == self.words


def said(key: str, message: Message) -> Said:
    """The last part of a comment's key is a time; the parts before tell what is said of what."""
    kind = key.rpartition("/")[0] or key
    return Said(digest(key), digest("/".join(kind.split("/")[2:])), digest(kind + _timeless(message)))


def _timeless(message: Message) -> str:
    """A comment's words without the time at which it is made, which its heading names."""
    words = json.dumps(to_plain(message)["blocks"])
    made = _MADE_AT.search(words)
    return re.sub(rf"{re.escape(made[1])}(?::\d\d)?", "", words) if made else words
