"""Reading one pass for all who have a condition on it."""

from __future__ import annotations

import logging
from typing import Any

from detectors.contract import Context, Detector
from detectors.engine.endings import Endings, reason_of
from detectors.engine.subscribed import Subscribers
from detectors.passes import Pass, Subscriber, statement
from detectors.passes.base import Scope
from detectors.source import QueryError, SlowError, Source, SourceError
from detectors.source.trail import EVENTS

logger = logging.getLogger("hearthwatch.scan")
Answer = tuple[Subscriber, Detector, list[Any]]
"""What a pass has for one of its subscribers: the rows on which its condition holds, or their keys."""


class PassReader:
    """Reads the passes of one scan."""

    def __init__(self, source: Source, scope: Scope | None, context: Context, endings: Endings) -> None:
        self._source, self._scope, self._context, self._endings = source, scope, context, endings

    def read(self, one: Pass, subscribers: Subscribers) -> list[Answer]:
        """Each subscriber with its rows, or with their keys where that is all that it needs.

        If the pass fails, it is read for each of them alone, so that only the broken one fails. What ran out of time would do so again for nearly each of them.
        """
        reach = one.reach if self._scope is None and not self._reads_a_part_of_a_day(one) else "picked"
        try:
            combined = statement(
                one, [subscriber for subscriber, _ in subscribers], self._source.tables, self._scope, self._context
            )
            rows = self._source.rows(combined, f"pass {one.id}", reach=reach)
        except Exception as error:
            if isinstance(error, SourceError) and not isinstance(error, QueryError):
                raise
            if len(subscribers) > 1 and not isinstance(error, SlowError):
                return [answered for alone in subscribers for answered in self.read(one, [alone])]
            logger.debug("pass %s failed", one.id, exc_info=True)
            for _, detector in subscribers:
                self._endings[detector.id].fail(reason_of(error, f"pass {one.id}"))
            return []
        return [
            (
                subscriber,
                detector,
                [row if subscriber.subscription.aggregate else row[one.key] for row in rows if row[subscriber.flag]],
            )
            for subscriber, detector in subscribers
        ]

    def _reads_a_part_of_a_day(self, one: Pass) -> bool:
        """Whether a look during the day asks for little of the audit table: an index finds it, however long the history is."""
        return self._context.so_far and any(need.startswith(f"{EVENTS}.") for need in one.needs)
