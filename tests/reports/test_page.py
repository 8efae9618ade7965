"""The page: what it says, what it keeps to itself, and that whatever anybody typed stays text."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import islice

import pytest
from selectolax.lexbor import LexborHTMLParser

from detectors.contract import Finding, Impact, Story, TimelineEntry
from escalation.decide.clocks import Overdue
from escalation.ledger.records import Linked, Silence
from escalation.policy.policy import load_policy
from reports import pictures
from reports.page.hiding import BY_EMAIL, Hiding
from reports.page.render import render
from reports.page.words import span
from tests.reports.examples import MASS_CREATION, TRANSFER_FAILED
from tests.reports.hostile import hidden, strings
from tests.reports.mornings import DAY, NOW, morning

POLICY = load_policy()
OPEN = Hiding(POLICY, "personal")
NUMBER = 120_000 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 6_000
TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "a",
        "header",
        "div",
        "p",
        "span",
        "strong",
        "nav",
        "ul",
        "ol",
        "li",
        "main",
        "section",
        "h1",
        "h2",
        "h3",
        "h4",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "article",
        "dl",
        "dt",
        "dd",
        "figure",
        "figcaption",
        "pre",
        "code",
        "footer",
        "svg",
        "desc",
        "path",
        "rect",
        "circle",
        "text",
    ]
)
ATTRIBUTES = re.compile(
    r"class|id|href|rel|lang|charset|http-equiv|content|name|tabindex|role|scope|open|aria-(?:label|labelledby|hidden)|xmlns|viewBox"
    r"|width|height|[xydr]|[cr][xy]|fill|stroke(?:-[a-z]+)?|text-anchor|font-[a-z]+"
)


def shown(page: str) -> str:
    return LexborHTMLParser(page).text()


def test_a_ticket_is_told_with_its_pictures_and_its_missing_step() -> None:
    page = render(morning([TRANSFER_FAILED, MASS_CREATION]), OPEN)
    text = shown(page)
    assert "Household ID: household_67890" in text
    assert "4 active members shown, no leader" in text
    assert f"Missing: {TRANSFER_FAILED.story.expected}" in text
    assert "user_2: member, longest-standing member" in text, "the picture in words"
    assert text.count("found for the first time") == 2
    assert "resolution due in 1 d" in text


def test_the_step_that_failed_and_the_statement_stand_open() -> None:
    story = TRANSFER_FAILED.story.model_copy(update={"stopped": "4 of 4: nobody was promoted"})
    page = LexborHTMLParser(render(morning([TRANSFER_FAILED.model_copy(update={"story": story})]), OPEN))
    assert (
        next(one.text() for one in page.css("article > p.missing")) == "Step that failed: 4 of 4: nobody was promoted"
    )
    statement = page.css_first('article > pre[aria-label^="How to check"]')
    assert statement is not None
    assert statement.text().count("\n") > 3
    assert "Finish steps" not in page.text()


def test_the_page_says_who_has_it_what_is_put_off_what_nobody_wrote_down_and_what_is_linked() -> None:
    of = morning([TRANSFER_FAILED, MASS_CREATION, TRANSFER_FAILED], words="kim")
    late, muted, linking = of.cards
    assert late.progress is not None
    snooze = Silence(1, "f", "snooze", "a migration", "jo", NOW - DAY, NOW + DAY, "P0", 4)
    link = Linked("hw-9", "engineering", "no-leader", "Household Has No Leader", "P0", "fixed", "", NOW, ("h",), ())
    cards = (
        replace(late, progress=replace(late.progress, overdue=(Overdue("resolve", NOW - DAY),), next=None)),
        replace(muted, progress=replace(late.progress, ticket=muted.ticket, silence=snooze)),
        replace(linking, linked=(link,)),
    )
    text = shown(render(replace(of, cards=cards, unlearned=(late.ticket,)), OPEN))
    assert "resolution, for 1 d; owner: kim" in text
    assert "until 2026-02-05 03:00: a migration" in text
    assert f"hearthwatch tickets outcome {late.ticket.external_id}" in text
    assert "fixed, verified by a scan" in text
    assert "What is in progress names at least 2 people in 17 households." in text
    hidden_page = shown(render(replace(of, cards=cards), Hiding(POLICY, "ids", b"key")))
    assert "owner: kim" not in hidden_page


def test_hostile_text_stays_text() -> None:
    every = strings(11, NUMBER)
    style = LexborHTMLParser(render(morning([]), OPEN)).css_first("style").text()  # type: ignore[union-attr]  # it has one
    while batch := list(islice(every, 600)):
        findings = [hostile(batch[place : place + 60]) for place in range(0, len(batch), 60)]
        page = LexborHTMLParser(
            render(morning(findings, words=batch[0], url=f"javascript:alert(1)//{batch[1]}", reason=batch[2]), OPEN)
        )
        elements = page.css("*")
        assert {one.tag for one in elements} <= TAGS
        assert all(ATTRIBUTES.fullmatch(name) for one in elements for name in one.attributes)
        links = {one.attributes["href"] or "" for one in page.css("[href]")}
        assert all(re.fullmatch(r"#[a-z0-9-]+", link) for link in links)
        assert [one.text() for one in page.css("style")] == [style]
        assert hidden(page.text()) == []


def hostile(texts: list[str]) -> Finding:
    """A finding that holds the texts wherever somebody's words may stand."""
    return Finding(
        detector="transfer-failed",
        team="engineering",
        severity="P0",
        fingerprint="0" * 32,
        subject={"household_id": texts[0]},
        households=tuple(texts[:3]),
        users=tuple(texts[3:6]),
        title=texts[6],
        impact=Impact(users=1, households=1),
        kind="state",
        marks=(texts[7],),
        evidence={
            "active_leaders": texts[8:10],
            "stuck_members": texts[8:16],
            "leader_id": texts[16],
            texts[17]: texts[18],
            "rows": [{texts[19]: texts[20]}],
        },
        timeline=tuple(
            TimelineEntry(at=NOW, what=what, actor=who) for what, who in zip(texts[20:30], texts[30:40], strict=True)
        ),
        story=Story(
            issue=texts[40], steps=tuple(texts[41:55]), expected=texts[55], actual=texts[56], error_messages=texts[57]
        ),
    )


