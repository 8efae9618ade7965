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
1. Read the whole text and look at the life of household {household_id}; a pet can have any name.
2. If it is used for something else: warn the leader; if it goes on, restrict the household features of their account.
3. If it is not: dismiss this ticket as a false positive, or take the word off the policy's list.

How to check
------------
The texts as they stand now: read them.

    SELECT h.id, h.name, h.description
      FROM households h
     WHERE h.id = :household_id
"""

from __future__ import annotations

from detectors.contract import Meta
from detectors.rules.trust_safety._listed_words import detector_of

META = Meta(
    id="off-topic-use",
    title="Household Used for Something Other Than Pet Care",
    team="trust-safety",
    severity="Next-day",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.name"}),
    roles={"users": "leads the household"},
    sure="inferred",
    refuted_by="the words are a pet's name, or mean something else here",
    process="Trust & Safety Escalations, Next-Day: Using household features for non-pet-care purposes",
)


DETECTOR = detector_of(
    META,
    __doc__,
    lambda limits: limits.off_topic_words,
    pattern="Household's texts hold off-topic words",
    violation="Use of household features for non-pet-care purposes",
)
