"""How a message is put into words for a queue; the composition root chooses the formatters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from reports.message import Message, Table

DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Renderers:
    """The formatters, each of which neutralises what it writes: one line, plain text, Markdown, CSV."""

    subject: Callable[[Message], str]
    text: Callable[[Message], str]
    markdown: Callable[[Message], str]
    csv: Callable[[Table], str]

    def line(self, message: Message, longest: int) -> str:
        """The message's subject on one line of at most `longest` bytes."""
        line = " ".join(self.subject(message).split())
        if len(line.encode()) <= longest:
            return line
        return line.encode()[: longest - len("…".encode())].decode(errors="ignore") + "…"

    def files(self, message: Message) -> dict[str, str]:
        """The message's attachments: file names and their CSV."""
        return {f"{one.name}.csv": self.csv(one.table) for one in message.attachments}

    def digest(self, message: Message) -> str:
        """The same for messages that read the same, attachments included."""
        parts = (self.text(message), *(part for file in sorted(self.files(message).items()) for part in file))
        return digest("\0".join(parts))


def digest(text: str) -> str:
    """A short name for `text`, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_LENGTH]
