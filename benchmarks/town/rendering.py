"""From columns of integers to the rows of docs/petforce.md, through DuckDB."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.town.events import EVENT_TYPES, LIMITS, USER_ERRORS
from benchmarks.town.spec import NEVER, Columns
from benchmarks.town.state import SUPPORT_CATEGORIES

# fmt: off
WORDS = (
    "ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL", "INDIA", "JULIET", "KILO", "LIMA",
    "MIKE", "NOVEMBER", "OSCAR", "PAPA", "QUEBEC", "ROMEO", "SIERRA", "TANGO", "UNIFORM", "VICTOR", "WHISKEY",
    "XRAY", "YANKEE", "ZULU",
)
# fmt: on
# fmt: off
FIRST_NAMES = (
    "Sunny", "Quiet", "Happy", "Maple", "Cedar", "River", "Hilltop", "Cosy", "Little", "Old", "Green", "Blue",
    "Amber", "Silver", "Golden", "Misty", "Windy", "Stony", "Mossy", "Brave", "Gentle", "Merry", "Lucky", "Clever",
    "Rusty", "Velvet", "Copper", "Snowy", "Autumn", "Willow",
)
# fmt: on
# fmt: off
LAST_NAMES = (
    "Meadow", "Cottage", "Farm", "House", "Garden", "Den", "Nest", "Burrow", "Kennel", "Paws", "Whiskers", "Tails",
    "Family", "Corner", "Lodge", "Barn", "Yard", "Porch", "Orchard", "Harbour", "Attic", "Stable", "Hollow",
    "Court", "Terrace", "Villa", "Cabin", "Grove", "Mill", "Hutch", "Roost",
)
# fmt: on
DESCRIPTIONS = (
    "Two cats & a dog",
    "The Browns' pets and everybody who helps",
    "Grandma's hens, our rabbits",
    "Feed at 7 and 18, walk at noon",
)
BROWSERS = ("Firefox/144 Linux", "Chrome/152 Windows", "Safari/19 macOS", "Edge/152 Windows")
PHONES = ("PetForce/5.2 iOS", "PetForce/5.2 Android", "PetForce/5.1 Android", "PetForce/5.0 iOS")
ROUTES = ("GET /households/me", "GET /pets", "POST /pets/activity", "GET /households/members")
ACTOR = '"user"'
TABLES = (
    "households",
    "household_members",
    "household_join_requests",
    "users",
    "support_requests",
    "sessions",
    "household_events",
)


def entity_id(seed: int, kind: str, number: int) -> str:
    """The UUID of a household (h), user (u), member row (m), request (r), session (s) or correlation (c)."""
    return str(uuid.UUID(hashlib.md5(f"{seed}:{kind}:{number}".encode(), usedforsecurity=False).hexdigest()))


def _list(values: tuple[str, ...] | list[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def _pick(values: tuple[str, ...] | list[str], number: str) -> str:
    return f"{_list(values)}[({number}) % {len(values)} + 1]"


def _macros(seed: int, prefixes: int) -> list[str]:
    letters = " || ".join(f"chr((65 + (n % {prefixes} // {26**place}) % 26)::INTEGER)" for place in range(4))
    word = f"(n // {prefixes} * 205 % 676)"
    return [
        "ident(kind, n) AS CASE WHEN n >= 0 THEN md5(concat(" + f"'{seed}:'" + ", kind, ':', n))::UUID END",
        f"stamp(t) AS CASE WHEN t < {NEVER} THEN make_timestamptz(t) END",
        f"code_prefix(n) AS {letters}",
        f"word(n) AS {_list(WORDS)}[n + 1]",
        f"code(n) AS code_prefix(n) || '-' || word({word} // 26) || '-' || word({word} % 26)",
        "mixed(n) AS (n * 2654435761) % 4294967296",
        "address(n) AS CASE WHEN n % 10 = 3 THEN printf('2001:db8:%x:%x::%x', mixed(n) // 65536, mixed(n) % 65536, "
        "n % 97 + 1) ELSE concat(20 + mixed(n) // 16777216 % 180, '.', mixed(n) // 65536 % 256, '.', "
        "mixed(n) // 256 % 256, '.', mixed(n) % 256) END",
        "pair(name, v) AS CASE WHEN v IS NOT NULL THEN concat('\"', name, '\": \"', v, '\"') END",
        "bare(name, v) AS CASE WHEN v IS NOT NULL THEN concat('\"', name, '\": ', v) END",
        "truth(v) AS CASE WHEN v = 1 THEN 'true' ELSE 'false' END",
    ]


def _metadata() -> str:
    """The JSON text of an event's metadata; keys that an event type lacks are left out."""
    kind = {name: f"kind = {number}" for number, name in enumerate(EVENT_TYPES)}

    def one_of(*names: str) -> str:
        return f"kind IN ({', '.join(str(EVENT_TYPES.index(name)) for name in names)})"

    submitted = kind["household_join_request_submitted"]
    locked = kind["lock_acquisition_timeout"]
    requested = one_of(*(f"household_join_request_{end}" for end in ("submitted", "approved", "rejected", "withdrawn")))
    viewed = one_of(*(f"household_{page}_viewed" for page in ("dashboard", "member_list", "settings")))
    login = one_of("login_failed", "login_succeeded")
    validated, transferred = kind["household_invite_code_validated"], kind["household_leadership_transferred"]
    bare = one_of("session_used", "pet_activity_logged", "login_failed", "login_succeeded")
    pieces = [
        f"pair('request_id', CASE WHEN {requested} THEN ident('r', request) END)",
        f"pair('invite_code_prefix', CASE WHEN {submitted} THEN code_prefix(other)[:3] END)",
        f"pair('new_member_id', CASE WHEN {kind['household_join_request_approved']} THEN ident('u', other) END)",
        f"pair('requester_id', CASE WHEN {kind['household_join_request_rejected']} THEN ident('u', other) END)",
        f"pair('member_id', CASE WHEN {kind['household_member_removed']} THEN ident('u', other) END)",
        f"bare('was_leader', CASE WHEN {kind['household_left']} THEN truth(flag) END)",
        f"bare('has_successor', CASE WHEN {kind['household_leave_started']} THEN truth(flag) END)",
        f"pair('from_user_id', CASE WHEN {transferred} THEN ident('u', \"user\") END)",
        f"pair('to_user_id', CASE WHEN {transferred} THEN ident('u', other) END)",
        f"bare('was_designated', CASE WHEN {transferred} THEN truth(flag) END)",
        f"pair('reason', CASE WHEN {transferred} THEN 'leave' END)",
        f"pair('invite_code', CASE WHEN {validated} THEN code(other) END)",
        f"bare('valid', CASE WHEN {validated} THEN truth(flag) END)",
        f"bare('member_count', CASE WHEN {viewed} THEN flag END)",
        f"pair('error_code', CASE WHEN {kind['household_create_failed']} THEN {_pick(USER_ERRORS, 'flag')} END)",
        f"pair('limit_type', CASE WHEN {kind['rate_limit_exceeded']} THEN {_pick(LIMITS, 'flag')} END)",
        f"bare('count', CASE WHEN {kind['rate_limit_exceeded']} AND number >= 0 THEN number END)",
        f"pair('resource', CASE WHEN {locked} THEN concat('household:', ident('h', household)) END)",
        f"pair('route', CASE WHEN {kind['api_request']} THEN {_pick([r.split()[1] for r in ROUTES], 'id')} END)",
        f"pair('method', CASE WHEN {kind['api_request']} THEN {_pick([r.split()[0] for r in ROUTES], 'id')} END)",
        f"bare('status', CASE WHEN {kind['api_request']} THEN 200 END)",
        f"bare('changed', CASE WHEN {kind['household_updated']} THEN '[\"description\"]' END)",
        f"pair('user_id', CASE WHEN {login} THEN ident('u', \"user\") END)",
        "pair('session_id', ident('s', session))",
        f"bare('duration_ms', CASE WHEN ({viewed} OR {kind['api_request']}) AND number >= 0 THEN number END)",
        "pair('ip_address', CASE WHEN network >= 0 THEN address(network) END)",
        f"pair('user_agent', CASE WHEN \"user\" < 0 THEN NULL WHEN mobile = 1 THEN {_pick(PHONES, ACTOR)} "
        f"ELSE {_pick(BROWSERS, ACTOR)} END)",
        "pair('source', CASE WHEN mobile = 1 THEN 'mobile' ELSE 'web' END)",
        f"pair('correlation_id', CASE WHEN NOT {bare} THEN ident('c', correlation) END)",
    ]
    return "'{' || concat_ws(', ', " + ",\n".join(pieces) + ") || '}'"


