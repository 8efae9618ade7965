"""The page as one HTML text: nothing is loaded, nothing runs, and whatever anybody typed is text.

The templates escape by default, and every text is made visible first, so that nothing turns the writing around or hides.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from escalation.views.morning import Card, Morning, Night
from reports.charts import Chart
from reports.neutral import visible
from reports.page.coverage import coverage
from reports.page.hiding import Hiding
from reports.page.tickets import older, view_of
from reports.page.tonight import tonight
from reports.page.trends import trends
from reports.page.words import clock

ROOM = 600_000
"""Characters that open tickets' stories may take: a page must open at once, also on a telephone."""


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("reports.page"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["clock"] = clock
    return made


def _frame(**more: Any) -> dict[str, Any]:
    """What every page has: its style, and the policy that allows that style alone. Both are our own texts."""
    loader = _environment().loader
    style = loader.get_source(_environment(), "page.css")[0] if loader else ""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return {"style": Markup(style), "allowed": allowed, **more}  # noqa: S704  # our own file


def render(
    of: Morning, hiding: Hiding, *, trouble: str = "", index: str = "", backtests: Sequence[tuple[str, Chart]] = ()
) -> str:
    """The morning page. `trouble` says what went wrong since the last night, `index` where the other nights' pages are.

    `backtests` are curves, each with the words on which nights it is of.
    """
    return (
        _environment()
        .get_template("page.html")
        .render(
            _frame(
                of=of,
                environment=hiding.policy.environment,
                tonight=tonight(of, hiding, trouble),
                index=index,
                groups=list(_groups(of, hiding)),
                older=older(of.older),
                trends=trends(of, hiding.policy),
                backtests=backtests,
                coverage=coverage(of),
            )
        )
    )


def _groups(of: Morning, hiding: Hiding) -> Iterator[tuple[str, str, list[Markup]]]:
    """The tickets as written cards: those of each team in progress, then those that ended of late.

    Where the room is used up, what follows is one line each.
    """
    template = _environment().get_template("card.html")
    left = ROOM
    written: dict[tuple[str, str], list[Markup]] = {}
    for card in of.cards:
        whole = left > 0
        drawn = template.render(one=view_of(card, of, hiding, whole=whole), whole=whole)
        left -= len(drawn)
        written.setdefault(_group(card, hiding), []).append(Markup(drawn))  # noqa: S704  # a template's
    names = [*(rules.name for rules in hiding.policy.teams.values()), "Ended of late"]
    for (name, key), drawn_cards in sorted(written.items(), key=lambda group: names.index(group[0][0])):
        yield name, key, drawn_cards


def _group(card: Card, hiding: Hiding) -> tuple[str, str]:
    if card.progress is None:
        return "Ended of late", "ended"
    return hiding.policy.teams[card.ticket.team].name, card.ticket.team


def render_index(pages: Sequence[tuple[str, date]], nights: Sequence[Night]) -> str:
    """The list of the nights' pages (file name and day, the newest first), with what the ledger knows of each."""
    known = {night.row.as_of.date(): night for night in nights}
    rows = [(name, day, known.get(day)) for name, day in pages]
    return _environment().get_template("index.html").render(_frame(rows=rows))


def render_curves(title: str, says: str, charts: Sequence[Chart]) -> str:
    """A page of charts alone, for a backtest."""
    return _environment().get_template("curves.html").render(_frame(title=title, says=says, charts=charts))
