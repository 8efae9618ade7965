"""How a value of a file becomes what its column should hold: DuckDB's expressions, the dear ones only where needed."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.source.flags import NO, YES
from detectors.source.ids import BLANKS, IS_NOTHING, PLAIN_UUID, UUID_IN_ANY_NOTATION, WHOLE_NUMBER, WRAPPING
from detectors.source.longest import MOST_BYTES, MOST_CHARACTERS
from detectors.source.moments import is_before_christ, is_beyond, nearest, nearest_of_text, time_of_text

INTEGERS = frozenset(f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")) | {
    "INTEGER",
    "UINTEGER",
}
_FLOATS = {"DOUBLE": 2**53, "FLOAT": 2**24}
"""The whole numbers from which on a type no longer holds each."""
_LOCAL_TIMES = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"})
_FEW_DIGITS = "^[+-]?[0-9]([.][0-9]+)?[eE][+][0-9]+$"
"""A whole number as spreadsheets and tables with missing values write it when it is too long for them."""
_BEYOND_DOUBLE = "^[+-]?[0-9]{16,}[.]0+$"
_PLAIN = f"^({PLAIN_UUID.strip('^$')}|[0-9]+|[a-z]+_[0-9A-Za-z]+)$"
"""Most ids, which are written as they should be; the others are looked at more closely."""
_FLAGS = {**dict.fromkeys(YES, "true"), **dict.fromkeys(NO, "false")}
WANTED = {
    "user": "an id",
    "household": "an id",
    "id": "an id",
    "text": "text",
    "flag": "true or false",
    "time": "a time such as 2026-02-02T14:35:00Z",
    "json": "a JSON object of up to 1 MB",
    "number": "a number",
}
"""What a column of each kind holds, as messages say it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column of a file is read. `odd` and the others are conditions on its values; null where there is no need to ask."""

    plain: str
    careful: str = ""
    """The expression for all values, where some are odd."""
    odd: str = ""
    bad: str = ""
    """What cannot be read, and is null in `careful`."""
    lost: str = ""
    """An id that has lost digits on its way, so that it may be anybody's."""
    beyond: str = ""
    """A condition that the statistics of Parquet answer without reading a row: then too `careful` is needed."""
    dear: bool = False
    """Whether `careful` costs so much that it should be worked out once for all statements."""
    worked_out: bool = False
    """Whether `plain` does, too."""
    doubt: str = ""
    """A cheap condition that holds wherever one of the dear ones does."""

    @property
    def first_asked(self) -> str:
        """What holds wherever `odd`, `bad` or `lost` does; empty where nothing is to be asked."""
        return self.doubt or self.odd or self.bad or self.lost


def reading(kind: str, field: str, stored: str, zone: str) -> Reading | None:
    """How `field`, an expression of DuckDB's type `stored`, is read as a column of `kind`; None if that cannot be."""
    base = stored.partition("(")[0] if not stored.endswith("[]") else "LIST"
    if base == "BLOB":
        return _of_bytes(kind, field, zone)
    if kind in {"user", "household", "id"}:
        return _id(field, base)
    if kind == "json":
        return _json(field, base)
    if base in {"STRUCT", "MAP", "LIST", "UNION", "VARIANT"}:
        return None
    if kind == "time":
        return _time(field, base, zone)
    if kind == "flag":
        return _flag(field, base)
    if kind == "number":
        return _number(field, base)
    if kind == "prose":
        return Reading(_beginning(f"CAST({field} AS VARCHAR)"))
    return Reading(f"CAST({field} AS VARCHAR)")


