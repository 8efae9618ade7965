"""What nights of the past would have done, night by night, with one policy or two side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from escalation.nights.dry_run import Case, DryRunNight
from reports.statistics import Part, Statistics, Value

CASES_SHOWN = 50
"""Of the tickets that only one policy makes, so many are named."""


def compared(plays: Mapping[str, Sequence[DryRunNight]]) -> Statistics:
    """The nights of each policy (by the name it is called), their sums, and the tickets that not all policies make.

    All plays are of the same nights. A night on which no detector could look has no numbers.
    """
    frames = {name: _frame(nights) for name, nights in plays.items()}
    first = next(iter(plays.values()))
    return Statistics(
        since=first[0].window.start,
        until=first[-1].window.end,
        nights=len(first),
        incomplete=int(max(frame["blind"].map(bool).sum() for frame in frames.values())),
        parts=(_nights(frames), _sums(frames), *_differences(plays)),
    )


def _frame(nights: Sequence[DryRunNight]) -> pd.DataFrame:
    """One row a night, by its day; numbers are missing where nothing was looked at."""
    rows = [
        {
            "day": f"{night.window.start:%Y-%m-%d}",
            "findings": night.findings,
            "new": night.new,
            "tickets": len(night.opened),
            "blind": ", ".join(entry.detector for entry in night.blind),
        }
        for night in nights
    ]
    frame = pd.DataFrame(rows).set_index("day").astype(dict.fromkeys(_COUNTS, "Int64"))
    frame.loc[[not night.looked for night in nights], list(_COUNTS)] = pd.NA
    return frame


_COUNTS = ("findings", "new", "tickets")


def _nights(frames: Mapping[str, pd.DataFrame]) -> Part:
    beside = pd.concat(frames, axis=1)
    columns = [(name, what) for name in frames for what in (*_COUNTS, "blind")]
    names = tuple(f"{name}_{what}" if len(frames) > 1 else what for name, what in columns)
    rows = tuple((str(day), *(_value(beside.at[day, column]) for column in columns)) for day in beside.index)
    note = "Of each policy: findings, how many of them are new, and the tickets they would have made; blind: who could not look."
    return Part("nights", ("day", *names), rows, note)


def _value(cell: object) -> Value:
    if cell is pd.NA or cell == "":
        return None
    return cell if isinstance(cell, str) else int(str(cell))


def _sums(frames: Mapping[str, pd.DataFrame]) -> Part:
    rows = []
    for name, frame in frames.items():
        tickets = frame["tickets"].dropna().astype(int)
        rows.append(
            (
                name,
                int(frame["new"].sum()),
                int(tickets.sum()),
                int((tickets > 0).sum()),
                float(tickets.median()) if len(tickets) else None,
                int(tickets.max()) if len(tickets) else None,
                int((frame["blind"] != "").sum()),
            )
        )
    columns = ("policy", "new", "tickets", "nights_with_tickets", "median_a_night", "most_a_night", "blind_nights")
    return Part("summary", columns, tuple(rows), "Nights: with tickets. Median and most: tickets a night.")


def _differences(plays: Mapping[str, Sequence[DryRunNight]]) -> list[Part]:
    made = {
        name: {case.fingerprint: case for night in nights for case in night.opened} for name, nights in plays.items()
    }
    parts = []
    for name, cases in made.items():
        others = {key for other, theirs in made.items() if other != name for key in theirs}
        alone = [case for key, case in cases.items() if len(made) == 1 or key not in others]
        rows = tuple((case.detector, case.severity, _subject(case)) for case in alone[:CASES_SHOWN])
        more = len(alone) - len(rows)
        named = f"{f'tickets_only_with_{name}' if len(made) > 1 else 'tickets'}{f'_and_{more}_more' if more else ''}"
        parts.append(Part(named, ("detector", "severity", "about"), rows))
    return parts


def _subject(case: Case) -> str:
    return ", ".join(f"{key.removesuffix('_id')} {value}" for key, value in case.subject.items())
