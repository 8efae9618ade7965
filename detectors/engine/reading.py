"""Reading one pass for all who have a condition on it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
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

    def __init__(
        self,
        source: Source,
        scope: Scope | None,
        context: Context,
        endings: Endings,
        changed: Scope | None = None,
        groups: Collection[str] = (),
        frequent: Collection[str] = (),
    ) -> None:
        """`changed` is what a look at changes reads of the passes by rows; of `groups` (by detector) something is known.

        Of what happened such a look reads the news, but for the detectors that are `frequent`.
        """
        self._source, self._scope, self._context, self._endings = source, scope, context, endings
        self._changed, self._groups, self._frequent = changed, groups, frequent

    def read(self, one: Pass, subscribers: Subscribers, *, whole: bool = False) -> list[Answer]:
        """Each subscriber with its rows, or with their keys where that is all that it needs.

        If the pass fails, it is read for each of them alone, so that only the broken one fails. What ran out of time would do so again for nearly each of them.
        Of a look at changes, what is found of a group, or known of one, is read of all households.
        """
        if not whole and self._context.news_from is not None and not one.by_rows:
            often = [each for each in subscribers if each[1].id in self._frequent]
            if often:
                rest = [each for each in subscribers if each not in often]
                return [*self.read(one, often, whole=True), *(self.read(one, rest) if rest else ())]
        context = replace(self._context, news_from=None) if whole else self._context
        scope = self._scope if whole or self._changed is None or not one.by_rows else self._changed
        reach = one.reach if scope is None and not self._reads_a_part_of_a_day(one) else "picked"
        try:
            combined = statement(
                one, [subscriber for subscriber, _ in subscribers], self._source.tables, scope, context
            )
            rows = self._source.rows(combined, f"pass {one.id}", reach=reach)
        except Exception as error:
            if isinstance(error, SourceError) and not isinstance(error, QueryError):
                raise
            if len(subscribers) > 1 and not isinstance(error, SlowError):
                return [answered for alone in subscribers for answered in self.read(one, [alone], whole=whole)]
            logger.debug("pass %s failed", one.id, exc_info=True)
            for _, detector in subscribers:
                self._endings[detector.id].fail(reason_of(error, f"pass {one.id}"))
            return []
        groups = [] if scope is self._scope else [each for each in subscribers if self._is_group(*each, rows)]
        return [
            *_each(one, [each for each in subscribers if each not in groups], rows),
            *(answered for group in groups for answered in self.read(one, [group], whole=True)),
        ]

    def _is_group(self, subscriber: Subscriber, detector: Detector, rows: Sequence[Any]) -> bool:
        """Whether a look at changes has something to say of many households together, which only all of them tell."""
        subscription = subscriber.subscription
        if subscription.aggregate is None or subscription.in_part(self._context.limits):
            return False
        return detector.id in self._groups or any(row[subscriber.flag] for row in rows)

    def _reads_a_part_of_a_day(self, one: Pass) -> bool:
        """Whether a look during the day asks for little of the audit table: an index finds it, however long the history is."""
        return self._context.so_far and any(need.startswith(f"{EVENTS}.") for need in one.needs)


def _each(one: Pass, subscribers: Subscribers, rows: Sequence[Any]) -> list[Answer]:
    return [
        (
            subscriber,
            detector,
            [row if subscriber.subscription.aggregate else row[one.key] for row in rows if row[subscriber.flag]],
        )
        for subscriber, detector in subscribers
    ]
