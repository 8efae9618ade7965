"""What a scan counts besides what its rules ask for: rows by table, audit rows by day, and metadata that was lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import date

from detectors.contract import Context
from detectors.engine.lost_metadata import lost_rows, notice_of
from detectors.engine.newest import Newest, newest_of
from detectors.engine.row_counts import count_event_days, count_rows
from detectors.passes.base import Scope
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class Aside:
    """What is to be counted of a source: all of `tables` but what is `known`, and the audit rows of `days`."""

    source: Source
    scope: Scope | None
    context: Context
    known: Mapping[str, int]
    tables: Collection[str]
    days: Collection[date]
    whole: bool
    """False for a look at changes, which asks for no day."""

    def begin(self, pool: Executor) -> Counted:
        """Count in the time that `pool` has left: nobody waits for it, and many rows take long."""
        days = self.days if self.whole else ()
        # Only who knows of days has anything to compare with.
        dated = self.tables if days and self.scope is None else ()
        return Counted(
            self,
            pool.submit(count_rows, self.source, self.scope, self.known, self.tables),
            pool.submit(count_event_days, self.source, days),
            pool.submit(lost_rows, self.source, self.scope, self.context),
            pool.submit(newest_of, self.source, self.context.as_of, dated),
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """What is being counted; to ask for it waits for it. Raises SourceError if the source cannot be read at all."""

    aside: Aside
    _rows: Future[dict[str, int]]
    _days: Future[dict[date, int]]
    _lost: Future[dict[str, int]]
    _newest: Future[Newest]

    def remark(self) -> None:
        """Wait for all of it, and have the source note how much metadata was lost."""
        for counting in (self._rows, self._days, self._newest):
            counting.result()
        notice = notice_of(self.aside.source, self.aside.context, self._lost.result())
        self.aside.source.notices.extend(filter(None, [notice]))

    @property
    def rows(self) -> dict[str, int]:
        return self._rows.result()

    @property
    def days(self) -> dict[date, int]:
        return self._days.result()

    @property
    def newest(self) -> Newest:
        return self._newest.result()
