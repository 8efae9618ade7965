"""Invite code generation fails, or soon will

Problem
-------
The app draws codes blindly until it finds a free one, and gives up after some tries: then a household has no code, or
keeps one that it wanted to be rid of. The fuller a prefix, the likelier that is.

Fires when
----------
Three kinds, each a finding of its own. In the window: generation gave up (household_invite_code_failed), one finding with
counts. In the tables: households whose code is null, blank or not PREFIX-WORD-WORD in capitals, one finding with all of
them. A warning for each prefix with more than 400 of its 676 codes in use.

Stays silent when
-----------------
One failure is logged twice (same correlation_id): it counts once, at its earliest time. Exactly 400 codes; the same code
on two households is one code in use. Households and failures younger than the grace period.

Evidence
--------
Counts, users and households hit, first and last time; the households with their codes' fault; the codes in use.

What to do
----------
Regenerate the missing codes. For a full prefix: draw other prefixes, or retire the codes of abandoned households.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, and_, true

from detectors.contract import Context, Detector, Finding, Impact, Member, Meta, Ride, Row, Story, find, iso
from detectors.facts import moment, text_of
from detectors.limits import Limits
from detectors.words import count, listed, stamp

META = Meta(
    id="invite-code-failure",
    title="Invite Code Generation Fails",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("operation", "window", "prefix"),
    needs=frozenset({"households.invite_code"}),
    process="Engineering Escalations, P0: Invite code generation failures",
)
HOUSEHOLDS_NAMED = 100


def gave_up(failed: FromClause, context: Context) -> ColumnElement[bool]:
    return true()


def odd_code(texts: FromClause, context: Context) -> ColumnElement[bool]:
    return and_(texts.c.odd_code, texts.c.created_at <= context.settled)


def nearly_full(prefix: FromClause, context: Context) -> ColumnElement[bool]:
    return prefix.c.codes > context.limits.invite_code_prefix_codes


def collect_failures(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    first: dict[str, Row] = {}
    for place, row in enumerate(sorted(rows, key=lambda row: moment(row["event_timestamp"]))):
        first.setdefault(row["correlation_id"] or f"row {place}", row)
    failures = [row for row in first.values() if moment(row["event_timestamp"]) in context.window]
    if not failures:
        return
    households = sorted({text_of(row["household_id"]) for row in failures} - {""})
    users = sorted({text_of(row["user_id"]) for row in failures} - {""})
    codes = sorted({row["error_code"] for row in failures if row["error_code"]})
    begin, end = moment(failures[0]["event_timestamp"]), moment(failures[-1]["event_timestamp"])
    yield find(
        META,
        context,
        {"operation": "generation", "window": f"{iso(context.window.start)}/{iso(context.window.end)}"},
        impact=Impact(users=len(users), households=len(households)),
        households=households[:HOUSEHOLDS_NAMED],
        users=users[:HOUSEHOLDS_NAMED],
        first_seen=begin,
        occurred_at=end,
        evidence={"failures": len(failures), "error_codes": codes, "first": begin, "last": end},
        story=Story(
            issue=f"Generation of invite codes gave up {count(len(failures), 'time')}.",
            steps=("User asked for a new invite code", "System drew codes until its tries were used up, and gave up"),
            expected="A free code is found at once",
            actual=f"{count(len(failures), 'failure')} between {stamp(begin)} and {stamp(end)}",
            impact=f"{count(len(households), 'household')} without the new code, {count(len(users), 'user')} hit",
            error_messages=listed(codes) or "None recorded",
            screenshots="None; the failures are counted above",
            requesting="Investigation into why no free code was found, and new codes for these households",
        ),
    )


def collect_odd_codes(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    faults = {text_of(row["household_id"]): fault_of(row["invite_code"], context.limits) for row in rows}
    odd = {household: fault for household, fault in sorted(faults.items()) if fault}
    if not odd:
        return
    kinds = {kind: sum(fault == kind for fault in odd.values()) for kind in ("null", "blank", "malformed")}
    shown = list(odd)[: context.limits.incident_members_most]
    said = listed([f"{number:,} {kind}" for kind, number in kinds.items() if number])
    yield find(
        META,
        context,
        {"operation": "stored-codes"},
        impact=Impact(users=0, households=len(odd)),
        kind="state",
        title="Households Without a Usable Invite Code",
        households=shown[:HOUSEHOLDS_NAMED],
        evidence={
            "count": len(odd),
            **kinds,
            "examples": [{"household_id": household, "code": odd[household]} for household in shown[:20]],
        },
        members=tuple(Member(subject={"household_id": household}, households=(household,)) for household in shown),
        story=Story(
            issue=f"{count(len(odd), 'household')} {'has' if len(odd) == 1 else 'have'} no usable invite code.",
            steps=("The household was created, or its code regenerated", "System should have stored PREFIX-WORD-WORD"),
            expected="Every household has a code of the form PREFIX-WORD-WORD in capital letters",
            actual=f"Codes that nobody can join with: {said}",
            impact=f"{count(len(odd), 'household')} can invite nobody",
            screenshots="None; the households are listed in the attachment",
            requesting="New codes for these households and investigation into what stored the old ones",
        ),
    )


def fault_of(code: str | None, limits: Limits) -> str | None:
    """ "null", "blank" or "malformed"; None for a code of the form that the policy describes."""
    if code is None:
        return "null"
    if not code.strip():
        return "blank"
    words = "|".join(map(re.escape, (word.upper() for word in limits.invite_code_words)))
    prefix = f"[A-Z]{{{limits.invite_code_prefix_least},{limits.invite_code_prefix_most}}}"
    return None if re.fullmatch(rf"{prefix}-(?:{words})-(?:{words})", code) else "malformed"


def collect_prefixes(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    possible = len(set(context.limits.invite_code_words)) ** 2
    for row in rows:
        prefix, used = row["prefix"], int(row["codes"])
        yield find(
            META,
            context,
            {"prefix": prefix},
            impact=Impact(users=0, households=used),
            kind="state",
            title="Invite Code Prefix Is Nearly Full",
            evidence={"prefix": prefix, "codes_in_use": used, "possible_codes": possible},
            story=Story(
                issue=f"{used} of the {possible} codes with the prefix {prefix} are in use.",
                steps=(
                    f"A household whose codes begin with {prefix} asks for a new code",
                    "System draws codes blindly",
                ),
                expected="A free code is found within a few tries",
                actual=f"{used / possible:.0%} of all draws hit a code in use; generation will soon give up",
                impact="Nobody yet; the next households with this prefix will get no code",
                screenshots="None; the count is above",
                requesting=f"Other prefixes beside {prefix}, or retirement of codes that are no longer needed",
            ),
        )


DETECTOR = Detector(
    META,
    __doc__,
    (
        Ride(
            "failed-codes",
            gave_up,
            collect_failures,
            ("household_id", "user_id", "event_timestamp", "correlation_id", "error_code"),
            optional=True,
        ),
        Ride("texts", odd_code, collect_odd_codes, ("household_id", "invite_code")),
        Ride("prefixes", nearly_full, collect_prefixes, ("prefix", "codes")),
    ),
)
