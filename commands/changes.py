"""What a quick look knows before it looks, so that it need not read everything, and what it leaves for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from commands.believing import Known, listed_by_incidents
from detectors.contract import Context, Detector
from detectors.engine.bookmark import digest_of, loaded
from detectors.engine.by_day import seen_in_part
from detectors.engine.feed import Feed
from detectors.engine.result import ScanResult
from detectors.registry import DETECTORS
from escalation.decide.groups import is_of_a_group, left_to_the_night
from escalation.ledger.ledger import Ledger
from escalation.policy.policy import Policy


def feed_of(ledger: Ledger, known: Known, context: Context, policy: Policy, asked: Sequence[Detector]) -> Feed:
    """What the last look left, and what is known to be wrong by the detectors that are asked."""
    with ledger.begin() as tx:
        bookmark = loaded(tx.bookmark())
    names = {one.id for one in asked}
    entries = [one for one in known.entries if one.detector in names]
    rules = [
        version("hearthwatch"),
        sorted(names),
        context.limits.model_dump(),
        policy.environment,
        policy.source.model_dump(),
    ]
    return Feed(
        rules=digest_of(rules),
        bookmark=bookmark,
        late=context.late or context.limits.grace,
        households=frozenset(home for one in entries for home in one.households),
        users=frozenset(one.subject["user_id"] for one in entries if "user_id" in one.subject),
        groups=frozenset(one.detector for one in entries if is_of_a_group(one)),
    )


def counted_by_night(known: Known, result: ScanResult) -> frozenset[str]:
    """The findings that this look leaves to the night."""
    return left_to_the_night(known.entries, result.in_part, seen_in_part(DETECTORS, result, known.policy.limits))


def bookmark_of(known: Known, result: ScanResult) -> str | None:
    """What the next look compares with, if there is something."""
    listed = listed_by_incidents(result, known)
    return None if result.bookmark is None or listed is None else replace(result.bookmark, listed=listed).dumped()
