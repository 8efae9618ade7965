"""The operations that the app limits, counted as it should have counted them: in rolling windows, each once.

docs/petforce.md, The app's limits. The app counts per process and from the first call on; that is its matter, not a measure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from detectors.contract import Context, Row, SubjectKey
from detectors.domain.retries import Removal, each_removal_once, first_of_each
from detectors.domain.values import moment, text_of
from detectors.limits import Limits
from detectors.source.ids import plain_id

COLUMNS = (
    "kind",
    "limit_name",
    "actor",
    "household_id",
    "at",
    "correlation_id",
    "member_id",
    "request_id",
    "error_code",
    "leader_id",
)
"""The columns of the pass `limited` that `rate_counters_of` reads, besides its key."""


@dataclass(frozen=True, slots=True)
class AppLimit:
    """At most `most` operations in any stretch of `within`, for each value of the subject key `per`."""

    name: str
    per: SubjectKey
    most: int
    within: timedelta
    noun: str


def app_limits(limits: Limits) -> dict[str, AppLimit]:
    """The app's own limits by the name that rate_limit_exceeded has for them."""
    day, hour = timedelta(hours=24), timedelta(minutes=60)
    return {
        one.name: one
        for one in (
            AppLimit("household_creation", "user_id", limits.app_creations_per_day, day, "household creation"),
            AppLimit("join_request", "user_id", limits.app_join_requests_per_hour, hour, "join request"),
            AppLimit("member_removal", "household_id", limits.app_removals_per_day, day, "member removal"),
            AppLimit("invite_regeneration", "household_id", limits.app_regenerations_per_day, day, "code regeneration"),
            AppLimit("invite_validation", "ip_address", limits.app_validations_per_hour, hour, "code validation"),
        )
    }


@dataclass(frozen=True, slots=True)
class Operation:
    """A limited operation, or a refusal of one. Empty texts are unknown."""

    at: datetime
    user_id: str
    household_id: str
    correlation_id: str
    member_id: str
    request_id: str
    error_code: str
    leader_id: str


@dataclass(frozen=True, slots=True)
class RateCounter:
    """One limit and one actor, with what was done. Each tuple is in order of time, retries and refusals left out.

    `by_events` is what the audit trail says was done, `by_rows` what the join requests' own rows say; neither is known
    to be complete, and adding them would count twice, so that each is evaluated alone.
    """

    limit: AppLimit
    actor: str
    by_events: tuple[Operation, ...]
    by_rows: tuple[Operation, ...]
    refusals: tuple[Operation, ...]


def rate_counters_of(rows: Iterable[Row], context: Context) -> list[RateCounter]:
    """The pass's rows by limit and actor, sorted; unknown limits and unknown actors are left out."""
    known, refusal_codes = app_limits(context.limits), context.limits.refusal_codes
    grouped: dict[tuple[str, str], dict[str, list[Operation]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        name, actor = text_of(row["limit_name"]), text_of(row["actor"])
        operation = _operation(row)
        if name in known and actor and (row["kind"] == "refused" or operation.error_code not in refusal_codes):
            grouped[name, actor][row["kind"]].append(operation)
    return [
        _rate_counter(known[name], actor, kinds["done"], kinds["row"], kinds["refused"])
        for (name, actor), kinds in sorted(grouped.items())
    ]


def _operation(row: Row) -> Operation:
    return Operation(
        at=moment(row["at"]),
        user_id=text_of(row["user_id"]),
        household_id=text_of(row["household_id"]),
        correlation_id=text_of(row["correlation_id"]),
        member_id=plain_id(text_of(row["member_id"])),
        request_id=plain_id(text_of(row["request_id"])),
        error_code=text_of(row["error_code"]).strip().upper(),
        leader_id=text_of(row["leader_id"]),
    )


def _rate_counter(
    limit: AppLimit, actor: str, done: list[Operation], rows: list[Operation], refusals: list[Operation]
) -> RateCounter:
    refused = {refusal.correlation_id for refusal in refusals} - {""}
    correlations = {operation.request_id: operation.correlation_id for operation in done if operation.request_id}
    rows = [replace(row, correlation_id=correlations.get(row.request_id, "")) for row in rows]
    return RateCounter(
        limit, actor, _done(limit, done, refused), _done(limit, rows, refused), _once(_by_time(refusals))
    )


def _by_time(operations: Iterable[Operation]) -> list[Operation]:
    # By everything that the evidence shows, so that both engines show the same.
    return sorted(operations, key=lambda one: (one.at, one.household_id, one.user_id, one.member_id, one.request_id))


def _once(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Each operation once, at its earliest time. One call may remove several members, and the app counts each."""
    return tuple(first_of_each(operations, lambda one: one.correlation_id and (one.correlation_id, one.member_id)))


def _done(limit: AppLimit, operations: list[Operation], refused: set[str]) -> tuple[Operation, ...]:
    kept = [operation for operation in _once(_by_time(operations)) if operation.correlation_id not in refused]
    if limit.name == "member_removal":
        others = [one for one in kept if not one.member_id or one.member_id != one.user_id]
        # The app counts a second call for the same member, however soon: only where no ids tell, is it taken for a repetition.
        kept = each_removal_once(
            others, lambda one: Removal(one.member_id, one.at, one.correlation_id), double_click=None
        )
    elif limit.name == "household_creation":
        kept = first_of_each(kept, lambda operation: operation.household_id)
    elif limit.name == "join_request":
        kept = first_of_each(kept, lambda operation: operation.request_id)
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class Excess:
    """Where a limit was passed: the moments of the window at which it was, and the most operations in any of them."""

    moments: tuple[datetime, ...]
    most: int
    operations: tuple[Operation, ...]
    """The operations of the fullest stretch."""


def excess(operations: tuple[Operation, ...], limit: AppLimit, context: Context) -> Excess | None:
    """The window's moments t with more than the limit in (t - within, t]; None if there are none."""
    times = [operation.at for operation in operations]
    moments, fullest = [], (0, 0)
    for end, at in enumerate(times, start=1):
        start = bisect_right(times, at - limit.within)
        if end - start > limit.most and at in context.window and at <= context.watermark:
            moments.append(at)
            fullest = max(fullest, (start, end), key=lambda stretch: stretch[1] - stretch[0])
    if not moments:
        return None
    return Excess(tuple(moments), fullest[1] - fullest[0], operations[fullest[0] : fullest[1]])


def number_done(operations: tuple[Operation, ...], limit: AppLimit, at: datetime) -> int:
    """How many operations there were in (at - within, at]."""
    times = [operation.at for operation in operations]
    return bisect_right(times, at) - bisect_right(times, at - limit.within)
