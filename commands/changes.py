"""What a quick look knows before it looks, so that it need not read everything, and what it leaves for the next one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from commands.believing import Known, listed_by_incidents
from detectors.contract import Context, Detector
from detectors.engine.bookmark import digest_of, loaded
from detectors.engine.by_day import seen_in_part
from detectors.engine.feed import Feed
from detectors.engine.result import ScanResult
from detectors.limits import Limits
from detectors.registry import BY_ID, DETECTORS
from escalation.decide.groups import is_of_a_group, left_to_the_night
from escalation.ledger.ledger import Ledger
from escalation.ledger.records import Entry
from escalation.policy.policy import Policy


def feed_of(ledger: Ledger, known: Known, context: Context, policy: Policy, asked: Sequence[Detector]) -> Feed:
    """What the last look left, and what is known to be wrong by the detectors that are asked."""
    names = {one.id for one in asked}
    with ledger.begin() as tx:
        bookmark = loaded(tx.bookmark())
        happened = [
            one
            for one in tx.entries().values()
            if one.kind == "occurrence"
            and one.detector in names
            and (one.happened_at or one.last_seen_at) >= context.window.start
        ]
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
        frequent=_frequent(happened, policy),
        again=frozenset(
            one.subject[key] for one in happened for key in ("user_id", "household_id") if key in one.subject
        ),
    )


def _frequent(happened: Sequence[Entry], policy: Policy) -> frozenset[str]:
    """The detectors of which so much is known of a window that a look at its news alone could miss an incident, or a group."""
    each = Counter(one.detector for one in happened)
    grouped = {one.detector for one in happened if "operation" in one.subject}
    return frozenset(grouped | {name for name, number in each.items() if 2 * number > policy.limits.incident_size})


def counted_by_night(known: Known, result: ScanResult) -> frozenset[str]:
    """The findings that this look leaves to the night."""
    limits = known.policy.limits
    left = left_to_the_night(known.entries, result.in_part, seen_in_part(DETECTORS, result, limits))
    return left.union(one.fingerprint for one in known.entries if _is_not_asked_for(one, limits))


def _is_not_asked_for(entry: Entry, limits: Limits) -> bool:
    """Whether a known finding is of a kind that its detector leaves to the night, while it looks for others."""
    subscriptions = BY_ID[entry.detector].subscriptions if entry.detector in BY_ID else ()
    return any(each.by_night(limits) and each.about in entry.subject for each in subscriptions)


def bookmark_of(known: Known, result: ScanResult) -> str | None:
    """What the next look compares with, if there is something."""
    listed = listed_by_incidents(result, known)
    return None if result.bookmark is None or listed is None else replace(result.bookmark, listed=listed).dumped()
