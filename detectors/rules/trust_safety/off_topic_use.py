"""Use for something other than pet care

Problem
-------
A household is the front of something else: a betting pool, a car pool, a trading group. The app's invites, roles and
reminders carry what they were not made for.

Fires when
----------
A household's name or description holds an entry of the list of off-topic words in the policy (off_topic_words), as whole words, whatever the
case, with escapes undone and Unicode disguises taken off.

Stays silent when
-----------------
The letters are part of another word; the entry's words stand apart, or a comma or the like ends a thought between them
("the car, pool and garden"). Also while the household is younger than the grace period.

Evidence
--------
The matched entries, and a quotation of at most 80 characters with invisible characters made visible.

What to do
----------
Read the whole text and look at the household's life; a pet can have any name. Warn or restrict the leader's account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from detectors.contract import Context, Detector, Finding, Meta, Row, Subscription
from detectors.limits import Limits
from detectors.rules.trust_safety._listed_words import COLUMNS, any_text, findings_of

META = Meta(
    id="off-topic-use",
    title="Household Used for Something Other Than Pet Care",
    team="trust-safety",
    severity="Next-day",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.name"}),
    process="Trust & Safety Escalations, Next-Day: Using household features for non-pet-care purposes",
)


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    return findings_of(
        META,
        context.limits.off_topic_words,
        rows,
        context,
        pattern="Household's texts hold off-topic words",
        violation="Use of household features for non-pet-care purposes",
    )


def pointless(limits: Limits) -> str | None:
    return None if limits.off_topic_words else "the policy's list of words is empty"


DETECTOR = Detector(META, __doc__, (Subscription("texts", any_text, aggregate, COLUMNS),), pointless=pointless)
