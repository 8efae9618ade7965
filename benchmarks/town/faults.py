"""Faults planted into a town, each in households and among people of its own, with the list of what must be found.

To plant for one more detector, write one function that takes a `Plot` and the number of the case, makes the rows
and calls `plot.expect`, and name it in `PLANTS`.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.town.plot import Plot
from benchmarks.town.spec import DAY, HOUR, MINUTE, SECOND


def _family(plot: Plot, case: int, others: int = 2) -> tuple[int, list[dict[str, int]]]:
    """A household with its leader's row first and `others` joined members."""
    begins = plot.long_ago + case * HOUR % DAY
    leader = plot.user()
    household, first = plot.founded(leader, begins)
    joined = [plot.joined(household, plot.user(), begins + (hour + 2) * HOUR, leader) for hour in range(others)]
    return household, [first, *joined]


def _home(plot: Plot, household: int) -> dict[str, int]:
    return next(row for row in plot.tables["households"] if row["id"] == household)


def _multiple_leaders(plot: Plot, case: int) -> None:
    household, rows = _family(plot, case)
    rows[1]["leader"] = 1
    plot.expect("multiple-leaders", household_id=household)


def _no_leader(plot: Plot, case: int) -> None:
    """Nobody has the role; or leader_id names a stranger while somebody has it; or both."""
    household, rows = _family(plot, case)
    if case % 3 != 1:
        rows[0]["leader"] = 0
    if case % 3 != 0:
        _home(plot, household)["leader"] = plot.user()
    plot.expect("no-leader", household_id=household)


def _orphaned_household(plot: Plot, case: int) -> None:
    household = plot.household(plot.user(), plot.yesterday + 9 * HOUR + case * MINUTE % (8 * HOUR))
    plot.expect("orphaned-household", household_id=household)


def _leaving(plot: Plot, household: int, rows: list[dict[str, int]], case: int) -> int:
    """The leader starts to leave yesterday, with a successor at hand; the moment of the first step."""
    moment = plot.yesterday + 11 * HOUR + case * MINUTE % (6 * HOUR)
    plot.event("household_leave_started", moment, household=household, user=rows[0]["user"], flag=1)
    return moment + SECOND // 4


def _transferred(plot: Plot, household: int, rows: list[dict[str, int]], moment: int) -> None:
    passed = {"user": rows[0]["user"], "other": rows[1]["user"]}
    plot.event("household_leadership_transferred", moment, household=household, **passed)


def _leader_id_moved_only(plot: Plot, case: int) -> None:
    household, rows = _family(plot, case)
    _leaving(plot, household, rows, case)
    _home(plot, household)["leader"] = rows[1]["user"]
    plot.expect("transfer-failed", household_id=household)


def _leaver_still_leads(plot: Plot, case: int) -> None:
    household, rows = _family(plot, case)
    _transferred(plot, household, rows, _leaving(plot, household, rows, case))
    _home(plot, household)["leader"] = rows[1]["user"]
    rows[1]["leader"] = 1
    plot.expect("transfer-failed", household_id=household)
    plot.expect("multiple-leaders", household_id=household)


def _successor_does_not_lead(plot: Plot, case: int) -> None:
    household, rows = _family(plot, case)
    _transferred(plot, household, rows, _leaving(plot, household, rows, case))
    plot.expect("transfer-failed", household_id=household)


def _leader_gone_without_transfer(plot: Plot, case: int) -> None:
    household, rows = _family(plot, case)
    _leaving(plot, household, rows, case)
    rows[0]["active"] = 0
    plot.expect("transfer-failed", household_id=household)
    plot.expect("no-leader", household_id=household)


def _successor_without_the_role(plot: Plot, case: int) -> None:
    """The leader left, leader_id names the successor, but the role and the transfer's event were never written."""
    household, rows = _family(plot, case)
    moment = _leaving(plot, household, rows, case)
    plot.event("household_left", moment + SECOND, household=household, user=rows[0]["user"], flag=1)
    rows[0]["active"] = 0
    _home(plot, household)["leader"] = rows[1]["user"]
    plot.expect("transfer-failed", household_id=household)
    plot.expect("no-leader", household_id=household)


def _duplicate_member(plot: Plot, case: int) -> None:
    household, rows = _family(plot, case)
    twice = rows[1]["user"]
    plot.joined(household, twice, plot.yesterday + 12 * HOUR + case * MINUTE % (6 * HOUR), rows[0]["user"])
    plot.expect("duplicate-member", household_id=household, user_id=twice)


