"""What went wrong at a Spark Connect server, in our own words: its own may quote rows, statements and tokens."""

from __future__ import annotations

import re
from typing import Any

from detectors.source.base import LostError, QueryError, SlowError, SourceError
from detectors.source.spark.address import TOKEN

_CONDITION = re.compile(r"\[?([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+(?:\.[A-Z0-9_]+)?)\b")
_DELTA_ALONE = (
    "DELTA_TABLE_ONLY_OPERATION",
    "DELTA_ONLY_OPERATION",
    "DELTA_MISSING_DELTA_TABLE",
    "EXPECT_TABLE_NOT_VIEW",
)
_NOT_THERE = (
    "TABLE_OR_VIEW_NOT_FOUND",
    "SCHEMA_NOT_FOUND",
    "PATH_NOT_FOUND",
    "NO_SUCH_CATALOG",
    "CATALOG_NOT_FOUND",
    "UNABLE_TO_INFER_SCHEMA",
    "REQUIRES_SINGLE_PART_NAMESPACE",
    "UNSUPPORTED_DATASOURCE_FOR_DIRECT_QUERY",
)
_NOT_UNDERSTOOD = {"ParseException", "UnsupportedOperationException", "IllegalArgumentException"}
_OF_ANOTHER_FORMAT = ("UNSUPPORTED_", "NOT_SUPPORTED_", *_DELTA_ALONE)
_REFUSED = ("PERMISSION_DENIED", "INSUFFICIENT_PERMISSIONS", "INSUFFICIENT_PRIVILEGES", "ACCESS_DENIED", "FORBIDDEN")
_SESSION = (
    "INVALID_HANDLE",
    "NO_ACTIVE_SESSION",
    "SESSION_ALREADY_EXIST",
    "RESPONSE_ALREADY_RECEIVED",
)
_LOST = {"UNAVAILABLE", "ABORTED", "UNKNOWN_HOST"}
_TLS = ("ssl", "certificate", "handshake", "wrong_version_number")


def status_of(error: BaseException) -> str:
    """The name of the transport's status, such as UNAVAILABLE; empty where the error is none of the transport's."""
    asked = getattr(error, "getGrpcStatusCode", None) or getattr(error, "code", None)
    try:
        found: Any = asked() if callable(asked) else None
    except Exception:  # one that cannot tell its status has none
        return ""
    return str(getattr(found, "name", "") or "")


def condition_of(error: BaseException) -> str:
    """Spark's own name of what went wrong, such as CAST_INVALID_INPUT: words of its source code, never of a row."""
    asked = getattr(error, "getCondition", None) or getattr(error, "getErrorClass", None)
    try:
        found = asked() if callable(asked) else None
    except Exception:  # as above
        found = None
    told = _CONDITION.match(str(found or "")) or _CONDITION.search(_first_line(error))
    return told.group(1) if told else ""


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:400]


class HiddenError(SourceError):
    """This user may not read a table."""


def is_not_there(error: BaseException) -> bool:
    """Whether a table, its schema or its folder does not exist."""
    return condition_of(error).startswith(_NOT_THERE) or any(sign in _first_line(error) for sign in _NOT_THERE)


def is_not_known(error: BaseException) -> bool:
    """Whether the server knows no such statement about a table of its format, and says so before it reads anything."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & _NOT_UNDERSTOOD) or is_not_there(error) or condition_of(error).startswith(_OF_ANOTHER_FORMAT)


def is_refused(error: BaseException) -> bool:
    """Whether this user may not read something."""
    return status_of(error) == "PERMISSION_DENIED" or any(sign in _first_line(error).upper() for sign in _REFUSED)


def refusal(error: BaseException, label: str) -> SourceError:
    """Why no session was opened."""
    status, said = status_of(error), str(error).lower()
    if status == "UNAUTHENTICATED":
        return SourceError(f"{label}: {_RENEW}")
    if any(sign in said for sign in _TLS):
        return SourceError(
            f"cannot connect to {label}: TLS could not be agreed on: check use_ssl=true and the certificate; "
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names your own authority"
        )
    if status == "DEADLINE_EXCEEDED":
        return SourceError(f"cannot connect to {label}: no answer came in time: check host, port and firewall")
    if status == "UNAVAILABLE":
        if "name resolution" in said or "dns" in said:
            return SourceError(f"cannot connect to {label}: there is no such host: correct its name")
        return SourceError(
            f"cannot connect to {label}: nothing that speaks Spark Connect answers there: check host and port, whether its "
            "server runs (start-connect-server.sh), and whether it wants use_ssl=true"
        )
    if status == "UNIMPLEMENTED":
        return SourceError(
            f"cannot connect to {label}: what answers there is no Spark Connect server: check host and port"
        )
    return SourceError(f"cannot connect to {label}: the server refuses a session ({_named(error)}): see its log")


_RENEW = f"the server refuses the token: renew {TOKEN}, or the file that {TOKEN}_FILE names"


def fault(error: BaseException, label: str, limit: str) -> SourceError:
    """The error for a statement that failed; `limit` says what a time-out ran into, and what to do."""
    status, condition = status_of(error), condition_of(error)
    # The server has the limit too, and may be the first to say that it is over.
    if status in {"DEADLINE_EXCEEDED", "CANCELLED"} or condition.startswith("OPERATION_CANCELED"):
        return SlowError(limit)
    if status == "UNAUTHENTICATED":
        return SourceError(f"{label}: {_RENEW}")
    if condition.startswith(_SESSION):
        return LostError(
            f"{label}: the server no longer knows the session (it restarted, or ended it as idle); scan again"
        )
    if status in _LOST:
        return LostError(f"{label}: the connection was lost; check the network and the cluster's log, then scan again")
    if is_refused(error):
        return HiddenError(f"{label}: this user may not read a mapped table: GRANT SELECT on it")
    if status == "RESOURCE_EXHAUSTED":
        return QueryError(
            "an answer was longer than the server sends: raise spark.connect.grpc.maxInboundMessageSize there"
        )
    if condition == "PARQUET_TYPE_ILLEGAL":
        return QueryError("a file holds a type that Spark does not read, such as UUID: write it as string or binary")
    return QueryError(f"the statement failed in Spark ({_named(error)})")


def _named(error: BaseException) -> str:
    return condition_of(error) or status_of(error) or type(error).__name__
