"""Which database a source reads: a copy of it, or another one, tells nothing of what was repaired in the first."""

from __future__ import annotations

from sqlalchemy import TextClause, text

from detectors.source.base import QueryError, Source

_MAY_ASK = text(
    "SELECT bool_and(has_function_privilege(name || '()', 'EXECUTE')) AS may "
    "FROM unnest(ARRAY['pg_control_system', 'pg_control_checkpoint']) AS name"
)
_SYSTEM = text("SELECT system_identifier AS number FROM pg_control_system()")
_DATABASE = text("SELECT oid AS number FROM pg_database WHERE datname = current_database()")
"""Both stay the same through restarts, fail-overs and standbys, and in what was restored from a base backup."""
_UNKNOWN = "-"


def database_of(source: Source) -> str:
    """The kind of the source, and of a PostgreSQL database its server's number, where this role may ask, and its own.

    Folders and lakes have no number.
    """
    if source.engine != "postgresql":
        return source.engine
    try:
        system = _number(source, _SYSTEM) if may_ask(source) else _UNKNOWN
        return f"{source.engine} {system} {_number(source, _DATABASE)}"
    except QueryError:
        return source.engine


def _number(source: Source, asked: TextClause) -> str:
    (found,) = source.rows(asked, "identity")
    return str(found["number"])


def may_ask(source: Source) -> bool:
    """Whether this role may ask PostgreSQL which server it is; to ask without that right would end the scan."""
    (found,) = source.rows(_MAY_ASK, "identity")
    return bool(found["may"])


def is_another(before: str | None, now: str | None) -> bool:
    """Whether two answers of `database_of` are of different databases, as far as both tell."""
    if before is None or now is None:
        return False
    # Whoever tells less has fewer parts.
    parts = zip(before.split(), now.split(), strict=False)
    return any(one != other and _UNKNOWN not in (one, other) for one, other in parts)
