"""Which detectors have a condition on which pass, and which kinds of cases a pass opens for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from detectors.cases.fetchers import FETCHERS
from detectors.contract import CaseKind, Context, Detector, Span, Subscription
from detectors.limits import Limits
from detectors.passes import PASSES, Pass, Subscriber
from detectors.source import Schema

Subscribers = Sequence[tuple[Subscriber, Detector]]


def passes_of(detectors: Iterable[Detector]) -> dict[str, list[str]]:
    """Which detectors have a condition on which pass."""
    subscribers: dict[str, list[str]] = {name: [] for name in PASSES}
    for detector in detectors:
        for name in dict.fromkeys(subscription.on for subscription in detector.subscriptions):
            subscribers[name].append(detector.id)
    return subscribers


def spans_of(detectors: Iterable[Detector], limits: Limits) -> dict[Span, timedelta]:
    """How far `detectors` look back at something; of several the longest."""
    spans: dict[Span, timedelta] = {}
    for detector in detectors:
        for span, look_back in detector.looks_back.items():
            spans[span] = max(look_back(limits), spans.get(span, timedelta()))
    return spans


def forgetful(detectors: Iterable[Detector]) -> frozenset[str]:
    """The ids of the detectors that look back so far and no further: what they know must be given to `recheck`."""
    return frozenset(
        detector.id
        for detector in detectors
        if detector.meta.kind == "state"
        and any(PASSES[subscription.on].history for subscription in detector.subscriptions)
    )


def subscribed(detectors: Sequence[Detector], schema: Schema, context: Context) -> list[tuple[Pass, Subscribers]]:
    """The passes that `detectors` need, each with its subscribers: the long ones first, and of these what opens cases, kind by kind.

    So those cases are evaluated while other passes read, and no long one is left to the end, when nothing is there to read beside it.
    """
    found = [(one, some) for one in PASSES.values() if (some := _subscribers(one, detectors, schema, context))]
    kinds = list(FETCHERS)

    def in_line(each: tuple[Pass, Subscribers]) -> tuple[bool, int]:
        return each[0].reach == "picked", min(map(kinds.index, opened(each[1])), default=len(kinds))

    return sorted(found, key=in_line)


def _subscribers(one: Pass, detectors: Sequence[Detector], schema: Schema, context: Context) -> Subscribers:
    return [
        (Subscriber(f"f_{detector.id.replace('-', '_')}_{place}", subscription), detector)
        for detector in detectors
        for place, subscription in enumerate(detector.subscriptions)
        if subscription.on == one.id
        and not (subscription.optional and schema.missing(one.needs))
        and not (context.so_far and subscription.by_night(context.limits))
    ]


def opens(subscription: Subscription) -> CaseKind | None:
    """The kind of case that a subscription opens; None where it aggregates."""
    if subscription.aggregate is not None:
        return None
    key = PASSES[subscription.on].key
    return subscription.opens or (None if key == "prefix" else key)


def opened(subscribers: Subscribers) -> set[CaseKind]:
    """The kinds of cases that a pass opens for its subscribers."""
    return {kind for subscriber, _ in subscribers if (kind := opens(subscriber.subscription)) is not None}


def aggregates_history(detector: Detector) -> bool:
    """Whether it aggregates rows of a pass that leaves out what is older than the look-back."""
    return any(PASSES[subscription.on].history and subscription.aggregate for subscription in detector.subscriptions)
