"""Nothing that somebody typed into a household's name acts anywhere."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from publicsuffixlist import PSLFILE, PublicSuffixList

from detectors.contract import Coverage, Finding
from escalation.policy.policy import load_policy
from reports import csv_text, mail, markdown, scan_formats, terminal, text
from reports.message import Message, from_plain, to_plain
from reports.neutral import defused, for_csv, for_markdown, for_shell, in_our_words, visible
from reports.ticket import ticket
from tests.reports.examples import bare, document
from tests.reports.hostile import FRAGMENTS, findings, hidden, live, texts
from tests.support.effort import tries

POLICY = load_policy()
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(source: str) -> list[tuple[str, str]]:
    """What Markdown makes of `source`: the kinds of its blocks, and of its inline parts."""
    found = []
    for block in GITHUB.parse(source):
        found.append((block.type, block.content if block.type == "fence" else ""))
        found.extend((part.type, part.content) for part in block.children or ())
    return found


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("https://evil.com/x", "https[:]//evil[.]com/x"),
        ("see WWW.evil.example and evil.com", "see WWW[.]evil.example and evil[.]com"),
        ("JavaScript:alert(1)", "JavaScript[:]alert(1)"),
        ("@here, <!channel> and a@b.org", "(at)here, < !channel> and a(at)b[.]org"),
        ("a\nSeverity: P2\x1b[31m", "a\\nSeverity: P2\\x1b[31m"),
        ("\u202eevil\u200b", "\\u202eevil\\u200b"),
        ("no\xa0break", "no break"),
        ("Müller 家族 🐕", "Müller 家族 🐕"),
        ("leader_id is null (households.leader_id)", "leader_id is null (households.leader_id)"),
        (
            "evil.support, sub.evil.icu, зло.рф, evil.xn--p1ai",
            "evil[.]support, sub.evil[.]icu, зло[.]рф, evil[.]xn--p1ai",
        ),
        ("night.log, rows.csv, e.V. and 3.5", "night.log, rows.csv, e.V. and 3.5"),
        ("//any.thing and \\\\evil\\x", "//any[.]thing and [\\\\]evil\\x"),
        ("=?utf-8?q?=0aBcc:_x?=", "=[?]utf-8?q?=0aBcc:_x?="),
        ("{{ticket.id}} {% x %} ${y} <%= z %>", "{[{]ticket[.]id}} {(%) x %} $[{]y} <(%)= z %>"),
        ("[rt.example.com #17]", "[rt.example[.]com [#]17]"),
        ("2026-02-02 14:35:00 UTC; 3.5 s; at 10:30", "2026-02-02 14:35:00 UTC; 3.5 s; at 10:30"),
    ],
)
def test_what_is_changed_stays_visible_and_the_rest_stays(raw: str, shown: str) -> None:
    assert defused(raw) == shown


@given(texts)
def test_nothing_hidden_and_nothing_live_survives(raw: str) -> None:
    assert hidden(visible(raw)) == []
    assert "\n" not in visible(raw)
    assert live(defused(raw)) == []
    assert defused(defused(raw)) == defused(raw), "what was made harmless once is not changed again"


@given(texts)
def test_markdown_draws_exactly_the_defused_characters(raw: str) -> None:
    for frame in ("{}", "- {}", "| {} |\n| --- |", "## {}"):
        drawn = tokens(frame.format(for_markdown("x")))
        kinds = [kind for kind, _ in drawn]
        with_raw = tokens(frame.format(for_markdown(f"{raw}x")))
        assert [kind for kind, _ in with_raw if kind != "text"] == [kind for kind in kinds if kind != "text"]
        assert "".join(content for kind, content in with_raw if kind == "text") == defused(f"{raw}x").strip()


@given(texts)
def test_no_cell_begins_a_formula(raw: str) -> None:
    cell = for_csv(raw)
    assert hidden(cell) == []
    assert cell.lstrip()[:1] not in {"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}
    rows = list(csv.reader(io.StringIO(csv_text.write(["a", "b"], [[raw, "1"]]))))
    assert rows[1] == [cell, "1"]


def without_ours(written: str) -> str:
    """What is written without the addresses that stand in the policy."""
    for team in POLICY.teams.values():
        for address in (team.email, *team.copy_to):
            written = written.replace(address, "")
    return written


@tries(100)
@given(findings)
def test_no_tickets_format_lets_anything_through(finding: Finding) -> None:
    message = ticket(finding, POLICY)
    plain = text.render(message)
    assert hidden(plain) == []
    assert live(without_ours(plain)) == []
    fields = [line for line in plain.splitlines() if line.startswith("Severity: ")]
    assert len(fields) == (finding.team in ("engineering", "trust-safety")), "no value begins a line of the template"
    marked = markdown.render(message)
    assert hidden(marked) == []
    drawn = tokens(marked)
    kinds = {kind for kind, _ in drawn}
    assert kinds.isdisjoint({"link_open", "html_inline", "html_block", "em_open", "strong_open", "s_open"})
    assert sum(kind == "image" for kind, _ in drawn) <= len(message.pictures), "only our own pictures are drawn"
    assert kinds.isdisjoint({"blockquote_open", "hr", "code_block"})
    assert sum(kind == "ordered_list_open" for kind, _ in drawn) == 1, "what to do, and nothing that a value begins"
    template, *statement, command = [content for kind, content in drawn if kind == "fence"]
    assert command.startswith("hearthwatch ")
    assert len(statement) <= 1, "what can be checked without us"
    assert [part for one in (template, *statement) for part in live(one)] == []
    restored = from_plain(json.loads(json.dumps(to_plain(message))))
    assert restored == message


@tries(100)
@given(findings, texts, st.booleans())
@example(bare(title="".join(FRAGMENTS)), "".join(FRAGMENTS), True)
def test_no_scans_format_lets_anything_through(finding: Finding, reason: str, colour: bool) -> None:
    scan = document(finding, coverage=(Coverage(detector="no-leader", status="failed", reason=reason),))
    drawn = terminal.render(scan, colour=False)
    assert hidden(drawn) == []
    assert live(drawn.replace(scan.scan.source, "")) == []
    if colour:
        assert set(hidden(terminal.render(scan, colour=True))) <= {"\x1b"}
        assert "\x1b]" not in terminal.render(scan, colour=True)
    for render in (scan_formats.to_csv, scan_formats.to_json):
        assert hidden(render(scan)) == []
    marked = scan_formats.to_markdown(scan)
    assert hidden(marked) == []
    kinds = [kind for kind, _ in tokens(marked)]
    assert set(kinds).isdisjoint({"link_open", "image", "html_inline", "html_block", "em_open", "s_open", "fence"})
    assert kinds.count("strong_open") == 1, "the verdict"
    assert kinds.count("tr_open") == 2


def json_values(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (key, *json_values(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in json_values(inner)]
    return [value] if isinstance(value, str) else []


@given(texts)
def test_json_keeps_the_values_as_they_are(raw: str) -> None:
    printed = scan_formats.to_json(document(bare(title=raw)))
    assert printed.isascii()
    assert raw in json_values(json.loads(printed))


@pytest.mark.parametrize("render", [text.render, markdown.render, lambda message: mail.render(message).html])
def test_our_own_teams_addresses_stay_as_they_are_and_nobody_elses(render: Callable[[Message], str]) -> None:
    email = POLICY.teams["legal"].email
    told = ticket(bare("legal", title=f"{email} and eve@evil.support"), POLICY)
    assert email in render(told), "where the policy speaks"
    assert f"{email} and" not in render(told), "and not where the data does"
    assert "eve@" not in render(told)
    assert "evil.support" not in render(told)


def test_our_columns_are_no_hosts_and_all_else_is() -> None:
    said = "users.id and household_members.household_id: users.id.evil.support, myusers.id, users.id/x, evil.id"
    assert in_our_words(said) == (
        "users.id and household_members.household_id: users[.]id.evil[.]support, myusers[.]id, users[.]id/x, evil[.]id"
    )


def test_a_key_of_the_policy_can_be_copied_and_nothing_that_looks_like_one_acts() -> None:
    said = "say what they mean, [source.words.support_requests.status], as words.support does not"
    assert in_our_words(said) == said.replace("words.support d", "words[.]support d")
    assert for_markdown(said) == (
        "say what they mean, `[source.words.support_requests.status]`, as words[.]support does not"
    )
    assert in_our_words("[source.words.support.status] evil.com") == "[source.words[.]support.status] evil[.]com"


def test_a_command_is_copied_as_it_is_and_acts_only_in_a_shell() -> None:
    """Each word comes out of bash as it went in, whatever it holds; no channel has anything to defuse."""
    words = ["h1", "it's", "rex.com", "jo@example.org", "https://evil.com/$(id)", *filter(None, FRAGMENTS)]
    words = [word for word in words if "\0" not in word and "\ud800" not in word]
    command = for_shell(words)
    assert command.startswith(r"""h1 'it'"'"'s' $'rex\x2ecom' $'jo\x40example""")
    assert defused(command) == command
    bash = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True)
    assert bash.stdout.decode().split("\0")[:-1] == words


def test_every_end_of_a_hosts_name_is_known() -> None:
    """Those too under which the list names no registrar's rule but "whatever": Myanmar's and the Falklands'."""
    whole = PublicSuffixList(accept_unknown=False, only_icann=True)
    with Path(PSLFILE).open(encoding="utf-8") as lines:
        labels = {line.strip().rpartition(".")[2] for line in lines if line.strip() and not line.startswith("//")}
    known = {label for label in labels if whole.publicsuffix(label) is not None}
    assert {"com", "mm", "fk", "рф"} <= known
    assert {label for label in labels if defused(f"rex.{label}") != f"rex.{label}"} >= known
