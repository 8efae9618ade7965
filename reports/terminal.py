"""A scan for a person at a terminal: readable at 80 columns, plain text without colours where it goes into a pipe."""

from __future__ import annotations

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detectors.contract import Finding, ScanDocument
from reports import scan_words as words
from reports.neutral import defused, in_our_words, visible

_SEVERITY_STYLES = {"P0": "bold red", "Immediate": "bold red", "P1": "yellow", "Same-day": "yellow"}


def render(document: ScanDocument, *, width: int = 80, colour: bool = False) -> str:
    """The findings by team, then what was looked at and what was not. `width` is the terminal's, in columns."""
    parts: list[RenderableType] = []
    for team, findings in words.by_team(document.findings).items():
        parts += [Text(f"{team} ({len(findings):,})", style="bold"), _findings(findings)]
    parts += [_text(words.verdict(document), "bold"), Text()]
    for group in words.coverage_groups(document):
        parts.append(Text(group.heading, style="" if group.looked else "bold yellow"))
        # A reason deserves a line of its own; names alone stand side by side.
        entries = [words.entry_words(entry) for entry in group.entries]
        lines = entries if any(entry.reason for entry in group.entries) else [", ".join(entries)]
        parts += [Padding(Text(in_our_words(line), overflow="fold"), (0, 0, 0, 2)) for line in lines]
    # The source is the caller's own word; in a terminal its address stays as it can be copied.
    parts += [Text(), Text(visible(words.scanned(document)), style="dim", overflow="fold")]
    return _drawn(Group(*parts), width, colour)


def _drawn(what: RenderableType, width: int, colour: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
        # The caller has asked the environment already.
        _environ={},
    )
    console.print(what)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _findings(findings: list[Finding]) -> Table:
    # Ids may be as long as a UUID, so where and who stand below what instead of in columns of their own.
    table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False, padding=0)
    table.add_column("Severity", width=9)
    table.add_column("What, where, who", overflow="fold", ratio=1)
    table.add_column("Since (UTC)", width=16)
    for finding in findings:
        severity = Text(finding.severity, style=_SEVERITY_STYLES.get(finding.severity, ""))
        table.add_row(severity, _what(finding), words.since(finding) or "not known")
    return table


def _what(finding: Finding) -> Text:
    below = [words.where(finding), words.who(finding), words.beside(finding)]
    lines = [_text(words.title(finding)), *(_text(line, "dim") for line in dict.fromkeys(below) if line)]
    return Text("\n").join(lines)


def _text(raw: str, style: str = "") -> Text:
    # A Text is drawn as it is: rich looks for its own markup in plain strings only.
    return Text(defused(raw), style=style, overflow="fold")
