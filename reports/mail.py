"""A message as an e-mail: a subject that is one line, a plain text, and the same as HTML in which nothing is live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from detectors.text.wording import stamp
from reports import text
from reports.message import FACTS, Block, Message, Section, Table, Template, Timeline
from reports.neutral import defused, visible

SUBJECT_MOST = 200
_STYLE = (
    "body{font:14px/1.5 sans-serif;color:#222;max-width:56em;margin:1em}h1{font-size:20px}h2{font-size:16px;margin:1.4em 0 .4em}"
    "pre{background:#f5f5f5;padding:12px;white-space:pre-wrap;overflow-wrap:anywhere}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:4px 8px;text-align:left;vertical-align:top}th{background:#f5f5f5;font-weight:600}"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """The words of an e-mail. Who sends it to whom and when is its channel's business."""

    subject: str
    text: str
    html: str


def render(message: Message) -> Mail:
    """`message` as an e-mail; its tag begins the subject, so that the process's mail rules see it."""
    subject = defused(message.headline)
    if len(subject) > SUBJECT_MOST:
        subject = subject[: SUBJECT_MOST - 1] + "…"
    return Mail(subject, text.render(message), "\n".join(_html(message)) + "\n")


def _html(message: Message) -> Iterator[str]:
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_safe(message.headline)}</title>'
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>{_safe(message.headline)}</h1>"
    for block in message.blocks:
        yield from _block(block)
    for attachment in message.attachments:
        yield f"<p>Attached: {_safe(attachment.name)}.csv</p>"
    for picture in message.pictures:
        yield f"<p>Attached: the picture {_safe(picture.name)} ({_safe(picture.says)})</p>"
    if message.page:
        page = escape(visible(message.page))
        yield f'<p>{text.ON_THE_PAGE}: <a href="{page}">{page}</a></p>'
    yield "</body></html>"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Template):
        # The lines are neutral already; what is left is to keep HTML from reading them.
        yield f"<pre>{escape(chr(10).join(text.template_lines(block)))}</pre>"
        return
    yield f"<h2>{_safe(block.heading)}</h2>"
    match block:
        case Section():
            points = [escape(visible(point)) if block.ours else _safe(point) for point in block.points]
            if block.command:
                yield f"<pre>{chr(10).join(points)}</pre>"
            else:
                tag = "ol" if block.numbered else "ul"
                yield f"<{tag}>{chr(10).join(f'<li>{point}</li>' for point in points)}</{tag}>"
        case Timeline():
            yield from _table(
                ("When", "What", "Who"), [(stamp(moment.at), moment.what, moment.who) for moment in block.moments]
            )
        case Table():
            yield from _table(block.columns, block.rows)
            if block.note:
                yield f"<p>{_safe(block.note)}</p>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "<table>"
    if columns == FACTS:
        yield from (f"<tr><th>{_safe(what)}</th><td>{_safe(value)}</td></tr>" for what, value in rows)
    else:
        yield _row(columns, "th")
        yield from (_row(row, "td") for row in rows)
    yield "</table>"


def _row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{_safe(cell)}</{tag}>' for cell in cells)}</tr>"


def _safe(raw: str) -> str:
    return escape(defused(raw))
