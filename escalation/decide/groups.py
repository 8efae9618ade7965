"""Findings about a group that a detector made by itself, such as the households that everyone has left."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from escalation.decide.incidents import INCIDENT
from escalation.ledger.records import Entry


def is_of_a_group(entry: Entry) -> bool:
    return entry.subject.get("operation") not in (None, INCIDENT)


def left_to_the_night(entries: Iterable[Entry], seen: Collection[str], detectors: Collection[str]) -> frozenset[str]:
    """The fingerprints of the groups that a look at changes leaves as they are, because it sees a part of them at most.

    These are the groups that it has `seen` (fingerprints), and what is known of the `detectors` that make such groups.
    """
    known = {one.fingerprint for one in entries if is_of_a_group(one) and one.detector in detectors}
    return frozenset(known.union(seen))
