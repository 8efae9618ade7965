"""How tonight's scan met what it found and what the ledger knows: as itself, as a part of another finding, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from detectors.contract import Coverage, Finding, SubjectKey, fingerprint
from detectors.findings import Alike, Found, whole
from escalation.decide.cases import CaseKey, case_of
from escalation.decide.incidents import INCIDENT, OnePerCause, told_of
from escalation.decide.observations import Observation, dated, first_seen, observe
from escalation.decide.remains import rows_are_gone, trail_is_gone
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Entry, Look, Looked
from escalation.ledger.volumes import EVENTS
from escalation.nights.watched import Watched
from escalation.policy.policy import Policy

NOTHING_MORE = Looked()


class Observing:
    """The findings of one scan beside the ledger's entries. It reads the ledger and writes nothing."""

    def __init__(
        self,
        tx: Transaction,
        raw: Sequence[Found],
        coverage: Sequence[Coverage],
        policy: Policy,
        now: datetime,
        *,
        looked: Looked,
        look: Look,
        alike: Sequence[Alike],
    ) -> None:
        self._tx, self._policy, self._now, self._look = tx, policy, now, look
        self._source = looked
        # What a quick look counts is not kept.
        oldest = (one.oldest for one in looked.volumes if one.table == EVENTS and one.believed)
        self._audit_began = max(filter(None, (tx.audit_began_by(now), *oldest)), default=None)
        self.known = tx.entries()
        told = told_of(
            raw, policy.limits, policy.environment, self._ongoing(), alike, both_teams=policy.cases.both_teams
        )
        self.findings = [one for one in told.findings if one.fingerprint not in looked.left]
        self.primary = {one.fingerprint: one for one in self.findings}
        self._raw: dict[str, Found] = {}
        self._causes = self._explained(told)
        self._looked = {entry.detector for entry in coverage if entry.status in ("ran", "proved")}
        self._failed = {entry.detector for entry in coverage if entry.status == "failed"}
        self.known.update(tx.entries_for({*self.primary, *self._causes} - set(self.known)))
        self.findings = self._dated()
        self.primary = {one.fingerprint: one for one in self.findings}

    def _dated(self) -> list[Finding]:
        """The findings with what is known of when they began."""
        looks: dict[tuple[datetime, str], datetime | None] = {}
        found = []
        for one in self.findings:
            entry = self.known.get(one.fingerprint)
            asked = first_seen(entry, self._now), one.detector
            if asked not in looks:
                looks[asked] = self._tx.look_before(*asked)
            look, again = looks[asked], False
            told = None if entry is None else self._tx.last_told_before(one.fingerprint, asked[0])
            if told is not None and (look is None or told[0] >= look):
                look, again = told[0], told[1] != "gone"
            found.append(dated(one, entry, look, self._now, again=again))
        return found

    def _ongoing(self) -> set[str]:
        """The detectors whose incident has not ended."""
        return {
            entry.detector
            for entry in self.known.values()
            if entry.present and entry.subject.get("operation") == INCIDENT
        }

    def _explained(self, told: OnePerCause) -> dict[str, str]:
        """The fingerprint of each finding that is part of another one tonight, with that one's fingerprint.

        Of the rows of a group only those are of interest that the ledger has known by themselves.
        """
        known, causes = self._tx.fingerprints(), dict[str, str]()
        for finding in self.findings:
            rows: list[tuple[str, Mapping[SubjectKey, str]]] = [(row.detector, row.subject) for row in finding.related]
            rows += [(finding.detector, row.subject) for row in finding.members]
            for detector, subject in rows:
                key = fingerprint(detector, self._policy.environment, subject)
                if key in known or not finding.members:
                    causes[key] = finding.fingerprint
        for row, finding in told.rows():
            key = row.fingerprint
            if key in known or not finding.members:
                causes[key], self._raw[key] = finding.fingerprint, row
        return {effect: cause for effect, cause in causes.items() if effect not in self.primary}

    def watched(self) -> Iterator[Watched]:
        """Each finding that is or was there, with what is known of it now. What is a row of an incident is a part of that."""
        for key in sorted({*self.known, *self.primary, *self._causes}):
            before = self.known.get(key)
            if key in self._source.left:
                if before is not None:
                    yield Watched(before, before, "not-looked-at", self._case_of(before))
                continue
            observation, finding = self._observation(key, before)
            if before is None and (finding is None or self._is_row_of_an_incident(key)):
                continue
            if before is not None and self._left_to_the_night(before, observation):
                yield Watched(before, before, "not-looked-at", self._case_of(before))
                continue
            cause = self._causes.get(key)
            entry = observe(before, observation, finding, self._policy.nights, self._now, cause=cause)
            if observation in ("seen", "explained") and key in self._source.behind:
                entry = replace(entry, rows=self._source.behind[key])
            yield Watched(before, entry, observation, self._case_of(entry, finding))

    @staticmethod
    def _case_of(entry: Entry, finding: Finding | None = None) -> CaseKey:
        """By what the finding says tonight, as the ledger keeps no long lists."""
        if finding is None:
            return case_of(entry, entry.subject, entry.claims)
        return case_of(finding, finding.subject, finding.evidence)

    def _left_to_the_night(self, before: Entry, observation: Observation) -> bool:
        """Whether a quick look changes nothing of what is known: it did not look, or an occurrence lies on another day."""
        unseen = observation == "not-looked-at" or (observation == "absent" and before.kind == "occurrence")
        return self._look == "quick" and unseen

    def _observation(self, key: str, before: Entry | None) -> tuple[Observation, Finding | None]:
        if key in self.primary:
            return "seen", self.primary[key]
        if key in self._causes:
            return "explained", whole(self._raw[key]) if key in self._raw else None
        if before is None or before.detector in self._failed:
            return "not-looked-at", None
        watched = before.present and before.kind == "state"
        if watched and rows_are_gone(before, self._source.gone):
            return "rows-gone", None
        if watched and before.detector in self._source.trail:
            then = self._tx.audit_began_by(before.last_seen_at)
            if trail_is_gone(before, then, self._audit_began):
                return "trail-gone", None
        if watched and key in self._source.unseen:
            return "not-looked-at", None
        if watched and key in self._source.thinned:
            return self._source.thinned[key], None
        return ("absent" if before.detector in self._looked else "not-looked-at"), None

    def _is_row_of_an_incident(self, key: str) -> bool:
        """True for what is only a part of a group tonight: the group is watched, not each of its rows."""
        cause = self._causes.get(key)
        return cause in self.primary and bool(self.primary[cause].members)
