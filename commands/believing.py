"""A scan held against what the ledger knows of the source: which tables are believed, and what is no longer there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import cast

import click

from commands.copies import older_copies, refuse_another_town, volumes_of
from commands.scanning import After, refuse_empty
from detectors.contract import Detector, Finding, SubjectKey, fingerprint
from detectors.engine.applicability import believable, health_of, tables_of
from detectors.engine.belief import disbelieve, rows_gone
from detectors.engine.blind_spots import blind_spots
from detectors.engine.doubts import doubts_of
from detectors.engine.looking_back import looked_back, not_looked_at
from detectors.engine.newest import newest_of
from detectors.engine.result import ScanResult
from detectors.engine.row_counts import count_rows
from detectors.engine.rows_behind import behind_each
from detectors.engine.subscribed import forgetful
from detectors.source import Source
from detectors.source.identity import server_of
from detectors.source.trail import EVENTS
from detectors.text.wording import count, stamp
from escalation.decide.incidents import INCIDENT, told_of
from escalation.decide.observations import IDS_KEPT
from escalation.decide.remains import rows_to_look_for
from escalation.decide.volume import LONG_OUTAGE, Baseline, baseline_of, days_to_count, doubts, recorded
from escalation.errors import LedgerError
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.nights import NightRow
from escalation.ledger.records import Entry, Looked, Volume
from escalation.policy.policy import Policy

ANOTHER = "the source is on another server"
"""A copy of the town, or another town, shows nothing of what was repaired in the one that the tickets are about."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of the source: how much it held, and what was wrong there."""

    baselines: Mapping[str, Baseline]
    entries: tuple[Entry, ...]
    waiting: frozenset[int]
    """The rows of the tickets that have not ended."""
    outage: bool
    night: NightRow | None
    """The last night that could look at everything."""
    looks: tuple[NightRow, ...]
    """All nights and quick looks after that, in their order."""
    policy: Policy
    as_of: datetime

    def days(self, as_of: datetime) -> frozenset[date]:
        """The days whose audit rows the scan must count."""
        return days_to_count(self.baselines.get(EVENTS), as_of, self.policy.volume)

    def doubts(self, seen: Mapping[str, Volume], source: Source | None = None) -> dict[str, str]:
        """Why tables are not believed; `source` is asked whether rows that lack were deleted."""
        rules = self.policy.volume
        aged = older_copies(source, self.baselines, seen, rules, self.as_of)
        shrinking = self.policy.source.app.shrinking
        return {**aged, **doubts(self.baselines, seen, rules, outage=self.outage, shrinking=shrinking)}


def known_of(ledger: Ledger, policy: Policy, as_of: datetime) -> Known:
    """What a scan as of `as_of` is held against. Raises LedgerError, and UsageError for another environment's ledger."""
    with ledger.begin() as tx:
        found = {table: baseline_of(nights) for table, nights in tx.volumes().items()}
        last, complete = tx.latest_night(), tx.last_complete_night()
        looks = tx.looks_after(None if complete is None else complete.as_of)
        entries = tuple(one for one in tx.entries().values() if one.present and one.kind == "state")
        waiting = frozenset(one.id for one in tx.tickets(ended=False))
    _of_this_environment(entries, policy)
    return Known(
        {table: baseline for table, baseline in found.items() if baseline is not None},
        entries,
        waiting,
        last is not None and as_of - last.as_of > LONG_OUTAGE,
        complete,
        looks,
        policy,
        as_of,
    )


def _of_this_environment(entries: Sequence[Entry], policy: Policy) -> None:
    """Under another environment's name everything that is known would be gone, and so called fixed."""
    named = [one for one in entries if {*one.subject} <= {"household_id", "user_id"}]
    if named and not any(one.fingerprint == _fingerprint_of(one, policy) for one in named):
        raise click.UsageError(
            f"the ledger's tickets are of another environment than the policy's ({policy.environment!r}): give each "
            "environment a ledger and a queue of its own, or name the old one in the policy again"
        )


def _fingerprint_of(entry: Entry, policy: Policy) -> str:
    return fingerprint(entry.detector, policy.environment, cast(Mapping[SubjectKey, str], entry.subject))