def _id(field: str, stored: str) -> Reading | None:
    if stored in INTEGERS or stored == "UUID":
        return Reading(f"CAST({field} AS VARCHAR)")
    if stored in _FLOATS:
        whole = f"CASE WHEN {field} = floor({field}) THEN CAST(TRY_CAST({field} AS HUGEINT) AS VARCHAR) WHEN NOT isnan({field}) THEN CAST({field} AS VARCHAR) END"
        return Reading(whole, lost=f"abs({field}) > {_FLOATS[stored]} AND NOT isnan({field})")
    if stored not in {"VARCHAR", "ENUM", "DECIMAL"}:
        return None
    text = f"CAST({field} AS VARCHAR)"
    careful = plain_id_of(text)
    lost = f"(regexp_matches({_trimmed(text)}, {literal(_FEW_DIGITS)}) OR (regexp_matches({_trimmed(text)}, {literal(_BEYOND_DOUBLE)}) AND {stored != 'DECIMAL'}))"
    # Not AND: where a condition is only counted, DuckDB works out both of its sides for every row.
    closer = f"CASE WHEN {text} IS NULL OR regexp_matches({text}, {literal(_PLAIN)}) THEN false ELSE"
    return Reading(
        text,
        careful,
        odd=f"{closer} {text} IS DISTINCT FROM {careful} END",
        lost=f"{closer} {lost} END",
        dear=True,
        doubt=f"NOT regexp_matches({text}, {literal(_PLAIN)})",
    )


def plain_id_of(text: str) -> str:
    """DuckDB's expression for an id as `plain_id` writes it, null where it is empty."""
    trimmed = _trimmed(text)
    digits = f"regexp_replace({trimmed}, '^[uU][rR][nN]:[uU][uU][iI][dD]:|[{{}}]', '', 'g')"
    return (
        f"CASE WHEN regexp_matches({trimmed}, {literal(UUID_IN_ANY_NOTATION)}) THEN CAST(TRY_CAST({digits} AS UUID) AS VARCHAR)"
        f" WHEN regexp_matches({trimmed}, {literal(WHOLE_NUMBER)}) THEN split_part(ltrim({trimmed}, '+'), '.', 1)"
        f" WHEN {_is_nothing(trimmed)} THEN NULL ELSE {trimmed} END"
    )


def _is_nothing(text: str) -> str:
    return f"lower(trim({text})) {IS_NOTHING}"


def _trimmed(text: str) -> str:
    return f"trim({text}, {literal(WRAPPING)})"


def _of_bytes(kind: str, field: str, zone: str) -> Reading | None:
    """Bytes are a UUID, where there are sixteen that are no text, and text elsewhere."""
    text = f"TRY(decode({field}))"
    if kind in {"user", "household", "id"}:
        printable = f"regexp_full_match({text}, '[ -~]{{16}}')"
        uuid = f"CAST(TRY_CAST(lower(hex({field})) AS UUID) AS VARCHAR)"
        as_id = (
            f"CASE WHEN octet_length({field}) = 16 AND {printable} IS NOT TRUE THEN {uuid} ELSE {plain_id_of(text)} END"
        )
        return Reading(as_id, as_id, odd=f"{field} IS NOT NULL", dear=True)
    inner = reading(kind, text, "VARCHAR", zone)
    unread = f"({field} IS NOT NULL AND {text} IS NULL)"
    if inner is None:
        return None
    bad = f"({unread} OR {inner.bad})" if inner.bad else unread
    return Reading(
        inner.plain,
        inner.careful or inner.plain,
        odd=f"({inner.odd or 'false'} OR {bad})",
        bad=bad,
        dear=True,
        worked_out=inner.worked_out,
    )


def _json(field: str, stored: str) -> Reading | None:
    if stored in {"STRUCT", "MAP"}:
        return Reading(f"to_json({field})")
    if stored not in {"VARCHAR", "JSON", "ENUM"}:
        return None
    whole = f"CAST({field} AS VARCHAR)"
    # Taking a text apart takes many times its size.
    text = f"CASE WHEN strlen({whole}) > {MOST_BYTES} THEN '' ELSE {whole} END"
    sound = f"(json_valid({text}) AND starts_with({text}, '{{'))"
    careful = _object_in(text)
    missing = f"TRY(json_type({text})) IS NOT DISTINCT FROM 'NULL'"
    return Reading(
        whole,
        f"CASE WHEN {sound} AND NOT contains({text}, '\\u0000') THEN {text} ELSE {careful} END",
        odd=f"NOT ({sound} AND NOT contains({text}, '\\u0000'))",
        bad=f"CASE WHEN {text} IS NULL OR {sound} THEN false ELSE {careful} IS NULL AND NOT {missing} END",
        dear=True,
    )


