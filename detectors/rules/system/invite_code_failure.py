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
Counts, users and households hit, first and last time, the latest failures; the households with their codes' fault; the
codes in use.

What to do
----------
1. Regenerate the codes of the households below, and look whether that works now: without a code nobody can join them.
2. If the prefix {prefix|of this ticket} is nearly full: let the app draw other prefixes, or retire the codes of
   households that everyone has left.
3. Find out what stored no code, or why the tries for a free one ran out.

How to check
------------
    SELECT count(*) AS codes_in_use
      FROM households h
     WHERE h.invite_code LIKE concat(:prefix, '-%')

    SELECT e.household_id, e.user_id, e.event_timestamp, (e.metadata->>'error_code') AS error_code
      FROM household_events e
     WHERE e.event_type = 'household_invite_code_failed' AND e.event_timestamp BETWEEN :first_seen AND :occurred_at

    SELECT h.id
      FROM households h
     WHERE h.invite_code IS NULL OR h.invite_code NOT LIKE '%-%-%'
     ORDER BY h.id LIMIT 100
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, and_, true

from detectors.contract import Context, Detector, Finding, Impact, Member, Meta, Row, Story, Subscription, find
from detectors.domain.values import moment, text_of
from detectors.events import EventType
from detectors.limits import Limits
from detectors.rules._errors import ErrorEvent, codes, each_once, occurrences_finding, span
from detectors.text.wording import count, listed

META = Meta(
    id="invite-code-failure",
    title="Invite Code Generation Fails",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("operation", "prefix"),
    needs=frozenset({"households.invite_code"}),
    consults=frozenset({"household_events"}),
    ways={
        "stored codes and prefixes": (),
        "failures to find a free code": (frozenset({EventType.INVITE_CODE_FAILED}),),
    },
    not_where=frozenset({"other_codes"}),
    sure="rows",
    refuted_by="codes of another form are in order in this deployment",
    process="Engineering Escalations, P0: Invite code generation failures",
)
HOUSEHOLDS_NAMED = 100


def gave_up(failed: FromClause, context: Context) -> ColumnElement[bool]:
    return true()


def odd_code(texts: FromClause, context: Context) -> ColumnElement[bool]:
    return and_(texts.c.odd_code, texts.c.created_at <= context.watermark)


def nearly_full(prefix: FromClause, context: Context) -> ColumnElement[bool]:
    return prefix.c.codes > context.limits.invite_code_prefix_codes


def aggregate_failures(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    failures = each_once(_failures(rows), context)
    if not failures:
        return
    told = [f"{code} ({number:,} times)" for code, number in codes(failures).items() if code != "(none)"]
    households, users = ({getattr(failure, key) for failure in failures} - {""} for key in ("household_id", "user_id"))
    yield occurrences_finding(
        META,
        context,
        {"operation": "generation"},
        failures,
        worst=failures[::-1],
        evidence={},
        story=Story(
            issue=f"Generation of invite codes gave up {count(len(failures), 'time')}.",
            steps=("User asked for a new invite code", "System drew codes until its tries were used up, and gave up"),
            expected="A free code is found at once",
            actual=f"{count(len(failures), 'failure')} {span(failures)}",
            impact=f"{count(len(households), 'household')} without the new code, {count(len(users), 'user')} hit",
            error_messages=listed(told) or "None recorded",
            screenshots="None; the latest failures are listed in the evidence",
            requesting="Investigation into why no free code was found, and new codes for these households",
        ),
    )


def _failures(rows: Iterable[Row]) -> list[ErrorEvent]:
    found = [
        ErrorEvent(
            event_id="",
            type=EventType.INVITE_CODE_FAILED,
            household_id=text_of(row["household_id"]),
            user_id=text_of(row["user_id"]),
            at=moment(row["event_timestamp"]),
            correlation_id=text_of(row["correlation_id"]),
            error_code=text_of(row["error_code"]).strip().upper(),
            error_message="",
            duration_ms=None,
            status="",
            route="",
            member_count="",
            active_members=0,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.at, one.household_id, one.user_id, one.correlation_id, one.error_code))


def aggregate_odd_codes(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
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
            screenshots="None; the households are listed below",
            requesting="New codes for these households and investigation into what stored the old ones",
        ),
    )


def fault_of(code: str | None, limits: Limits) -> str | None:
    """What is wrong with a code: "null", "blank" or "malformed"; None for one of the form that the policy describes."""
    if code is None:
        return "null"
    if not code.strip():
        return "blank"
    words = "|".join(map(re.escape, (word.upper() for word in limits.invite_code_words)))
    prefix = f"[A-Z]{{{limits.invite_code_prefix_least},{limits.invite_code_prefix_most}}}"
    return None if re.fullmatch(rf"{prefix}-(?:{words})-(?:{words})", code) else "malformed"


def aggregate_prefixes(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
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
                screenshots="None; the count is below",
                requesting=f"Other prefixes beside {prefix}, or retirement of codes that are no longer needed",
            ),
        )


DETECTOR = Detector(
    META,
    __doc__,
    (
        Subscription(
            "failed-codes",
            gave_up,
            aggregate_failures,
            ("household_id", "user_id", "event_timestamp", "correlation_id", "error_code"),
            optional=True,
        ),
        Subscription("texts", odd_code, aggregate_odd_codes, ("household_id", "invite_code")),
        Subscription(
            "prefixes", nearly_full, aggregate_prefixes, ("prefix", "codes"), by_night=lambda _: True, about="prefix"
        ),
    ),
    by_night_in_part="prefixes that are nearly full",
)