def known_households(ledger: Ledger, detectors: Sequence[Detector]) -> dict[str, list[str]]:
    """The households in which something was last seen that may have left the look-back, by detector."""
    households: dict[str, list[str]] = {name: [] for name in forgetful(detectors)}
    with ledger.begin() as tx:
        for entry in tx.entries().values():
            if entry.present and entry.kind == "state" and entry.detector in households:
                households[entry.detector].extend(entry.households)
    return households


def held_against(known: Known, detectors: Sequence[Detector], *, accept: bool) -> After:
    """A whole scan without what rests on tables that are not believed; with `accept` all are."""

    def after(source: Source, result: ScanResult) -> ScanResult:
        reasons = {}
        if not accept:
            before = known.baselines.get("households")
            # Somebody may have said that the app has no households yet.
            if before is None or before.latest.rows:
                taken = "; nothing was recorded (--accept-volume takes it as it is)"
                result = refuse_empty(source, result, unexpected=before is not None, more=taken)
            refuse_another_town(source, known.baselines)
            reasons = known.doubts(volumes_of(result, known.baselines), source)
        here = replace(known, night=None, looks=()) if accept else known
        return _after(source, disbelieve(result, reasons, detectors), here, known.entries, detectors)

    return after


def told_by_ledger(url: str, policy: Policy, as_of: datetime, result: ScanResult) -> list[str]:
    """What a run would say of the tables that a scan read, by the ledger at `url`, if there is one that can be asked.

    It may be another source's, so that it is told and nothing is held back.
    """
    try:
        with open_ledger(url, exclusive=False, create=False, upgrade=False) as ledger:
            known = known_of(ledger, policy, as_of)
    except (LedgerError, click.UsageError):
        return []
    reasons = known.doubts(volumes_of(result, known.baselines))
    return [
        f"{reason} by a run with this ledger; what this scan found there may come of missing rows"
        for reason in reasons.values()
    ]


def held_against_in_part(known: Known, detectors: Sequence[Detector], entries: Sequence[Entry]) -> After:
    """The same for a scan of some households: the tables are counted as a whole, for that scan saw a part only."""

    def after(source: Source, result: ScanResult) -> ScanResult:
        refuse_another_town(source, known.baselines)
        tables = {table for one in detectors for table in tables_of(one)}
        health = health_of(source, detectors, known.policy.limits, as_of=known.as_of)
        believable(source, health)
        notices = (*result.notices, *health.notices)
        result = replace(
            result,
            spots=blind_spots(detectors, source.schema, health, notices),
            doubts=doubts_of(source, notices),
            unknown_types=health.trail is not None and bool(health.trail.unknown),
        )
        rows, newest = count_rows(source, None, health.rows, tables=tables), newest_of(source, known.as_of, tables)
        whole = replace(result, rows_read=rows, newest=newest)
        reasons = known.doubts(volumes_of(whole, known.baselines), source)
        concerned = {table: reason for table, reason in reasons.items() if table in tables}
        return _after(source, disbelieve(result, concerned, detectors), known, entries, detectors)

    return after


def _after(
    source: Source, result: ScanResult, known: Known, entries: Iterable[Entry], detectors: Sequence[Detector]
) -> ScanResult:
    by_id = {one.id: one for one in detectors}
    grouped = _incidents(result, known)
    found = {one.fingerprint for one in (*result.findings, *grouped)}
    # Where nothing is left to look at a detector is not applicable, and then what it once found is gone, too.
    failed = {one.detector for one in result.coverage if one.status == "failed"}
    asked = by_id.keys() - failed
    absent = [one for one in entries if one.detector in asked and one.fingerprint not in found]
    wanted = {table: ids for table, ids in rows_to_look_for(absent).items() if table not in result.disbelieved}
    each = Counter(one.detector for one in result.findings)
    # What becomes an incident is watched as a whole, by the households that its entry keeps.
    single = [one for one in result.findings if each[one.detector] <= known.policy.limits.incident_size]
    watermark = known.as_of - known.policy.limits.grace
    unseen, thinned = looked_back(source, absent, by_id, result, known.as_of, watermark)
    server = server_of(source)
    unseen.update(_seen_elsewhere(absent, known, server))
    behind = behind_each(source, [*single, *grouped], by_id, known.as_of, watermark, IDS_KEPT)
    return replace(
        result,
        gone=rows_gone(source, wanted),
        behind=dict(_with_spots(result, behind, known.policy)),
        unseen=unseen,
        thinned=thinned,
        server=server,
    )


