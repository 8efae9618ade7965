"""A hundred thousand hostile strings for each channel, read by somebody else's reader of that channel: nothing acts."""

from __future__ import annotations

import csv
import email
import html
import io
import re
from collections.abc import Iterator, Sequence
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP, compat32, default
from html.parser import HTMLParser

import pytest
import regex
from markdown_it import MarkdownIt

from escalation.policy.process import SlackPlace
from reports import csv_text, mail, markdown, slack, text
from reports.message import Message, Section
from reports.neutral import defused, for_csv, visible
from tests.reports.hostile import hidden, strings

NUMBER = 100_000
BATCH = 100
TOP_LEVELS = ["support", "zone", "icu", "ws", "рф", "भारत", "xn--p1ai", "com", "md", "id"]
DRAWS_NOTHING = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u2800\U00016FE4\U0001D159]"
)
TEMPLATE = re.compile(r"\{[{%#$]|[$#%*]\{|<[%?]|\[%")
ACTS = regex.compile(
    r"(?i)(?<![^\W_])(?:https?|javascript|mailto):\S|://|www\.|[@]\S|\\\\\w"
    rf"|(?:evil|зло|🐕)[.\u3002](?:{'|'.join(TOP_LEVELS)})(?![\w\p{{M}}-])"
)


def batches(seed: int) -> Iterator[list[str]]:
    every = strings(seed, NUMBER)
    while batch := [one for one, _ in zip(every, range(BATCH), strict=False)]:
        yield batch


def said(batch: Sequence[str]) -> Message:
    """A message whose title, heading and points are the strings."""
    return Message("[TAG]", "".join(batch[:3]), "engineering", "P0", "hw-1", (Section(batch[0], tuple(batch)),))


def test_plain_text_holds_nothing_that_acts_or_hides() -> None:
    for batch in batches(1):
        written = text.render(said(batch))
        assert ACTS.findall(written) == []
        assert TEMPLATE.findall(written) == []
        assert "=?" not in written
        assert DRAWS_NOTHING.findall(written.replace("\n", "")) == []
        assert len(written.splitlines()) == len(batch) + 4


@pytest.mark.parametrize("kind", ["commonmark", "gfm-like"])
def test_markdown_draws_no_link_and_no_markup(kind: str) -> None:
    reader = MarkdownIt(kind)
    if kind == "gfm-like" and reader.linkify is not None:
        reader.linkify.tlds(TOP_LEVELS, keep_old=True)
        assert "link_open" in [part.type for part in reader.parse("see зло.рф")[1].children or ()], "it looks for hosts"
    plain = {"text", "softbreak", "code_inline"}
    for batch in batches(2 if kind == "commonmark" else 3):
        drawn = reader.parse(markdown.render(said(batch)))
        inline = [part for block in drawn for part in block.children or ()]
        assert {part.type for part in inline} <= plain
        assert {block.type for block in drawn if block.type.endswith("_open")} <= {
            *("heading_open", "bullet_list_open", "list_item_open", "paragraph_open"),
        }
        points = [block.content for block in drawn if block.type == "inline" and block.level == 3]
        assert len(points) <= len(batch)
        shown = [part.content for part in inline]
        assert "".join(shown[-3:]).endswith(defused(batch[-1]).strip())


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.said: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_the_html_of_a_mail_holds_text_alone() -> None:
    for batch in batches(4):
        read = Reader(mail.render(said(batch)).html)
        assert read.tags == {"html", "head", "meta", "title", "style", "body", "h1", "h2", "ul", "li"}
        assert read.attributes == [("lang", "en"), ("charset", "utf-8")]
        drawn = "".join(one for one in read.said if "border-collapse" not in one)
        assert ACTS.findall(drawn) == []
        assert TEMPLATE.findall(drawn) == []
        assert DRAWS_NOTHING.findall(drawn.replace("\n", "")) == []


