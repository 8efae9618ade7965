"""What has changed of one finding since the last look: the entry that the ledger keeps of it. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from detectors.contract import SEVERITY_ORDER, Finding, Severity, Thinned
from detectors.text.wording import stamp
from escalation.ledger.records import Entry, NightStatus
from escalation.ledger.scrub import scrub, scrub_subject
from escalation.policy.process import Nights

Observation = Literal["seen", "explained", "absent", "rows-gone", Thinned, "trail-gone", "not-looked-at"]
"""How tonight's scan met a finding: as itself, as part of another one, not at all, or its detector could not look.

What is absent because the rows that it was about are gone, or everybody who lived in it, was not repaired. Where some of the rows
behind it are gone, somebody's account, or the audit rows that showed it, nobody can say whether it was.
"""
LOST: tuple[Observation, ...] = ("rows-gone", "rows-fewer", "nobody-left", "account-deleted", "trail-gone")
"""What nobody can look at any more: a person must say what became of it."""
IDS_KEPT = 50
"""How many ids of a finding's households and users an entry keeps."""


def size_of(finding: Finding) -> int:
    """How much is affected: the largest of users, households and grouped rows."""
    counted = finding.evidence.get("count") if finding.members else None
    rows = counted if isinstance(counted, int) else len(finding.members)
    return max(finding.impact.users, finding.impact.households, rows)


def happened_at(finding: Finding) -> datetime | None:
    """The latest time at which it is known to have happened."""
    last = finding.evidence.get("last")
    return last if isinstance(last, datetime) else finding.occurred_at


def more_urgent(one: Severity, than: Severity) -> bool:
    return SEVERITY_ORDER.index(one) < SEVERITY_ORDER.index(than)


def first_entry(finding: Finding, now: datetime, *, explained_by: str | None = None) -> Entry:
    """The entry of a finding that the ledger does not know yet."""
    return Entry(
        fingerprint=finding.fingerprint,
        detector=finding.detector,
        team=finding.team,
        kind=finding.kind,
        severity=finding.severity,
        size=size_of(finding),
        title=str(scrub(finding.title)),
        subject=scrub_subject(finding.subject),
        households=finding.households[:IDS_KEPT],
        users=finding.users[:IDS_KEPT],
        claims=claims_of(finding),
        status="new",
        present=True,
        first_seen_at=now,
        last_seen_at=now,
        happened_at=happened_at(finding),
        said_severity=finding.severity,
        said_size=size_of(finding),
        explained_by=explained_by,
    )


def dated(
    finding: Finding, entry: Entry | None, last_look: datetime | None, now: datetime, *, again: bool = False
) -> Finding:
    """A state with the time at which a look first saw it. `last_look` is when its detector had last looked before that.

    `again` says that it had been found before, and no look since then is known that did not find it.

    Its ticket says between which looks it was found: in the same words on every night, as it may arrive later than it was
    made. That it was not there before nobody knows: limits may have been others.
    """
    if finding.kind != "state":
        return finding
    seen = first_seen(entry, now)
    if again:
        observed = f"Found again at {stamp(seen)}, after it had gone"
    elif last_look is not None:
        observed = f"Not found at the look of {stamp(last_look)}, found at {stamp(seen)}"
    else:
        unknown = "" if finding.occurred_at is not None else "; since when is not known"
        observed = f"Found at the first look for it, {stamp(seen)}{unknown}"
    story = finding.story.model_copy(update={"observed": observed})
    return finding.model_copy(update={"first_seen": seen, "story": story})


def first_seen(entry: Entry | None, now: datetime) -> datetime:
    """When a look first saw what is there tonight."""
    return entry.first_seen_at if entry is not None and entry.present else now


def claims_of(finding: Finding) -> dict[str, Any]:
    """The finding's evidence as JSON types, without personal values and long lists."""
    plain: Mapping[str, Any] = finding.model_dump(mode="json", include={"evidence"})["evidence"]
    kept: dict[str, Any] = scrub(plain)
    return {key: value for key, value in kept.items() if not isinstance(value, list) or len(value) <= IDS_KEPT}


def observe(
    entry: Entry | None,
    observation: Observation,
    finding: Finding | None,
    nights: Nights,
    now: datetime,
    *,
    cause: str | None = None,
) -> Entry:
    """The entry after tonight. `finding` is given when it was seen, `cause` (a fingerprint) when it was explained.

    Raises:
        ValueError: a finding that is not known was not seen either.
    """
    if entry is None:
        if finding is None:
            raise ValueError("nothing is known of what was not seen")
        return first_entry(finding, now, explained_by=cause)
    if observation == "not-looked-at" or observation in LOST:
        return replace(entry, status="not-looked-at")
    gone = observation == "absent"
    returns = tuple(at for at in entry.returns if now - at < timedelta(days=nights.flapping_days))
    if not gone and not entry.present:
        returns = (*returns, now)
    flapping = len(returns) >= nights.flapping_times
    entry = replace(entry, returns=returns, flapping_said=entry.flapping_said and flapping)
    if gone:
        return _absent(entry, flapping=flapping)
    status: NightStatus = "still-there" if entry.present else "back"
    entry = replace(
        entry,
        present=True,
        first_seen_at=first_seen(entry, now),
        last_seen_at=now,
        explained_by=cause if observation == "explained" else None,
    )
    if observation == "explained" or finding is None:
        return replace(entry, status="flapping" if flapping else status)
    return _met(entry, finding, status, flapping=flapping)


def _absent(entry: Entry, *, flapping: bool) -> Entry:
    """The entry of what was not met tonight; what happened once stays a fact."""
    if entry.kind == "occurrence":
        return replace(entry, status="still-there", explained_by=None)
    return replace(entry, status="flapping" if flapping else "gone", present=False, explained_by=None)


def _met(entry: Entry, finding: Finding, status: NightStatus, *, flapping: bool) -> Entry:
    """The entry with what the finding says tonight; of an occurrence met in part, as it was."""
    happened = happened_at(finding)
    if entry.kind == "occurrence" and happened is not None and happened > (entry.happened_at or happened):
        status = "back"
    elif _seen_in_part(entry, finding):
        return replace(entry, status="flapping" if flapping else status)
    elif status == "still-there":
        status = _compared(entry, finding)
    return replace(
        entry,
        status="flapping" if flapping else status,
        severity=finding.severity,
        size=size_of(finding),
        title=str(scrub(finding.title)),
        households=finding.households[:IDS_KEPT],
        users=finding.users[:IDS_KEPT],
        claims=claims_of(finding),
        happened_at=max(filter(None, (happened, entry.happened_at)), default=None),
    )


def _seen_in_part(entry: Entry, finding: Finding) -> bool:
    """True for what happened once and is met again by a window that holds only a part of it: that is not getting better."""
    less_urgent = more_urgent(entry.severity, finding.severity)
    return entry.kind == "occurrence" and (less_urgent or size_of(finding) < entry.size)


def _compared(entry: Entry, finding: Finding) -> NightStatus:
    if finding.severity != entry.severity:
        return "worse" if more_urgent(finding.severity, entry.severity) else "better"
    size = size_of(finding)
    if size > entry.size:
        return "worse"
    return "better" if size < entry.size else "still-there"