def test_with_ids_hidden_no_id_and_no_evidence_is_on_the_page() -> None:
    page = render(morning([TRANSFER_FAILED]), Hiding(POLICY, "ids", b"a key"))
    assert "user_12345" not in page
    assert "user_2" not in page
    assert "household_67890" not in page
    assert "id-" in page
    with pytest.raises(ValueError, match="key"):
        render(morning([TRANSFER_FAILED]), Hiding(POLICY, "ids"))


def test_what_legal_is_told_by_email_is_not_on_the_page() -> None:
    legal = TRANSFER_FAILED.model_copy(update={"team": "legal", "title": "Custody of Rex", "detector": "legal-matter"})
    page = render(morning([legal], words="The court said so"), OPEN)
    assert BY_EMAIL in page
    assert "Rex" not in page
    assert "household_67890" not in page
    assert "court" not in page


def test_a_night_that_could_not_look_is_never_a_quiet_one() -> None:
    of = morning([])
    assert of.night is not None
    assert "1 detector looked at everything" in render(of, OPEN)
    assert "Incomplete:" in render(replace(of, night=replace(of.night, complete=False)), OPEN)
    assert "nothing since is on this page" in render(replace(of, now=NOW + 3 * DAY), OPEN)
    assert "The run failed" in render(of, OPEN, trouble="The run failed")
    never = replace(of, night=None, nights=())
    assert shown(render(never, OPEN)).count("No night has been played yet.") == 2


def test_of_very_many_tickets_the_most_pressing_have_their_story(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.page.render.ROOM", 10_000)
    page = LexborHTMLParser(render(morning([TRANSFER_FAILED] * 9), OPEN))
    assert 0 < len(page.css("article")) < 4
    assert len(page.css(".card")) == 9
    assert len({one.attributes["id"] for one in page.css("article, p.card")}) == 9


def test_a_timeline_that_is_long_shows_its_end_and_says_how_much_it_is() -> None:
    moments = [TimelineEntry(at=NOW, what="asked", actor=f"user_{number}") for number in range(40)]
    picture = LexborHTMLParser(pictures.sequence("long", moments, "an answer"))
    assert len(picture.css("circle")) == pictures.MOMENTS_SHOWN + 1
    assert "40 moments" in picture.text()
    assert "others" in picture.text()


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0, "0 min"), (59, "59 min"), (60, "1 h"), (61, "1 h 1 min"), (1500, "1 d 1 h"), (20_000, "13 d")],
)
def test_lengths_of_time_are_short(minutes: int, said: str) -> None:
    assert span(DAY / 1440 * minutes) == said
