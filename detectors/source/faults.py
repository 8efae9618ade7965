"""What went wrong in a PostgreSQL server while it was read, in our own words: its own may quote rows, or be anybody's."""

from __future__ import annotations

from detectors.source.base import LostError, QueryError, SlowError, SourceError
from detectors.source.urls import LOST_STATES

_LOST = (
    (
        "40",
        "the standby gave the scan up to go on replaying the primary's changes; "
        "raise max_standby_streaming_delay there, or set hot_standby_feedback = on",
    ),
    ("25P03", "the server ended a connection that waited; raise idle_in_transaction_session_timeout for this role"),
    ("25P04", "the server ended a transaction that took long; raise transaction_timeout for this role"),
    ("72", "the server no longer holds what the scan had begun to read; raise old_snapshot_threshold there"),
    ("57P05", "the server ended a connection that waited; raise idle_session_timeout for this role"),
    ("57P", "the server ended the connection (a restart, or somebody did); scan again once it is up"),
    ("", "the connection was lost; check the network and the server's log, then scan again"),
)
"""By the beginning of the SQLSTATE, why a connection ended and what to do."""
_FAILED = (
    (
        "55P03",
        "a lock was not given within the limit; somebody holds the table exclusively, try again later",
    ),
    ("22P05", "a text holds characters that the database's encoding does not have"),
    ("22021", "a text holds bytes that are no characters in the database's encoding"),
    ("22", "a value cannot be read as what its column holds"),
    ("25006", "a view or a function behind a mapped table wants to write, and a scan may only read"),
    ("0A", "the server cannot do that with these columns; map a view with plain text in their place"),
    ("42", "a mapped table was changed meanwhile, or a view or function behind it is broken; read it with psql"),
    ("P0", "a function behind a mapped view raised an error; read the view with psql"),
    ("53", "the server ran out of memory, disk or connections; try again at a quieter hour"),
    ("54", "the statement is too big for the server"),
    ("58", "the server cannot read its own files; see its log"),
    ("XX", "the server's data or an index is damaged; see its log"),
)
"""By the beginning of the SQLSTATE, what failed in one statement."""


def lost(state: str, label: str, *, standby: bool = False) -> LostError:
    """The error for a connection that the server ended with `state` (empty: it said nothing)."""
    if standby and not state:
        # A standby that gives a connection up may close it before its reason has arrived.
        return LostError(f"{label}: the connection was lost, perhaps because {_LOST[0][1]}")
    why = next(why for sign, why in _LOST if state.startswith(sign))
    return LostError(f"{label}: {why}{f' ({state})' if state else ''}")


def is_lost(state: str) -> bool:
    return state.startswith(LOST_STATES)


def failed(state: str, statement_seconds: float) -> SourceError:
    """The error for a statement that failed with `state`, where the connection goes on."""
    if state == "57014":
        return SlowError(
            f"the statement ran into its limit of {statement_seconds:g} s (57014): "
            "raise [source] statement_seconds in the policy, or add the indexes that doctor names"
        )
    if not state:
        return QueryError("the statement could not be sent, or its answer not be read")
    why = next((why for sign, why in _FAILED if state.startswith(sign)), "the statement failed")
    return QueryError(f"{why} (SQLSTATE {state})")
