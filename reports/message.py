"""The one message tree: what is said, independent of where. Every formatter reads it, every channel carries it.

All texts are raw: they may hold whatever somebody typed into a household's name. Each formatter neutralises what it
writes, so nothing here may be shown without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a ticket's template: `label: value`. With `spaced`, a blank line comes before it."""

    label: str
    value: str
    spaced: bool = False
    kind: Literal["line"] = "line"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list in a ticket's template: `label:` and below it the items, each after its number or after a dash."""

    label: str
    items: tuple[str, ...]
    numbered: bool
    spaced: bool = True
    kind: Literal["listing"] = "listing"


@dataclass(frozen=True, slots=True)
class Template:
    """The lines of the process document's template, below tag and title."""

    lines: tuple[Line | Listing, ...]
    kind: Literal["template"] = "template"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its points; `command` says that they are to be typed in rather than read.

    `ours` says that the points are our own words or the policy's alone: the addresses in them stay as they are. `numbered`
    says that their order counts.
    """

    heading: str
    points: tuple[str, ...]
    command: bool = False
    ours: bool = False
    numbered: bool = False
    kind: Literal["section"] = "section"


FACTS = ("What", "Value")
"""The columns of a table of single facts, which needs no head to be understood."""


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, the columns' names, and rows of as many cells each; `note` stands below."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    kind: Literal["table"] = "table"

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.heading!r}: a row has not {len(self.columns)} cells")


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a timeline: when (with time zone), what, and who did it (empty where nobody is known)."""

    at: datetime
    what: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened, oldest first."""

    heading: str
    moments: tuple[Moment, ...]
    kind: Literal["timeline"] = "timeline"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A table that is too long to be read in the message. `name` is a file name without its ending."""

    name: str
    table: Table


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as a whole SVG document, with what it shows in words. `name` is a file name without its ending."""

    name: str
    says: str
    svg: str


Block = Template | Section | Table | Timeline


@dataclass(frozen=True, slots=True)
class Message:
    """What is said to one team about one thing. `reference` is the stable id that every channel knows it by."""

    tag: str
    title: str
    team: str
    severity: str
    reference: str
    blocks: tuple[Block, ...]
    attachments: tuple[Attachment, ...] = ()
    pictures: tuple[Picture, ...] = ()
    refers_to: tuple[str, ...] = ()
    """The queue's own ids of other tickets that it is linked with: those helpdesks that know links are told so."""
    page: str = ""
    """Where the morning page tells of it, by the policy's own address; empty where nobody can read that."""
    reopens: bool = False
    """True if it says that a ticket which people have ended is not done: the queue opens it again, where it may."""

    @property
    def headline(self) -> str:
        """The first line of the ticket: tag and title."""
        return f"{self.tag} {self.title}".strip()


@cache
def _adapter() -> TypeAdapter[Message]:
    """Made when first asked for: a scan writes no message, and somebody may wait for it."""
    return TypeAdapter(Message)


def to_plain(message: Message) -> dict[str, object]:
    """`message` as values that JSON can hold; from_plain reads them back."""
    plain: dict[str, object] = _adapter().dump_python(message, mode="json")
    return plain


def from_plain(plain: object) -> Message:
    """The message that to_plain wrote. Raises pydantic.ValidationError for anything else."""
    return _adapter().validate_python(plain)