def _object_in(text: str) -> str:
    """The JSON object in a text, however it was wrapped on its way: as a JSON string once or twice, or in doubled quotes."""
    # Texts with a NUL, and halves of a pair of surrogates, are no texts for those who read on.
    whole = f"regexp_replace(replace({text}, '\\u0000', '\\ufffd'), '\\\\u[dD][89a-fA-F][0-9a-fA-F]{{2}}', '\\\\ufffd', 'g')"
    readable = f"CASE WHEN json_valid({text}) AND NOT contains({text}, '\\u0000') THEN {text} ELSE {whole} END"
    bare = f"trim({text}, {literal(BLANKS)})"
    unquoted = f"replace(CASE WHEN {bare} LIKE '\"%\"' THEN substr({bare}, 2, length({bare}) - 2) ELSE {bare} END, '\"\"', '\"')"
    once = f"TRY(json_extract_string({readable}, '$'))"
    ways = [readable, once, f"TRY(json_extract_string({once}, '$'))", unquoted]
    objects = (f"CASE WHEN TRY(json_type({way})) = 'OBJECT' THEN {way} END" for way in ways)
    return f"coalesce({', '.join(objects)})"


def _beginning(text: str) -> str:
    return f"CASE WHEN strlen({text}) > {MOST_CHARACTERS} THEN left({text}, {MOST_CHARACTERS}) ELSE {text} END"


def _time(field: str, stored: str, zone: str) -> Reading | None:
    if stored == "VARCHAR":
        # The connection's zone is the source's while files are loaded.
        simple = f"TRY_CAST({field} AS TIMESTAMPTZ)"
        cast = time_of_text(field)
        empty = _is_nothing(field)
        return Reading(
            nearest(simple),
            nearest_of_text(field),
            bad=f"CASE WHEN {field} IS NULL OR {cast} IS NOT NULL THEN false ELSE NOT {is_before_christ(field)} AND NOT {empty} END",
            odd=f"{field} IS NOT NULL AND {simple} IS NULL",
            dear=True,
            worked_out=True,
        )
    if stored == "TIMESTAMP WITH TIME ZONE":
        cast, dear = field, False
    elif stored in _LOCAL_TIMES:
        dear = zone != "UTC"
        cast = f"timezone({literal(zone)}, CAST({field} AS TIMESTAMP))" if dear else f"CAST({field} AS TIMESTAMPTZ)"
    else:
        return None
    return Reading(cast, nearest(cast), beyond=is_beyond(cast), odd=f"{field} IS NOT NULL" if dear else "", dear=dear)


def _flag(field: str, stored: str) -> Reading | None:
    if stored == "BOOLEAN":
        return Reading(field)
    if stored in INTEGERS or stored in _FLOATS or stored == "DECIMAL":
        return Reading(
            f"CAST({field} AS BOOLEAN)",
            f"CASE WHEN {field} = 0 THEN false WHEN {field} = 1 THEN true END",
            odd=f"{field} NOT IN (0, 1)",
            bad=f"{field} NOT IN (0, 1)" + (f" AND NOT isnan({field})" if stored in _FLOATS else ""),
        )
    if stored not in {"VARCHAR", "ENUM"}:
        return None
    text = f"trim(CAST({field} AS VARCHAR))"
    known = " ".join(f"WHEN '{word}' THEN {flag}" for word, flag in _FLAGS.items())
    cast = f"coalesce(TRY_CAST({text} AS BOOLEAN), CASE lower({text}) {known} END)"
    bad = f"{field} IS NOT NULL AND {cast} IS NULL AND NOT {_is_nothing(text)}"
    return Reading(cast, cast, bad=bad, doubt=f"CAST({field} AS VARCHAR) NOT IN ('true', 'false')")


def _number(field: str, stored: str) -> Reading | None:
    if stored not in {*INTEGERS, *_FLOATS, "DECIMAL", "VARCHAR"}:
        return None
    cast = f"TRY_CAST({field} AS DECIMAL(18, 4))"
    bad = f"{field} IS NOT NULL AND {cast} IS NULL"
    if stored in _FLOATS:
        bad += f" AND NOT isnan({field})"
    elif stored == "VARCHAR":
        bad += f" AND NOT {_is_nothing(field)}"
    return Reading(cast, cast, bad=bad, doubt=f"{field} IS NOT NULL AND {cast} IS NULL")


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
