"""Columns by which apps mark rows that are no longer in use, and rows of several tenants or environments.

Unlike a loader's marks, their names are ordinary words: what they hold must bear it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, false, func

from detectors.source.flags import NO, YES

_LIVE_FLAGS = frozenset({"active", "isactive", "enabled", "isenabled", "islive", "activeflag"})
_GONE_FLAGS = frozenset(
    [
        *("archived", "isarchived", "removed", "isremoved", "inactive", "isinactive", "disabled", "isdisabled"),
        *("deactivated", "isdeactivated", "isclosed", "hasleft", "isgone", "archivedflag", "isobsolete"),
    ]
)
_TIMES = frozenset(
    [
        *("archivedat", "archivedon", "archivedate", "archivets", "archivedtime", "dearchivedat", "inactivesince"),
        *("removedat", "removedon", "removaldate", "removeddate", "leftat", "lefton", "leftdate", "departedat"),
        *("deactivatedat", "deactivatedon", "disabledat", "disabledon", "inactivatedat", "terminatedat", "dissolvedat"),
        *("closedat", "closedon", "endedat", "retiredat"),
    ]
)
_WORDS = frozenset({"state", "status", "lifecycle", "lifecyclestate", "lifecyclestatus", "entitystate", "entitystatus"})
_ENDED = (
    *("d", "del", "delete", "deleted", "removed", "archived", "inactive", "disabled", "deactivated", "dissolved"),
    *("soft_deleted", "softdeleted", "trashed", "purged", "obsolete", "terminated"),
)
SOFT = _LIVE_FLAGS | _GONE_FLAGS | _TIMES | _WORDS
_ARCHIVED = frozenset(name for name in SOFT if "archive" in name)
"""Of a support request: whether one is active or closed says its status, and one that was closed once may be open again."""
TENANTS = frozenset(
    [
        *("tenant", "tenantid", "tenantkey", "tenantname", "tenantslug", "tenantuuid", "orgid", "organizationid"),
        *("organisationid", "workspaceid", "appid", "applicationid", "realm", "realmid", "brandid"),
    ]
)
ENVIRONMENTS = frozenset(
    {"env", "environment", "envname", "environmentname", "deployenv", "deploymentenvironment", "appenv"}
)
_PRODUCTION = ("prod", "production", "prd", "live")
_OTHERS = (
    *("staging", "stage", "stg", "test", "testing", "tst", "dev", "develop", "development", "qa", "uat", "preview"),
    *("sandbox", "demo", "local", "ci", "preprod", "pre-prod", "preproduction", "canary", "integration"),
)
_SIDE_TABLES = {"sessions": frozenset[str](), "household_events": frozenset[str](), "support_requests": _ARCHIVED}
_FEW = 10
"""Of fewer rows each may be marked but one."""


def softly_marking(table: str) -> frozenset[str]:
    """The names, as their letters and digits alone, of what may mark rows of `table`."""
    return _SIDE_TABLES.get(table, SOFT) | TENANTS | ENVIRONMENTS


def is_out_of_use(value: ColumnElement[Any], plain: str) -> ColumnElement[bool]:
    """Whether the column of that `plain` name with this `value` says that its row is no longer in use.

    A time is asked about by `is_time` of the loaders' marks.
    """
    text = as_compared(value)
    if plain in _LIVE_FLAGS:
        return text.in_((*NO, "inactive", "i", "disabled"))
    if plain in _GONE_FLAGS:
        return text.in_(YES)
    return text.in_(_ENDED) if plain in _WORDS else false()


def may_be_time(plain: str) -> bool:
    return plain in _TIMES or plain in _GONE_FLAGS


def is_before(value: ColumnElement[Any], joined: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether somebody joined after the time in `value`: they left once, and came again. Both as texts, of one export."""
    left, came = (cast(one, Text) for one in (value, joined))
    return and_(func.substr(left, 1, 2) == "20", func.substr(came, 1, 2) == "20", left < came)


def is_production(value: ColumnElement[Any]) -> ColumnElement[bool]:
    return as_compared(value).in_(_PRODUCTION)


def are_several_environments(words: Iterable[str]) -> bool:
    """Whether some of these words mean production and some another environment."""
    said = {word.strip().lower() for word in words}
    return not said.isdisjoint(_PRODUCTION) and not said.isdisjoint(_OTHERS)


def is_other_environment(value: ColumnElement[Any]) -> ColumnElement[bool]:
    return as_compared(value).in_(_OTHERS)


def bears_it_out(table: str, rows: int, gone: int, live: int, ended: int) -> bool:
    """Whether so many of the `live` rows of a table that are marked as `gone` are so: not all of them, and not most of many.

    Where most marked rows, `ended` ones, have ended by their own status as well, the two are one thing twice, and a
    difference is a fault to be found. What was answered is archived as a rule, so there a mark says more of the others.
    """
    if table in {"household_join_requests", "support_requests"}:
        return gone > 0 and gone + ended < rows
    return 0 < gone < live and (live < _FEW or 2 * gone <= live) and ended < gone


def as_compared(value: ColumnElement[Any]) -> ColumnElement[str]:
    """A value of a mark as it is compared: in small letters, without the blanks around it."""
    return func.lower(func.trim(cast(value, Text)))