def _selects() -> dict[str, str]:
    name = f"{_pick(FIRST_NAMES, 'id * 7 + id // 30')} || ' ' || {_pick(LAST_NAMES, 'id * 11 + id // 7')}"
    expiry = "stamp(expires) AS temporary_expires_at, ident('u', invited_by) AS invited_by, stamp(joined) AS joined_at"
    last_category = len(SUPPORT_CATEGORIES) - 1
    login = f"kind IN ({EVENT_TYPES.index('login_failed')}, {EVENT_TYPES.index('login_succeeded')})"
    return {
        "households": f"SELECT ident('h', id) AS id, {name} || CASE WHEN id % 2 = 0 THEN ' ' || id % 997 ELSE '' END "
        f"AS name, CASE WHEN id % 3 = 0 THEN {_pick(DESCRIPTIONS, 'id')} END AS description, "
        "code(code) AS invite_code, stamp(code_expires) AS invite_code_expires_at, ident('u', leader) AS leader_id, "
        "stamp(created) AS created_at, stamp(updated) AS updated_at",
        "household_members": "SELECT ident('m', id) AS id, ident('h', household) AS household_id, "
        "ident('u', \"user\") AS user_id, CASE leader WHEN 1 THEN 'leader' ELSE 'member' END AS role, "
        f"CASE active WHEN 1 THEN 'active' ELSE 'removed' END AS status, temporary = 1 AS is_temporary, {expiry}",
        "household_join_requests": "SELECT ident('r', id) AS id, ident('h', household) AS household_id, "
        "ident('u', \"user\") AS user_id, code(code) AS invite_code, "
        "['pending', 'approved', 'rejected', 'withdrawn'][status + 1] AS status, stamp(requested) AS requested_at, "
        "stamp(responded) AS responded_at, ident('u', responded_by) AS responded_by",
        "users": "SELECT ident('u', id) AS id, concat('user', id, '@example.org') AS email, "
        "stamp(created) AS created_at, stamp(deleted) AS deleted_at, CASE premium WHEN 1 THEN 'premium' ELSE 'free' END AS account_tier, "
        "(cents / 100)::DECIMAL(10, 2) AS monthly_revenue",
        "support_requests": "SELECT ident('p', id) AS id, stamp(created) AS created_at, "
        "ident('u', requester) AS requester_id, ident('h', household) AS household_id, NULL::UUID AS subject_user_id, "
        f"{_pick(SUPPORT_CATEGORIES, 'category')} AS category, NULL::VARCHAR AS feature, "
        "'Hello, I have a question' AS body, "
        f"CASE WHEN category = {last_category} THEN 'open' ELSE 'closed' END AS status",
        "sessions": "SELECT ident('s', id) AS id, ident('u', \"user\") AS user_id, stamp(created) AS created_at, "
        "stamp(used) AS last_activity_at, stamp(revoked) AS revoked_at, address(network) AS ip_address, "
        f"{_pick(BROWSERS, ACTOR)} AS user_agent",
        "household_events": f"SELECT id, {_list(EVENT_TYPES)}[kind + 1] AS event_type, "
        "ident('h', household) AS household_id, "
        f"CASE WHEN NOT ({login} AND flag = 1) THEN ident('u', \"user\") END AS user_id, "
        f"stamp(moment) AS event_timestamp, {_metadata()} AS metadata",
    }