def _seen_elsewhere(absent: Iterable[Entry], known: Known, server: str | None) -> dict[str, str]:
    """What was last seen on another server: on the last complete night, or by a look after that."""
    elsewhere: dict[str, str] = {}
    for one in absent:
        since = [look for look in known.looks if look.as_of <= one.last_seen_at]
        last = since[-1] if since else known.night
        if last is not None and None not in (server, last.server) and server != last.server:
            elsewhere[one.fingerprint] = f"{ANOTHER} than on the run of {stamp(last.as_of)}"
    return elsewhere


def _incidents(result: ScanResult, known: Known) -> list[Finding]:
    """The incidents that the night will make of what was found, each with the households that its entry keeps."""
    made = _whole_incidents(result, known)
    return [one.model_copy(update={"households": one.households[:IDS_KEPT]}) for one in made]


def _whole_incidents(result: ScanResult, known: Known) -> list[Finding]:
    ongoing = {one.detector for one in known.entries if one.subject.get("operation") == INCIDENT}
    each, limits = Counter(one.detector for one in result.findings), known.policy.limits
    if not ongoing and max(each.values(), default=0) <= limits.incident_size:
        return []
    told = told_of(result.findings, limits, known.policy.environment, ongoing, result.alike).findings
    return [one for one in told if one.subject.get("operation") == INCIDENT and one.members]


def listed_by_incidents(result: ScanResult, known: Known) -> frozenset[str] | None:
    """The households of all rows of the incidents; None where there are so many that not each is listed."""
    incidents = [one for one in _whole_incidents(result, known) if one.kind == "state"]
    if any(one.evidence.get("count", 0) > len(one.members) for one in incidents):
        return None
    return frozenset(home for one in incidents for row in one.members for home in row.households)


def _with_spots(
    result: ScanResult, behind: Mapping[str, Mapping[str, int]], policy: Policy
) -> Iterator[tuple[str, Mapping[str, int]]]:
    """The rows behind each state, and each incident of them, and what its detector did not look at."""
    blind = {name: not_looked_at(spots) for name, spots in result.spots.items()}
    for name in {one.detector for one in result.findings if one.kind == "state"}:
        incident = fingerprint(name, policy.environment, {"operation": INCIDENT})
        yield incident, {**behind.get(incident, {}), **blind.get(name, {})}
    for one in result.findings:
        if one.kind == "state":
            own = behind.get(one.fingerprint)
            yield one.fingerprint, {**own, **blind.get(one.detector, {})} if own else blind.get(one.detector, {})


def unseen_lines(result: ScanResult, known: Known) -> list[str]:
    """One line for each reason why what is on tickets in progress could not be seen."""
    detectors: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in known.entries:
        if entry.ticket_id in known.waiting and entry.fingerprint in result.unseen:
            detectors[result.unseen[entry.fingerprint]][entry.detector] += 1
    return [
        f"{reason}; {count(found.total(), 'finding')} of {', '.join(sorted(found))} could not be looked at as before, and "
        f"nothing of that was called fixed. {_what_to_do(reason)}"
        for reason, found in detectors.items()
    ]


def _what_to_do(reason: str) -> str:
    if not reason.startswith(ANOTHER):
        return "Deliver it as before and run again"
    return "Run on the one of before, or, if all has moved there, take that once with `hearthwatch run --accept-volume`"


def looked_of(result: ScanResult, known: Known, detectors: Sequence[Detector], *, accept: bool) -> Looked:
    """What the night is told of the source."""
    seen = volumes_of(result, known.baselines)
    return Looked(
        volumes=recorded(seen, known.doubts(seen) if accept else result.disbelieved, accept=accept),
        audited=EVENTS in result.tables,
        reached=result.reached,
        disbelieved=result.disbelieved,
        gone=result.gone,
        behind=result.behind,
        thinned=result.thinned,
        server=result.server,
        unseen=result.unseen,
        not_seen=tuple(unseen_lines(result, known)),
        trail=on_trail(detectors),
    )


def on_trail(detectors: Sequence[Detector]) -> frozenset[str]:
    """The detectors whose verdicts rest on the audit table, also those that do without where there is none."""
    return forgetful(detectors) | {one.id for one in detectors if EVENTS in tables_of(one)}
