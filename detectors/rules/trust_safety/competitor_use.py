"""Use for a competing service

Problem
-------
A household serves a competitor: it advertises another service to our members, or organises that service's customers.

Fires when
----------
A household's name or description holds an entry of the list of competing services in the policy (competitor_names), as whole words, whatever the
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
2. If it advertises a competitor: warn the leader; if it goes on, restrict the household features of their account.
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
    id="competitor-use",
    title="Household Made for a Competing Service",
    team="trust-safety",
    severity="Next-day",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.name"}),
    roles={"users": "leads the household"},
    sure="inferred",
    refuted_by="the words are a pet's name, or the household uses both apps",
    process="Trust & Safety Escalations, Next-Day: Creating households for competing services",
)


DETECTOR = detector_of(
    META,
    __doc__,
    lambda limits: limits.competitor_names,
    pattern="Household's texts name a competing service",
    violation="Creating households for competing services",
)