class Renderer:
    """Turns columns into rows; one connection, kept small, whose output depends on the input alone."""

    def __init__(self, seed: int, households: int) -> None:
        # Two threads keep the order of rows: DuckDB preserves the order of insertion by default.
        self._connection = duckdb.connect(config={"threads": 2, "memory_limit": "300MB"})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")
        # At most some 300 of a prefix's 676 codes are used, regenerated ones included.
        for macro in _macros(seed, prefixes=max(20, households // 250)):
            self._connection.execute(f"CREATE MACRO {macro}")
        self._selects = _selects()

    def rows(self, table: str, columns: Columns) -> list[dict[str, Any]]:
        """The rows as dictionaries: ids and metadata as text, times as aware datetimes."""
        result = self._bind(columns).execute(f"{self._selects[table]} FROM columns_given")
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def write(self, table: str, columns: Columns, path: Path, *, parquet: bool = False) -> None:
        """Write the rows to a file of their own: Parquet, or CSV with a header and nothing for NULL."""
        options = "FORMAT parquet, COMPRESSION zstd" if parquet else "FORMAT csv, HEADER"
        self._bind(columns).execute(f"COPY ({self._selects[table]} FROM columns_given) TO '{path}' ({options})")

    def merge_parquet(self, parts: list[Path], path: Path) -> None:
        """Write the rows of several Parquet files, in their order, into one."""
        files = ", ".join(f"'{part}'" for part in parts)
        query = f"SELECT * FROM read_parquet([{files}])"
        self._connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")

    def _bind(self, columns: Columns) -> duckdb.DuckDBPyConnection:
        narrow = {name: np.ascontiguousarray(column) for name, column in columns.items()}
        self._connection.register("columns_given", pd.DataFrame(narrow, copy=False))
        return self._connection
