"""Commercial use of household features

Problem
-------
A business runs on what is made for families: a sitter with dozens of customers, or a household that is an advertisement.

Fires when
----------
A user began ten or more temporary memberships in the last 30 days across five or more households; or a household that the
user leads has commercial words in its texts beside contact details or a price. A price for a night, an hour or a walk is
both; a company's legal form counts in the name.

Stays silent when
-----------------
Nine memberships, or four households: a sitter in a few households. Commercial words without a price or contact; a price
or a telephone number without commercial words; dates and microchip numbers, which are no telephone numbers; the vet's,
the insurer's or the pet shop's number and prices. Also while rows are younger than the grace period.

Evidence
--------
The memberships with their households and times, or the words with a quotation of at most 80 characters.

What to do
----------
1. Read the texts and look at the sittings of account {user_id}: are they a business?
2. If the terms allow it, ask the Customer Success Manager to offer an account for organisations.
3. If they forbid it: decide on a warning or a feature restriction.

How to check
------------
    SELECT m.household_id, m.joined_at AS since
      FROM household_members m
     WHERE m.user_id = :user_id AND m.is_temporary
    UNION ALL
    SELECT h.id, h.created_at
      FROM households h
     WHERE h.leader_id = :user_id
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.user import UserCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Row, Story, Subscription, find
from detectors.domain.values import text_of
from detectors.limits import Limits
from detectors.rules.trust_safety._listed_words import COLUMNS, any_text, settled_rows
from detectors.text.reading import Words, readable, words_in
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="commercial-use",
    title="Suspected Commercial Use of Household Features",
    team="trust-safety",
    severity="Same-day",
    kind="state",
    subject=("user_id",),
    needs=frozenset({"household_members.is_temporary", "household_members.joined_at"}),
    partly_where={"rows_are_deleted": "sittings that are over"},
    roles={"subject.user_id": "actor"},
    sure="inferred",
    refuted_by="a neighbour who sits for many friends and takes no money",
    process="Trust & Safety Escalations, Same-Day: Commercial use of household features",
)
_CURRENCY = r"(?:usd|eur|gbp|cad|aud|chf|dollars?|euros?|bucks|quid)"
_PRICE = re.compile(rf"[$€£¥₹]\s?\d|\d\s?[$€£¥₹]|\d\s?{_CURRENCY}\b|\b{_CURRENCY}\s?\d")
_AMOUNT = r"\d[\d.,]*(?:\s?[-\u2013]\s?[$€£¥₹]?\d[\d.,]*)?"
_AFTER_A_PRICE = re.compile(rf"(?:(?:[$€£¥₹]|\b{_CURRENCY})\s?{_AMOUNT}|\d\s?(?:[$€£¥₹]|{_CURRENCY}))\s*$")
_ADDRESS = re.compile(
    r"[\w.+-]@[\w-]+\.[a-z]{2,}|(?<!\w)@\w{3,}|https?://|\bwww\."
    r"|\w-*\.(?:com|net|org|io|app|shop|biz|info|example|eu|de|ch|fr|nl|uk|ca|au)\b"
)
_TELEPHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ()./\u2010-\u2015-]{5,}\d(?!\w)")
_DATE = re.compile(r"(?<![\d./-])(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{2,4})(?![./-]?\d)")


def many_sittings(user: FromClause, context: Context) -> ColumnElement[bool]:
    return user.c.recent_sittings >= context.limits.commercial_sittings


def _lately(limits: Limits) -> timedelta:
    """How long before the scan a sitting may have begun to count."""
    return timedelta(days=limits.commercial_sitting_days)


def evaluate(case: UserCase, context: Context) -> Iterator[Finding]:
    limits = context.limits
    start = context.as_of - _lately(limits)
    rows = [row for row in case.memberships if row.is_temporary and start < row.joined_at <= context.watermark]
    households = sorted({row.household_id for row in rows})
    if len(rows) < limits.commercial_sittings or len(households) < limits.commercial_sitting_households:
        return
    said = f"{count(len(rows), 'temporary membership')} across {count(len(households), 'household')}"
    yield find(
        META,
        context,
        {"user_id": case.user_id},
        impact=Impact(users=1, households=len(households)),
        households=households,
        users=[case.user_id],
        first_seen=rows[0].joined_at,
        occurred_at=rows[-1].joined_at,
        evidence={
            "temporary_memberships": len(rows),
            "memberships": [{"household_id": row.household_id, "joined_at": row.joined_at} for row in rows],
        },
        story=_story(
            f"User began {said} in {limits.commercial_sitting_days} days",
            tuple(f"{stamp(row.joined_at)}: joined {row.household_id} as a sitter" for row in rows[:20]),
        ),
    )


def aggregate_texts(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    found: dict[str, list[tuple[str, tuple[str, ...], str]]] = defaultdict(list)
    for row in settled_rows(rows, context):
        text = f"{row['name'] or ''}\n{row['description'] or ''}"
        hit = _offer(row["name"], text, context.limits)
        if hit and row["leader_id"] is not None and names_price_or_contact(text):
            found[text_of(row["leader_id"])].append((text_of(row["household_id"]), hit.found, hit.quote))
    for user_id, texts in sorted(found.items()):
        words = sorted({word for _, hits, _ in texts for word in hits})
        yield find(
            META,
            context,
            {"user_id": user_id},
            impact=Impact(users=1, households=len(texts)),
            households=[household for household, _, _ in texts],
            users=[user_id],
            evidence={
                "words": words,
                "texts": [{"household_id": household, "quote": quoted} for household, _, quoted in texts],
            },
            story=_story(
                f"Texts of the user's household offer a service beside a price or contact details: {listed(words)}",
                tuple(f"{household}: “{quoted}”" for household, _, quoted in texts[:20]),
            ),
        )


def _offer(name: str | None, text: str, limits: Limits) -> Words | None:
    return (
        words_in(text, limits.commercial_words)
        or words_in(text, limits.commercial_rates, after=_AFTER_A_PRICE)
        or words_in(name, limits.company_words)
    )


def names_price_or_contact(text: str) -> bool:
    """Whether a text names a price, an address on the network or a telephone number."""
    plain = readable(text).casefold()
    if _PRICE.search(plain) or _ADDRESS.search(plain):
        return True
    numbers = _TELEPHONE.findall(_DATE.sub(" ", plain))
    return any(7 <= sum(char.isdigit() for char in number) <= 13 for number in numbers)


def _story(pattern: str, evidence: tuple[str, ...]) -> Story:
    return Story(
        pattern=pattern,
        evidence=evidence,
        suspected_violation="Commercial use of household features (not the intended use case)",
        reporter="Internal monitoring alert",
        requesting="Account review, and a decision on restriction or an account for organisations",
    )


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("active-users", many_sittings), Subscription("texts", any_text, aggregate_texts, COLUMNS)),
    evaluate,
    looks_back={"sittings": _lately},
)
