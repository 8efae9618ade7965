"""Ids and JSON in SQL: the expressions say what the readers in Python say, and no value makes them fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import Connection, Integer, Text, column, create_engine, make_url, or_, select, values
from sqlalchemy.dialects.postgresql import BYTEA, JSON, JSONB

from detectors.source import json_postgres
from detectors.source.ids import plain_id
from detectors.source.notations import plain_text
from detectors.source.objects import read_object
from detectors.source.sql import Listed, json_is_lost, json_text, like_any, unless_too_long
from tests.support.effort import tries
from tests.support.postgres import PostgresServer

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
IDS = (
    st.sampled_from(["", " ", "user_2aB", "{}", "+5", "-7.00", "1.5", "007.0", "e" * 32, "URN:UUID:x", "a-B", "'user_2aB'", '"x_Z', "\u00a0x", "E" * 32, "null", " None", "<NA>", "(NULL)", "nulls"])
    | st.builds(
        lambda one, change: change(str(one)),
        st.uuids(),
        st.sampled_from(
            [
                str.upper,
                "{{{}}}".format,
                "urn:uuid:{}".format,
                " {}\n".format,
                '"{}"'.format,
                "'{}' ".format,
                lambda text: text.replace("-", ""),
            ]
        ),
    )
    | st.integers().map(lambda number: f"\u00a0{number}.0 ")
    | TEXTS
)  # fmt: skip


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> Iterator[Connection]:
    engine = create_engine(make_url(postgres.admin_url).set(drivername="postgresql+psycopg"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def files() -> Iterator[Connection]:
    engine = create_engine("duckdb:///:memory:")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@tries(20)
@given(st.lists(IDS, min_size=30, max_size=60))
def test_ids_are_written_alike_in_sql_and_in_python(server: Connection, files: Connection, texts: list[str]) -> None:
    rows = values(column("place", Integer), column("text", Text), name="rows").data(list(enumerate(texts)))
    asked = select(plain_text(rows.c.text)).order_by(rows.c.place)
    for engine in (server, files):
        assert list(engine.scalars(asked)) == [plain_id(text) or None for text in texts]


PIECES = st.text("aB ü.(%_+[^$|\n", max_size=6)


@tries(60)
@given(st.lists(PIECES, min_size=1, max_size=4), st.lists(PIECES, min_size=1, max_size=5))
def test_what_is_like_any_pattern_is_so_on_each_engine(
    server: Connection, files: Connection, patterns: list[str], texts: list[str]
) -> None:
    """DuckDB is asked by one expression in the place of the patterns; SQL's own LIKE is what it must mean."""
    rows = values(column("place", Integer), column("text", Text), name="rows").data(list(enumerate(texts)))
    each = or_(*(rows.c.text.like(pattern) for pattern in patterns))
    for engine in (server, files):
        asked = select(like_any(rows.c.text, patterns), each).order_by(rows.c.place)
        for text, (together, apart) in zip(texts, engine.execute(asked), strict=True):
            assert together == apart, (text, patterns)


@tries(20)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_listed_texts_are_rows_on_each_engine(
    server: Connection, files: Connection, pairs: list[tuple[str, str]]
) -> None:
    listed = Listed.of(pairs, "said", "word", "pattern")
    for engine in (server, files):
        assert sorted(map(tuple, engine.execute(select(listed.c.word, listed.c.pattern)))) == sorted(pairs)


FLAT = st.none() | st.booleans() | st.integers() | st.sampled_from([0.5, -1e300, float("nan")]) | TEXTS
OBJECTS = st.dictionaries(
    st.sampled_from(["key", "other", "third"]), FLAT | st.recursive(FLAT, st.lists, max_leaves=4), max_size=3
)
BROKEN = st.text('[]{}",:\\u0dD8-1eE.+NaInftyrl key \t\n', max_size=30)


def _encoded(held: Any, times: int, ascii_only: bool) -> str:
    text = json.dumps(held, ensure_ascii=ascii_only)
    for _ in range(times - 1):
        text = json.dumps(text, ensure_ascii=ascii_only)
    return text