def test_a_subject_is_read_as_it_was_written_by_either_mail_parser() -> None:
    """Each header of a mail stands for a subject: all unstructured headers are written and read alike."""
    for batch in batches(5):
        titles = ["".join(batch[place : place + 3]) for place in range(0, len(batch), 3)]
        subjects = [mail.render(Message("[T]", title, "engineering", "P0", "hw-1", ())).subject for title in titles]
        sent = EmailMessage(policy=SMTP)
        for number, subject in enumerate(subjects):
            sent[f"X-{number}"] = subject
        sent.set_content("body")
        wire = sent.as_bytes()
        names = [f"X-{number}" for number in range(len(subjects))]
        new, old = email.message_from_bytes(wire, policy=default), email.message_from_bytes(wire, policy=compat32)
        assert [name for name in new if name.startswith("X-")] == names
        assert old.keys() == new.keys() == sent.keys()
        assert new.get_payload() == "body\r\n"
        for name, subject in zip(names, subjects, strict=True):
            assert ACTS.findall(str(new[name])) == []
            # The older parser swallows a blank here and there.
            for read in (str(new[name]), _unfolded(str(make_header(decode_header(old[name]))))):
                assert "".join(read.split()) == "".join(subject.split())
                assert hidden(read) == []


def _unfolded(header: str) -> str:
    """A header as it reads; the older parser leaves it on several lines."""
    return re.sub(r"\r\n(?=[ \t])", "", header)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_spreadsheet_finds_a_formula_whatever_parts_its_cells(separator: str) -> None:
    for batch in batches(6):
        rows = [batch[place : place + 4] for place in range(0, len(batch), 4)]
        written = csv_text.write(("a", "b", "c", "d"), rows)
        cells = [cell for row in csv.reader(io.StringIO(written), delimiter=separator) for cell in row]
        assert [cell for cell in cells if re.match(r'[\s"]*[=+\-@\uff0b\uff0d\uff1d\uff20]', cell)] == []
        assert DRAWS_NOTHING.findall(written.replace("\n", "")) == []
        if separator == ",":
            assert cells[4:] == [for_csv(cell) for cell in batch]


def slack_reads(raw: str) -> tuple[str, list[str]]:
    """What Slack makes of a text by its rules: the text that is drawn, and what stands in angle brackets, which acts.

    docs.slack.dev, Formatting message text: `<…>` is a link, a mention or a command; &amp; &lt; &gt; are those characters.
    """
    acting = re.findall(r"<[^>]*>?", raw)
    return html.unescape(re.sub(r"&(?!(?:amp|lt|gt);)", "&amp;", raw)), acting


def test_slack_reads_no_link_and_no_call() -> None:
    place = SlackPlace(channel="#incidents", mention="@engineering-oncall")
    for batch in batches(7):
        for start in range(0, len(batch), 10):
            ten = batch[start : start + 10]
            message = Message("[T]", "".join(ten[:4]), "engineering", "P0", "hw-1", (Section("Now", tuple(ten)),))
            sent = slack.payload(message, place=place, link="https://rt.example/1")
            drawn, acting = slack_reads(sent["text"])
            assert acting == []
            assert drawn.startswith("P0: [T] ") or drawn.startswith("P0: [T]")
            lead, rest = sent["blocks"][1], [sent["blocks"][0], *sent["blocks"][2:]]
            assert slack_reads(lead["text"]["text"])[1] == ["<https://rt.example/1|Open the ticket>"]
            texts = [drawn, *_plain_texts(rest)]
            assert [found for one in texts for found in ACTS.findall(one)] == []
            assert DRAWS_NOTHING.findall("".join(texts).replace("\n", "")) == []


def _plain_texts(value: object) -> Iterator[str]:
    """The texts of the elements that Slack draws as they are; there are no others."""
    if isinstance(value, list):
        for inner in value:
            yield from _plain_texts(inner)
    elif isinstance(value, dict):
        assert value.get("type") not in {"mrkdwn", "link", "user", "usergroup", "channel", "broadcast", "emoji"}
        if isinstance(value.get("text"), str):
            yield value["text"]
        for inner in value.values():
            yield from _plain_texts(inner)


@pytest.mark.parametrize(
    "point", [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), 0x16FE4, 0x1D159, 0x115F, 0x3164, 0xE0100]
)
def test_what_draws_nothing_is_shown(point: int) -> None:
    assert hidden(visible(f"a{chr(point)}b")) == []
    assert len(visible(f"a{chr(point)}b")) > 6


def test_every_code_point_that_draws_nothing_is_shown_or_left_out() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    assert DRAWS_NOTHING.findall(visible(every)) == []
    assert visible("❤\ufe0f \U0001f415") == "❤ \U0001f415", "the style of a symbol says nothing"
