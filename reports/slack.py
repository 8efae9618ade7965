"""A message as Slack's Block Kit, within Slack's published limits.

What somebody may have typed goes into plain text and rich text elements alone, which Slack draws as they are. Only our
own words (mention, severity, link) stand in the one section that Slack reads for markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from detectors.text.wording import stamp
from escalation.policy.process import SlackPlace
from reports.message import Block, Line, Listing, Message, Section, Table, Template, Timeline
from reports.neutral import defused

BLOCKS_MOST = 50
HEADER_MOST = 150
FALLBACK_MOST = 600
"""Characters of the text for notifications, of which each may be written as five."""
PIECE_MOST = 400
"""Characters of one value: a message is to be read at a glance, and the ticket has the whole."""
ALL_MOST = 10_000
"""Characters of JSON in one message. Slack refuses blocks that are too long together; it has done so from 11,300 on."""

CUT = "…"
SEE_TICKET = "More is in the ticket."

Element = dict[str, Any]


def payload(
    message: Message,
    *,
    place: SlackPlace,
    link: str,
    slack_id: str = "",
    reply: bool = False,
    with_mention: bool = True,
) -> dict[str, Any]:
    """The arguments of chat.postMessage for `message` in `place`; `link` is where the ticket is.

    `slack_id` is Slack's own id of whom the place tags. Only who is `with_mention` tags anybody. A `reply` has no head of its own;
    one that is loud is shown in the channel, too.

    Raises ValueError for a legal matter: those are discussed by e-mail only.
    """
    if message.team == "legal":
        raise ValueError("legal matters never go to Slack")
    mention = _mention(place, slack_id) if with_mention else ""
    lead = {"type": "section", "text": {"type": "mrkdwn", "text": _lead(message, mention, link)}}
    head = {"type": "header", "text": {"type": "plain_text", "text": _cut(message.title, HEADER_MOST), "emoji": False}}
    first = [lead] if reply else [head, lead]
    return {
        "channel": place.channel,
        # Slack reads this one for links and calls in angle brackets, whatever `mrkdwn` and `parse` say.
        "text": _escaped(_cut(f"{message.severity}: {message.headline}", FALLBACK_MOST)),
        "mrkdwn": False,
        "parse": "none",
        # Makes a mention by name reach its group of users; every other @ has been taken out.
        "link_names": bool(mention) and not slack_id,
        "unfurl_links": False,
        "unfurl_media": False,
        "reply_broadcast": reply and bool(mention),
        "blocks": [*first, *_within_limits(message.blocks, BLOCKS_MOST - len(first), ALL_MOST - _size(first))],
    }


def _mention(place: SlackPlace, slack_id: str) -> str:
    if not slack_id:
        return place.mention
    return f"<!subteam^{slack_id}>" if slack_id.startswith("S") else f"<@{slack_id}>"


def _lead(message: Message, mention: str, link: str) -> str:
    where = (
        f"<{_escaped(link).replace('|', '%7C')}|Open the ticket>"
        if link.startswith(("https://", "http://"))
        else _escaped(link)
    )
    page = f"<{_escaped(message.page)}|On the morning page>" if message.page else ""
    parts = [mention, f"*{message.severity}*", _escaped(message.tag), where, page]
    return " ".join(part for part in parts if part)


def _escaped(raw: str) -> str:
    """`raw` as Slack draws it where it reads markup."""
    return raw.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _within_limits(blocks: Sequence[Block], room: int, left: int) -> Iterator[Element]:
    """The blocks as rich text, as far as there is room for them, and a last line where that is not all of them."""
    for number, block in enumerate(blocks):
        drawn = _rich(list(_elements(block)))
        left -= _size(drawn)
        if number >= room - 1 or left < _size(_more()):
            yield _more()
            return
        yield drawn


def _more() -> Element:
    return _rich([_section(_plain(SEE_TICKET))])


def _elements(block: Block) -> Iterator[Element]:
    match block:
        case Template():
            for line in block.lines:
                yield from _template_line(line)
        case Section():
            yield _section(_bold(block.heading))
            if block.command:
                yield {"type": "rich_text_preformatted", "elements": [_plain("\n".join(map(defused, block.points)))]}
            else:
                yield _list(block.points, numbered=block.numbered)
        case Timeline():
            yield _section(_bold(block.heading))
            moments = (f"{stamp(moment.at)}: {moment.what} {moment.who}".rstrip() for moment in block.moments)
            yield _list(tuple(moments), numbered=False)
        case Table():
            yield _section(_bold(block.heading))
            rows = (": ".join(filter(None, row)) for row in block.rows)
            yield _list((*rows, block.note) if block.note else tuple(rows), numbered=False)


def _template_line(line: Line | Listing) -> Iterator[Element]:
    if isinstance(line, Listing):
        yield _section(_bold(f"{line.label}:"))
        yield _list(line.items, numbered=line.numbered)
    else:
        yield _section(_bold(f"{line.label}: "), _plain(defused(line.value)), _plain("\n"))


def _rich(elements: list[Element]) -> Element:
    return {"type": "rich_text", "elements": elements}


def _section(*parts: Element) -> Element:
    return {"type": "rich_text_section", "elements": list(parts)}


def _list(items: tuple[str, ...], *, numbered: bool) -> Element:
    style = "ordered" if numbered else "bullet"
    return {"type": "rich_text_list", "style": style, "elements": [_section(_plain(defused(item))) for item in items]}


def _plain(text: str) -> Element:
    # Slack refuses an empty text.
    return {"type": "text", "text": text[: PIECE_MOST - 1] + CUT if len(text) > PIECE_MOST else text or " "}


def _bold(text: str) -> Element:
    return {**_plain(defused(text)), "style": {"bold": True}}


def _size(blocks: Element | Sequence[Element]) -> int:
    return len(json.dumps(blocks)) + len(", ")


def _cut(text: str, most: int) -> str:
    text = defused(text).strip() or "(no title)"
    return text if len(text) <= most else text[: most - 1] + CUT
