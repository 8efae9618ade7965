"""How fixtures/demo/month.json.gz was made: the month before the demo's two nights. `python -m benchmarks.demo_month` makes it anew.

The findings are the first night's, for other households and earlier days, each from when it began until somebody repaired
it. Around them stands what people did: who acknowledged when, what was resolved too early, what was a false positive.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb

from benchmarks.demo_town import DAY, FIRST_NIGHT, FOLDER
from detectors.contract import Context, Finding, Window, fingerprint
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import open_source
from escalation.decide.incidents import one_per_cause
from escalation.ledger.scrub import pack, unpack
from escalation.policy.policy import Policy, load_policy

NIGHTS = 28
MISSED, BAD, RELEASE = 16, 9, 19
"""The nights on which nobody ran it, on which a table was locked, and after which a release broke transfers."""
PER_NIGHT = (1, 2, 0, 3, 1, 2, 1)
HOURS = {
    "P0": (2, 7),
    "P1": (8, 60),
    "P2": (60, 240),
    "Immediate": (3, 20),
    "Same-day": (18, 60),
    "Next-day": (48, 150),
}
MINUTES = {
    "P0": (8, 28),
    "P1": (25, 110),
    "P2": (60, 230),
    "Immediate": (15, 55),
    "Same-day": (60, 230),
    "Next-day": (200, 1300),
}
UNWRITTEN = {"repeated-timeouts": "the source never wrote operation_timeout or lock_acquisition_timeout"}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d")


def main() -> None:
    policy, chance = load_policy(), random.Random(20260106)
    patterns = _patterns(policy)
    cases, deeds = [], []
    for night in range(NIGHTS):
        for number in range(_how_many(night)):
            finding = _copied(_chosen(night, patterns, chance), night, f"{night} {number}", policy)
            seen, done = _life(finding, night, chance)
            cases.append({"finding": pack(finding), "nights": seen})
            deeds += done
    month = {"nights": list(_nights()), "cases": cases, "deeds": sorted(deeds, key=lambda deed: deed["at"])}
    written = json.dumps(month, separators=(",", ":"), sort_keys=True).encode()
    (FOLDER / "month.json.gz").write_bytes(gzip.compress(written, mtime=0))


def _patterns(policy: Policy) -> dict[str, Finding]:
    """One finding of each detector that the first night has, as its ticket told it."""
    window = Window(FIRST_NIGHT.replace(hour=0) - DAY, FIRST_NIGHT.replace(hour=0))
    with open_source(str(FOLDER / "night-1"), policy.source) as source:
        found = scan(source, DETECTORS, Context(as_of=FIRST_NIGHT, window=window, limits=policy.limits)).findings
    each = one_per_cause(found, policy.limits, policy.environment)
    return {finding.detector: finding for finding in each if len(finding.users) < 20 and not finding.members}


def _how_many(night: int) -> int:
    if night in (0, MISSED):
        return 0 if night else 5
    return PER_NIGHT[night % 7] + (6 if night in (RELEASE, RELEASE + 1) else 0)


def _chosen(night: int, patterns: dict[str, Finding], chance: random.Random) -> Finding:
    broken = [name for name in ("transfer-failed", "no-leader", "approval-not-applied") if name in patterns]
    names = broken if night in (RELEASE, RELEASE + 1) and chance.random() < 0.8 else sorted(patterns)
    return patterns[chance.choice(names)]


def _copied(of: Finding, night: int, salt: str, policy: Policy) -> Finding:
    """The finding as it would have been about other people, some weeks earlier."""
    earlier = timedelta(days=NIGHTS - night)

    def other(found: re.Match[str]) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{found.group()} {salt}"))

    def day(found: re.Match[str]) -> str:
        return f"{date.fromisoformat(found.group()) - earlier}"

    text = json.dumps(pack(of))
    copied = unpack(json.loads(_DATE.sub(day, _UUID.sub(other, text))))
    return copied.model_copy(
        update={"fingerprint": fingerprint(copied.detector, policy.environment, copied.subject), "first_seen": None}
    )


def _life(finding: Finding, night: int, chance: random.Random) -> tuple[list[int], list[dict[str, str]]]:
    """On which nights it is seen, and what people do about its ticket."""
    begun = _at(night)
    late = chance.random() < 0.18
    acknowledged = begun + timedelta(minutes=chance.randint(*MINUTES[finding.severity]) * (5 if late else 1))
    resolved = acknowledged + timedelta(hours=chance.uniform(*HOURS[finding.severity]) * (2.5 if late else 1))
    deeds = [_deed(finding, acknowledged, "acknowledge")]
    if finding.kind == "occurrence":
        wrong = finding.detector in ("mass-removal", "rate-limit-bypass", "mass-creation") and chance.random() < 0.35
        deeds.append(_deed(finding, resolved, "false-positive" if wrong else "resolve"))
        if not wrong:
            deeds.append(_deed(finding, resolved + DAY, "outcome"))
        return [night], _in_time(deeds)
    met_again = (resolved - _at(0)) // DAY + 1
    too_early = chance.random() < 0.12 and met_again != MISSED
    fixed = resolved + (2 * DAY if too_early else timedelta(0))
    deeds.append(_deed(finding, resolved, "resolve"))
    if too_early:
        # A night that still sees it reopens the ticket, and somebody has to begin again.
        again = _at(met_again) + timedelta(minutes=25)
        deeds += [
            _deed(finding, again, "acknowledge"),
            _deed(finding, max(fixed, again + timedelta(hours=1)), "resolve"),
        ]
        fixed = max(fixed, again + timedelta(hours=1))
    deeds.append(_deed(finding, max(fixed + DAY, _at(night + 1) + timedelta(hours=8)), "outcome"))
    seen = [one for one in range(night, NIGHTS) if _at(one) < fixed or one == night]
    return seen, _in_time(deeds)


def _deed(finding: Finding, at: datetime, what: str) -> dict[str, str]:
    return {"at": at.replace(microsecond=0).isoformat(), "fingerprint": finding.fingerprint, "what": what}


def _in_time(deeds: list[dict[str, str]]) -> list[dict[str, str]]:
    """Those of the month: on the first real night, what is not there any more is found to be fixed."""
    return [deed for deed in deeds if datetime.fromisoformat(deed["at"]) < FIRST_NIGHT - timedelta(hours=1)]


def _at(night: int) -> datetime:
    return FIRST_NIGHT - (NIGHTS - night) * DAY


def _nights() -> Iterator[dict[str, Any]]:
    for night in range(NIGHTS):
        if night == MISSED:
            continue
        failed = {"mass-creation": "household_events is locked", "mass-removal": "household_events is locked"}
        yield {
            "number": night,
            "at": _at(night).isoformat(),
            "seconds": round(1.9 + 0.02 * night + (4.4 if night == BAD else 0.3 * (night % 3)), 2),
            "failed": failed if night == BAD else {},
            "unwritten": UNWRITTEN if night < 12 else {},
            **_volumes(_at(night)),
        }


def _volumes(at: datetime) -> dict[str, Any]:
    """What the town's tables held by then."""
    rows = {}
    for table, column in (
        ("households", "created_at"),
        ("household_members", "joined_at"),
        ("household_join_requests", "requested_at"),
        ("users", "created_at"),
    ):
        found = duckdb.execute(f"SELECT count(*) FROM '{FOLDER}/night-1/{table}.parquet' WHERE {column} <= ?", [at])
        rows[table] = (found.fetchone() or (0,))[0]
    days = duckdb.execute(
        f"SELECT CAST(timezone('UTC', event_timestamp) AS DATE) AS day, count(*) FROM '{FOLDER}/night-1/household_events.parquet' "
        "WHERE event_timestamp <= ? AND event_timestamp >= ? GROUP BY day ORDER BY day",
        [at, at.replace(hour=0) - 7 * DAY],
    ).fetchall()
    return {"rows": rows, "days": {f"{day}": number for day, number in days}}


if __name__ == "__main__":
    main()