def _member_of_many(plot: Plot, case: int) -> None:
    _, rows = _family(plot, case)
    other, _ = _family(plot, case, others=1)
    leader = _home(plot, other)["leader"]
    plot.joined(other, rows[1]["user"], plot.yesterday + 10 * HOUR + case * MINUTE % (6 * HOUR), leader)
    plot.expect("member-of-many-households", user_id=rows[1]["user"])


def _locked_out(plot: Plot, case: int) -> None:
    """Removed once, let in again: the old row is in the way of the new one."""
    household, rows = _family(plot, case)
    leader, user = rows[0]["user"], rows[1]["user"]
    rows[1]["active"] = 0
    removed = plot.yesterday - 3 * DAY + 10 * HOUR
    plot.event("household_member_removed", removed, household=household, user=leader, other=user)
    asked = plot.yesterday + 9 * HOUR + case * MINUTE % (8 * HOUR)
    plot.expect("approval-not-applied", request_id=plot.approved(household, user, asked, leader))


def _row_never_written(plot: Plot, case: int) -> None:
    household, rows = _family(plot, case)
    asked = plot.yesterday + 9 * HOUR + case * MINUTE % (8 * HOUR)
    plot.expect("approval-not-applied", request_id=plot.approved(household, plot.user(), asked, rows[0]["user"]))


def _removal_not_applied(plot: Plot, case: int) -> None:
    """A removal or, in every other case, a leave that changed nothing."""
    household, rows = _family(plot, case)
    leader, user = rows[0]["user"], rows[1]["user"]
    moment = plot.yesterday + 13 * HOUR + case * MINUTE % (6 * HOUR)
    if case % 2:
        plot.event("household_left", moment, household=household, user=user, flag=0)
    else:
        plot.event("household_member_removed", moment, household=household, user=leader, other=user)
    plot.expect("removal-not-applied", household_id=household, user_id=user)


def _creations(plot: Plot, by_day: tuple[int, ...], case: int) -> None:
    """Households that one person founds and leaves again, so many each day; the last day is yesterday."""
    user = plot.user()
    for days_ago, count in enumerate(reversed(by_day)):
        for place in range(count):
            created = plot.yesterday - days_ago * DAY + 8 * HOUR + (place * 40 + case % 7) * MINUTE
            household, row = plot.founded(user, created)
            if days_ago == 0 and place == count - 1:
                continue
            row["active"] = 0
            plot.event("household_leave_started", created + 9 * MINUTE, household=household, user=user, flag=0)
            plot.event("household_left", created + 9 * MINUTE + SECOND, household=household, user=user, flag=1)
            plot.expect(EVERYONE_LEFT, household_id=household)
    plot.expect("mass-creation", user_id=user)


def _removals(plot: Plot, by_day: tuple[int, ...], case: int) -> None:
    """Sitters whom one leader adds and removes, in shifts of at most ten, so many each day until yesterday."""
    leader = plot.user()
    household, _ = plot.founded(leader, plot.long_ago + case * MINUTE)
    for days_ago, count in enumerate(reversed(by_day)):
        morning = plot.yesterday - days_ago * DAY + 6 * HOUR
        for place in range(count):
            shift = morning + place // 10 * 4 * HOUR
            user, joined = plot.user(), shift + place % 10 * MINUTE
            sitter = {"active": 0, "temporary": 1, "expires": joined + 9 * DAY, "invited_by": leader}
            plot.member(household, user, joined, **sitter)
            removed = shift + HOUR + place % 10 * 13 * MINUTE + case % 11 * SECOND
            plot.event("household_member_removed", removed, household=household, user=leader, other=user)
    plot.expect("mass-removal", user_id=leader)


EVERYONE_LEFT = "orphaned-household/everyone-left"
"""Truth of the households that everybody left: one grouped finding of orphaned-household, not one each."""

PLANTS: tuple[Callable[[Plot, int], None], ...] = (
    _multiple_leaders,
    _no_leader,
    _orphaned_household,
    _leader_id_moved_only,
    _leaver_still_leads,
    _successor_does_not_lead,
    _leader_gone_without_transfer,
    _successor_without_the_role,
    _member_of_many,
    _locked_out,
    _row_never_written,
    _removal_not_applied,
    lambda plot, case: _creations(plot, (12,), case),
    lambda plot, case: _creations(plot, (5, 5, 5), case),
    lambda plot, case: _removals(plot, (22,), case),
    lambda plot, case: _removals(plot, (20, 15, 10), case),
)


def plant(plot: Plot) -> None:
    """Make `spec.plant` cases of every fault that the spec allows."""
    plants = [*PLANTS, _duplicate_member] if plot.spec.duplicates else PLANTS
    for one in plants:
        for case in range(plot.spec.plant):
            one(plot, case)