@tries(30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            _encoded,
            OBJECTS | FLAT | st.lists(FLAT, max_size=2),
            st.integers(1, 3),
            st.booleans(),
        )
        | BROKEN
        | BROKEN.map('{{"key": "here", {}}}'.format)
        | BROKEN.map('{{"key": "here", "other": "{}"}}'.format),
        min_size=20,
        max_size=40,
    )
)
@pytest.mark.parametrize("version", [14, None])
def test_a_key_is_read_out_of_any_text(server: Connection, version: int | None, texts: list[str]) -> None:
    """Older servers do not say whether a text is JSON; a newer one is asked, where the tests have one."""
    dialect: Any = server.dialect
    version = version or dialect.server_version_info[0]
    parts = (
        json_postgres.key_of_text("t", "'key'", version),
        json_postgres.text_is_lost("t", version),
        json_postgres.key_of_text(json_postgres.text_of_bytes("convert_to(t, 'UTF8')"), "'key'", version),
    )
    asked = f"SELECT {', '.join(parts)} FROM unnest(%s::text[]) WITH ORDINALITY AS r(t, n) ORDER BY n"
    for text, (key, lost, key_of_bytes) in zip(texts, server.exec_driver_sql(asked, (texts,)), strict=True):
        read = read_object(text)
        assert lost == (read is None), text
        told = (read or {}).get("key")
        # A number that is none says nothing.
        assert (key is None) == (told is None or told != told), text
        assert key == key_of_bytes
        if isinstance(told, str) and "\\u" not in text:
            assert key == told


@pytest.mark.parametrize(
    "text",
    [
        '{"key": "here", "odd": ' + odd + "}"
        for odd in (
            '"\\u0000"', '"\\ud800"', '"\\\\u0000"', "9" * 5_000, "1e200000", "[" * 8 + "]" * 8, '"\\ud83d\\ude00"', "NaN",
        )
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [JSON, JSONB, Text, BYTEA])
def test_one_odd_value_leaves_the_other_keys_whatever_the_type(server: Connection, kind: type[Any], text: str) -> None:
    held = {"JSON": "json", "JSONB": "jsonb", "Text": "text", "BYTEA": "bytea"}[kind.__name__]
    source = f"convert_to('{text}', 'UTF8')" if held == "bytea" else f"CAST('{text}' AS {held})"
    impossible = {"json": ("NaN",), "jsonb": ("NaN", '"\\u0000"', "ud800", "1e200000")}.get(held, ())
    if any(text.endswith(f"{odd}}}") or (odd == "ud800" and odd in text) for odd in impossible):
        return
    one = column("metadata", kind())
    for asked, answer in ((json_text(one, "key"), "here"), (json_is_lost(one), False)):
        said = str(asked.compile(dialect=server.dialect))
        assert server.exec_driver_sql(f"SELECT {said} FROM (SELECT {source} AS metadata) AS r").scalar() == answer


@pytest.mark.parametrize("kind", [JSON, JSONB, Text, BYTEA])
@pytest.mark.parametrize("words", [1, 200_001])
def test_metadata_that_is_too_long_is_counted_and_not_read(server: Connection, kind: type[Any], words: int) -> None:
    held = {"JSON": "json", "JSONB": "jsonb", "Text": "text", "BYTEA": "bytea"}[kind.__name__]
    text = f"""('{{"note": "' || repeat('long ', {words}) || '"}}')"""
    source = f"convert_to({text}, 'UTF8')" if held == "bytea" else f"CAST({text} AS {held})"
    one = column("metadata", kind())
    lost, read = (str(asked.compile(dialect=server.dialect)) for asked in (json_is_lost(one), unless_too_long(one)))
    told = server.exec_driver_sql(f"SELECT {lost}, {read} FROM (SELECT {source} AS metadata) AS r").one()
    assert told[0] == (words > 1)
    assert read_object(told[1]) == (None if words > 1 else {"note": "long "})
