"""The cheap question about a file's values: it doubts whatever the close ones find, and what it does not doubt is plain."""

from __future__ import annotations

import duckdb
import pytest

from detectors.source.folder_values import literal, reading
from detectors.source.longest import MOST_BYTES

UUID = "0d5c3a52-1d9f-5a3e-8a55-0f6d9d4cbd10"
VALUES = [
    *(UUID, UUID.upper(), f"{{{UUID}}}", f" {UUID}\u00a0", f'"{UUID}"', f"urn:uuid:{UUID}", UUID.replace("-", ""), UUID[:-1]),
    *("7", "+7", "-7", "7.0", "7.5", "1.23e+18", "12345678901234567890.0", "user_2aB", "User_2aB", "user-2", "o'brien"),
    *("", " ", "null", "NULL", "N/A", "nan", "None", "undefined"),
    *("true", "false", "t", "F", "TRUE", " true", "1", "0", "1.0", "2", "yes", "maybe"),
    *("2026-02-02", "2026-02-02T14:35:00Z", "2026-02-02 14:35:00+00", "2026-02-02 14:35Z", "2026-02-02 14:35:00 UTC"),
    *("2026-02-02  14:35:00.5 +05:45 UTC", "02/02/2026", "infinity", "-infinity", "20260-01-01 00:00:00+00", "1770042900"),
    *("0044-03-15 00:00:00 BC", "0044-03-15 00:00:00+00 BC", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00", "noon"),
    *("{}", '{"a": 1}', '{"a": "\\u0000"}', '"{\\"a\\": 1}"', "{'a': 1}", '"{""a"": 1}"', "[1]", "{", "7 days"),
    '{"a": "' + MOST_BYTES * "x" + '"}',
]  # fmt: skip
KINDS = ("user", "household", "id", "text", "flag", "time", "json", "number", "prose")
STORED = (
    "VARCHAR",
    "JSON",
    "BLOB",
    "DOUBLE",
    "FLOAT",
    "DECIMAL(18,4)",
    "INTEGER",
    "BOOLEAN",
    "TIMESTAMP",
    "TIMESTAMPTZ",
)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE TABLE texts (said VARCHAR)")
    connection.execute("INSERT INTO texts VALUES (NULL), " + ", ".join(f"({literal(value)})" for value in VALUES))
    return connection


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_doubted_is_plain(connection: duckdb.DuckDBPyConnection, kind: str, stored: str) -> None:
    found = reading(kind, "said", stored.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), "Asia/Kathmandu")
    if found is None:
        return
    closely = [condition for condition in (found.odd, found.bad, found.lost) if condition]
    assert bool(closely) == bool(found.first_asked)
    cast = "encode(said)" if stored == "BLOB" else f"TRY_CAST(said AS {stored})"
    # What is beyond is asked by itself.
    unlike = f"({found.plain}) IS DISTINCT FROM ({found.careful})" if found.careful and not found.beyond else "false"
    missed = connection.execute(
        f"SELECT said FROM (SELECT {cast} AS said FROM texts) "
        f"WHERE ({found.first_asked or 'false'}) IS NOT TRUE AND ({' OR '.join([*closely, unlike])})"
    ).fetchall()
    assert missed == []
