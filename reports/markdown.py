"""A message as Markdown. The template stands in a fenced block: its lines stay lines, and nothing in it is live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from detectors.text.wording import stamp
from reports.message import Message, Picture, Section, Table, Template, Timeline
from reports.neutral import defused, for_markdown, visible
from reports.text import ON_THE_PAGE, template_lines

_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def render(message: Message) -> str:
    """The whole message as a Markdown document."""
    parts = [f"# {f'{for_markdown(message.tag, ours=True)} {for_markdown(message.title)}'.strip()}"]
    for block in message.blocks:
        if isinstance(block, Template):
            parts.append(fenced([defused(message.headline), "", *template_lines(block)]))
        else:
            parts.append("\n".join(block_lines(block)))
    parts.extend(f"Attached: `{attachment.name}.csv`" for attachment in message.attachments)
    parts.extend(map(partial(_picture, message.reference), message.pictures))
    if message.page:
        parts.append(f"{ON_THE_PAGE}: <{visible(message.page)}>")
    return "\n\n".join(parts) + "\n"


def _picture(reference: str, picture: Picture) -> str:
    """A picture that lies beside the ticket's file, under its name."""
    name = f"{reference}.{picture.name}.svg"
    says = for_markdown(picture.says)
    return f"![{says}]({name})" if _FILE_NAME.fullmatch(name) else f"Attached: a picture ({says})"


def fenced(lines: Iterable[str]) -> str:
    """`lines` as a block of literal text, between fences longer than any row of backticks in it."""
    text = "\n".join(lines)
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield _row(columns)
    yield _row(["---"] * len(columns), escape=False)
    yield from map(_row, rows)


def _row(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(for_markdown(cell, in_cell=True) if escape else cell for cell in cells)} |"


def block_lines(block: Section | Table | Timeline) -> Iterator[str]:
    yield f"## {for_markdown(block.heading)}"
    yield ""
    match block:
        case Section():
            if block.command:
                yield fenced(map(visible if block.ours else defused, block.points))
            else:
                for number, point in enumerate(block.points, start=1):
                    mark = f"{number}." if block.numbered else "-"
                    yield f"{mark} {for_markdown(point, ours=block.ours)}"
        case Timeline():
            rows = ((stamp(moment.at), moment.what, moment.who) for moment in block.moments)
            yield from table(("When", "What", "Who"), rows)
        case Table():
            yield from table(block.columns, block.rows)
            if block.note:
                yield ""
                yield for_markdown(block.note)
