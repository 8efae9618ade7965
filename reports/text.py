"""A message as plain text: as a person reads it in a terminal, and as a helpdesk takes it that knows no markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from detectors.text.wording import stamp
from reports.message import FACTS, Block, Listing, Message, Section, Table, Template, Timeline
from reports.neutral import defused, visible

WIDTH = 80
ON_THE_PAGE = "On the morning page"


def render(message: Message) -> str:
    """The whole message, ending in a line break."""
    parts = [defused(message.headline)]
    parts.extend("\n".join(block_lines(block)) for block in message.blocks)
    parts.extend(f"Attached: {attachment.name}.csv" for attachment in message.attachments)
    parts.extend(
        f"Attached: the picture {defused(picture.name)} ({defused(picture.says)})" for picture in message.pictures
    )
    if message.page:
        parts.append(f"{ON_THE_PAGE}: {visible(message.page)}")
    return "\n\n".join(parts) + "\n"


def template_lines(template: Template) -> Iterator[str]:
    """The template's lines, line by line as the process document has them, neutralised."""
    for line in template.lines:
        if line.spaced:
            yield ""
        if isinstance(line, Listing):
            yield f"{line.label}:"
            for number, item in enumerate(line.items, start=1):
                yield f"{f'{number}.' if line.numbered else '-'} {defused(item)}"
        else:
            yield f"{line.label}: {defused(line.value)}"


def block_lines(block: Block) -> Iterator[str]:
    match block:
        case Template():
            yield from template_lines(block)
        case Section():
            yield from _heading(block.heading)
            for number, point in enumerate(block.points, start=1):
                mark = "  " if block.command else f"{number}. " if block.numbered else "- "
                yield f"{mark}{visible(point) if block.ours else defused(point)}"
        case Timeline():
            yield from _heading(block.heading)
            for moment in block.moments:
                who = f" ({defused(moment.who)})" if moment.who else ""
                yield f"{stamp(moment.at)}  {defused(moment.what)}{who}"
        case Table():
            # Some helpdesks show texts without the spaces that align them.
            yield from table_lines(block, between=" | ")


def table_lines(table: Table, *, between: str = "  ") -> Iterator[str]:
    """The table below its heading, with `between` its columns."""
    yield from _heading(table.heading)
    yield from _table(table, between)


def _heading(heading: str) -> Iterator[str]:
    shown = defused(heading)
    yield shown
    yield "-" * cell_len(shown)


def _table(table: Table, between: str) -> Iterator[str]:
    """Columns side by side where they fit into the terminal's width, else one `column: value` below the other."""
    columns = [defused(column) for column in table.columns]
    rows = [[defused(cell) for cell in row] for row in table.rows]
    facts = table.columns == FACTS
    shown = rows if facts else [columns, *rows]
    widths = [max(map(cell_len, cells)) for cells in zip(*shown, strict=True)]
    if facts or sum(widths) + len(between) * (len(widths) - 1) <= WIDTH:
        yield from (_aligned(row, widths, between) for row in shown)
    else:
        for row in rows:
            yield "- " + "; ".join(f"{column}: {cell}" for column, cell in zip(columns, row, strict=True) if cell)
    if table.note:
        yield defused(table.note)


def _aligned(cells: Sequence[str], widths: Sequence[int], between: str) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
    return between.join(padded).rstrip()
