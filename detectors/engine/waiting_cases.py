"""The cases that passes have named: which detectors wait for each, and their evaluation once no pass may name another."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from detectors.cases.fetchers import FETCHERS, Case
from detectors.cases.user import UserCase
from detectors.contract import CaseKind, Context, Detector, Finding
from detectors.domain.household import HouseholdCase
from detectors.engine.alike import SPARE, Group, groups
from detectors.engine.endings import Endings, reason_of
from detectors.findings import Alike
from detectors.source import QueryError, Source, SourceError

logger = logging.getLogger("hearthwatch.scan")
_NOBODY: tuple[Detector, ...] = ()
_NO_SAMPLE: Mapping[str, tuple[Group, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Counting:
    """That households in the same state may be counted, where they are very many."""

    beyond: int = 2_000
    """From so many cases on."""
    closely: frozenset[str] = frozenset()
    """Households that are evaluated one by one nevertheless."""


class Cases:
    """The cases of one scan, by kind and key. With `counting`, of very many that are alike a part is evaluated."""

    def __init__(
        self,
        source: Source,
        running: Sequence[Detector],
        endings: Endings,
        context: Context,
        counting: Counting | None,
    ) -> None:
        self._source, self._running, self._endings, self._context = source, running, endings, context
        self._counting = counting
        self._waiting: dict[CaseKind, dict[str, tuple[Detector, ...]]] = {kind: {} for kind in FETCHERS}
        self._combined: dict[tuple[str, ...], tuple[Detector, ...]] = {}
        self._together: dict[tuple[int, str], tuple[Detector, ...]] = {}
        self._groups: list[Group] = []
        self.alike: tuple[Alike, ...] = ()

    def number(self, kind: CaseKind) -> int:
        return len(self._waiting[kind])

    def name(self, kind: CaseKind, key: str, detector: Detector) -> None:
        """Have `detector` evaluate a case. The same few combinations wait for very many cases, so each is kept once."""
        waiting = self._waiting[kind].get(key, _NOBODY)
        # By identity: comparing detectors takes longer than all the rest.
        together = self._together.get((id(waiting), detector.id))
        if together is None:
            together = waiting if any(one is detector for one in waiting) else (*waiting, detector)
            together = self._combined.setdefault(tuple(one.id for one in together), together)
            self._together[id(waiting), detector.id] = together
        self._waiting[kind][key] = together

    def evaluate(self, kind: CaseKind) -> set[str]:
        """Evaluate all cases of a kind; the correlation ids of the operations that their state findings tell of."""
        wanted = self._waiting[kind]
        grouped = self._grouped(wanted) if kind == "household_id" else []
        later = {one: wanted.pop(one) for group in grouped for one in group.rest}
        sample = {one: (group, place) for group in grouped for place, one in enumerate(group.ids[: group.evaluated])}
        explained = self._evaluate_all(kind, wanted, sample)
        self._groups = [group for group in grouped if group.agreed]
        for group in self._groups:
            for one in group.rest:
                del later[one]
        return explained | self._evaluate_all(kind, later)

    def _grouped(self, wanted: Mapping[str, tuple[Detector, ...]]) -> list[Group]:
        counting = self._counting
        if counting is None or len(wanted) <= counting.beyond:
            return []
        marking = [detector for detector in self._running if detector.mark is not None]
        try:
            return groups(self._source, wanted, self._context, marking, counting.closely)
        except QueryError:
            logger.debug("telling shapes failed", exc_info=True)
            return []

    def settle_alike(self) -> None:
        """Count what is alike. A household about which something else was found is evaluated by itself: that may explain it."""
        if not self._groups:
            return
        elsewhere: dict[str, set[str]] = {}
        for ending in self._endings.values():
            for one in ending.findings:
                for home in {*one.households, *(home for row in one.members for home in row.households)}:
                    elsewhere.setdefault(home, set()).add(one.detector)
        again: dict[str, tuple[Detector, ...]] = {}
        for group in self._groups:
            theirs = {finding.detector for finding in group.first}
            told = sum(not elsewhere.get(home, set()) <= theirs for home in group.ids[: group.evaluated])
            # An incident lists as many as ever, and is one whatever else explains some of them.
            taken = group.without(set(group.rest) if told > SPARE else elsewhere)
            if len(group.rest) <= group.evaluated:
                taken += group.without(set(group.rest))
            again |= dict.fromkeys(taken, group.waiting)
        self._evaluate_all("household_id", again)
        self.alike = tuple(one for group in self._groups for one in group.counted() if one.number)

    def _evaluate_all(
        self,
        kind: CaseKind,
        wanted: dict[str, tuple[Detector, ...]],
        sample: Mapping[str, tuple[Group, int]] = _NO_SAMPLE,
    ) -> set[str]:
        explained = set[str]()
        concerned = {detector.id for waiting in set(wanted.values()) for detector in waiting}
        try:
            for case in FETCHERS[kind][1](self._source, sorted(wanted), self._context):
                found = self._evaluated(case, wanted.pop(case.key))
                if case.key in sample:
                    group, place = sample[case.key]
                    group.note(place, found)
                if isinstance(case, HouseholdCase | UserCase):
                    explained |= _operations_of(found, case, self._context)
        except Exception as error:
            if isinstance(error, SourceError) and not isinstance(error, QueryError):
                raise
            logger.debug("fetching the facts failed", exc_info=True)
            for name in concerned:
                self._endings[name].fail(reason_of(error, "fetching the facts"))
        return explained

    def _evaluated(self, case: Case, detectors: Iterable[Detector]) -> list[Finding]:
        found: list[Finding] = []
        for detector in detectors:
            if detector.evaluate is not None:
                for finding in self._endings.guarded(detector, detector.evaluate, case, self._context):
                    self._endings[detector.id].evaluated.add(finding)
                    found.append(finding)
        return found


def _operations_of(findings: Sequence[Finding], case: HouseholdCase | UserCase, context: Context) -> set[str]:
    """The correlation ids of the case's events at the time of its state findings."""
    moments = [finding.occurred_at for finding in findings if finding.kind == "state" and finding.occurred_at]
    near = (event for event in case.events if any(abs(event.at - at) <= context.limits.grace for at in moments))
    return {correlation for event in near if (correlation := event.text("correlation_id"))}
