"""What is said to a Spark Connect server, and what is made of what it says, without one."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Select, Text, column, func, literal, select, table
from sqlalchemy.exc import CompileError

from detectors.source import SourceError, SourceMapping, open_source
from detectors.source.base import LostError, QueryError, SlowError
from detectors.source.spark import checks, faults
from detectors.source.spark.address import SparkAddressError, is_spark, place_at
from detectors.source.spark.catalog import read_lake
from detectors.source.spark.dialect import SparkDialect, written
from detectors.source.sql import matches

WHERE = "spark:sc://lake.example:15002/;use_ssl=true;token=s3cret;catalog=lake;schema=pets"


def test_an_address_is_taken_apart_and_shows_no_option() -> None:
    place = place_at(WHERE)
    assert (place.host, place.port, place.catalog, place.schema) == ("lake.example", 15002, "lake", "pets")
    assert place.options == {"use_ssl": "true", "token": "s3cret"}
    assert place.label == "spark://lake.example:15002/lake.pets"
    assert place.url == "sc://lake.example:15002/"
    assert "s3cret" not in repr(place)


@pytest.mark.parametrize(
    ("where", "port", "label"),
    [
        ("spark:sc://h/", 15002, "spark://h:15002/"),
        ("sc://h:1;folder=s3://b/pet town", 1, "spark://h:1/pet town"),
        ("spark:sc://[::1]:7/;folder=/a%3Bb;format=delta", 7, "spark://[::1]:7/a;b"),
    ],
)
def test_other_forms(where: str, port: int, label: str) -> None:
    assert is_spark(where)
    assert (place_at(where).port, place_at(where).label) == (port, label)


@pytest.mark.parametrize(
    "where",
    [
        "spark:http://s3cret/",
        "spark:sc://u:s3cret@h/",
        "spark:sc://h:s3cret/",
        "spark:sc://h/s3cret",
        "spark:sc://h/;s3cret",
        "spark:sc://h/;token=s3cret;token=s3cret",
        "spark:sc://h/;folder=s3cret;schema=s3cret",
        "spark:sc://h/;folder=x;format=s3cret",
        "spark:sc://h/;token=s3cret%0A",
        "spark:sc://h/#s3cret;use_ssl=true",
        "spark:sc://h/;use_ssl=yes;token=s3cret",
        "spark:sc://h/;Use_SSL=true;token=s3cret",
    ],
)
def test_what_cannot_be_used_is_said_without_showing_it(where: str) -> None:
    with pytest.raises(SparkAddressError) as refused:
        place_at(where)
    assert "s3cret" not in str(refused.value)
    with pytest.raises(SourceError, match="the source's address ") as ended:
        open_source(where, SourceMapping())
    assert "s3cret" not in str(ended.value)


HOMES = table("homes", column("id", Text()), column("name", Text()))


def said(statement: Select[Any]) -> str:
    return " ".join(written(SparkDialect(), statement)[0].split())


def test_a_function_that_nobody_has_looked_at_is_no_statement() -> None:
    with pytest.raises(CompileError, match="not known of Spark: to_hex"):
        said(select(func.to_hex(HOMES.c.id)))


def test_values_stand_beside_the_statement() -> None:
    text, values, names = written(SparkDialect(), select(HOMES.c.id.label("a.b")).where(HOMES.c.name == "it's \\"))
    assert "it's" not in text
    assert (list(values.values()), names) == (["it's \\"], ["a.b"])


def test_the_end_of_a_pattern_is_the_end_of_the_text() -> None:
    assert r"RLIKE '^a\\z'" in said(select(matches(HOMES.c.name, "^a$")))
    assert r"RLIKE '(?iu)it\'s'" in said(select(matches(HOMES.c.name, "it's", any_case=True)))


def test_nulls_come_last_and_filters_are_cases() -> None:
    ordered = func.row_number().over(order_by=[HOMES.c.id.desc(), HOMES.c.name])
    assert "ORDER BY `homes`.`id` DESC NULLS LAST, `homes`.`name` NULLS LAST" in said(select(ordered))
    any_order = func.row_number().over(partition_by=HOMES.c.id)
    assert "PARTITION BY `homes`.`id` ORDER BY `homes`.`id` NULLS LAST)" in said(select(any_order))
    counted = func.count(HOMES.c.id.distinct()).filter(HOMES.c.name == literal("x"))
    assert "count(DISTINCT CASE WHEN `homes`.`name` = :" in said(select(counted))


class Fake:
    """A catalog whose tables are Delta's, Iceberg's, or neither."""

    def __init__(self, **versions: dict[str, Any]) -> None:
        self.versions = versions

    def types(self, relation: str) -> dict[str, str]:
        name = relation.rpartition(".")[2].strip("`")
        time = {"created_at", "joined_at", "requested_at"}
        columns = {
            "households": ("id", "leader_id", "created_at"),
            "household_members": ("id", "household_id", "user_id", "role", "status", "joined_at"),
            "household_join_requests": ("id", "household_id", "user_id", "status", "requested_at"),
        }
        return {each: "timestamp" if each in time else "string" for each in columns.get(name, ())}

    def first(self, statement: str) -> dict[str, Any] | None:
        for name, answers in self.versions.items():
            for words, answer in answers.items():
                if words in statement and f"`{name}`" in statement:
                    return {"version" if words == "DESCRIBE HISTORY" else "snapshot_id": answer}
        return {} if "VERSION AS OF" in statement else None


def test_every_statement_reads_the_version_of_the_beginning() -> None:
    fake = Fake(households={"DESCRIBE HISTORY": 7}, household_members={".refs": 8_401_234_567_890_123_456})
    found = read_lake(fake, place_at(WHERE), SourceMapping(), "x")
    assert found.relations == {
        "households": "`lake`.`pets`.`households` VERSION AS OF 7",
        "household_members": "`lake`.`pets`.`household_members` VERSION AS OF 8401234567890123456",
        "household_join_requests": "`lake`.`pets`.`household_join_requests`",
    }


def test_a_version_that_could_not_be_asked_for_is_no_table_without_versions() -> None:
    class Troubled(Fake):
        def first(self, statement: str) -> dict[str, Any] | None:
            if "`households`" in statement:
                raise QueryError("the statement failed in Spark (INTERNAL_ERROR)")
            return super().first(statement)

    found = read_lake(Troubled(household_members={".refs": 5}), place_at(WHERE), SourceMapping(), "x")
    assert found.versions == {"household_members": "5"}
    assert found.unsure == {"households": "the statement failed in Spark (INTERNAL_ERROR)"}


class FailedError(Exception):
    def __init__(self, status: str, said: str = "", condition: str | None = None) -> None:
        super().__init__(said)
        self._status, self._condition = status, condition

    def code(self) -> Any:
        return type("Status", (), {"name": self._status})

    def getCondition(self) -> str | None:  # noqa: N802  # as the library names it
        return self._condition


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (FailedError("UNAVAILABLE"), LostError, "the connection was lost"),
        (FailedError("INTERNAL", condition="INVALID_HANDLE.SESSION_CHANGED"), LostError, "no longer knows the session"),
        (FailedError("UNAUTHENTICATED", "token s3cret expired"), SourceError, "renew HEARTHWATCH_SPARK_TOKEN"),
        (FailedError("INTERNAL", "[INSUFFICIENT_PERMISSIONS] on s3cret"), SourceError, "GRANT SELECT"),
        (FailedError("DEADLINE_EXCEEDED"), SlowError, "the limit"),
        (FailedError("CANCELLED"), SlowError, "the limit"),
        (FailedError("INTERNAL", "[CAST_INVALID_INPUT] 's3cret'"), QueryError, "failed in Spark (CAST_INVALID_INPUT)"),
        (FailedError("RESOURCE_EXHAUSTED"), QueryError, "longer than the server sends"),
    ],
)
def test_failures_are_told_in_our_words(error: Exception, kind: type[Exception], words: str) -> None:
    told = faults.fault(error, "spark://h:1/", "the limit")
    assert isinstance(told, kind)
    assert words in str(told)
    assert "s3cret" not in str(told)


class ParseException(FailedError):  # noqa: N818  # as the library names it
    pass


@pytest.mark.parametrize(
    ("error", "of_another_format"),
    [
        (ParseException("INTERNAL", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'LIMIT'"), True),
        (FailedError("INTERNAL", condition="UNSUPPORTED_FEATURE.TIME_TRAVEL"), True),
        (FailedError("INTERNAL", condition="REQUIRES_SINGLE_PART_NAMESPACE"), True),
        (FailedError("INTERNAL", "[DELTA_TABLE_ONLY_OPERATION] lake.events is not a Delta table"), True),
        (FailedError("INTERNAL", "[DELTA_LOG_FILE_NOT_FOUND] no log"), False),
        (FailedError("PERMISSION_DENIED"), False),
        (FailedError("UNAVAILABLE"), False),
        (FailedError("INTERNAL", "the metastore does not answer"), False),
    ],
)
def test_only_what_a_format_does_not_know_means_that_it_keeps_no_versions(
    error: Exception, *, of_another_format: bool
) -> None:
    assert faults.is_not_known(error) == of_another_format


PLAN = "FileScan parquet lake.events[event_timestamp#8] PartitionFilters: [{}], PushedFilters: [{}], ReadSchema: x"
OF_DAYS = [
    {"col_name": "event_timestamp", "data_type": "timestamp"},
    {"col_name": "# Partition Information", "data_type": ""},
    {"col_name": "# col_name", "data_type": "data_type"},
    {"col_name": "day", "data_type": "date"},
    {"col_name": "", "data_type": ""},
    {"col_name": "# Detailed Table Information", "data_type": ""},
    {"col_name": "Owner", "data_type": "root"},
]
DERIVED = [{"col_name": "# Partitioning"}, {"col_name": "Part 0", "data_type": "days(event_timestamp)"}]


@pytest.mark.parametrize(
    ("described", "plan", "verdict", "words"),
    [
        (OF_DAYS, PLAN.format("(day#9 >= 2000-01-01)", ""), "ok", "by day: a window reads its own"),
        (OF_DAYS, PLAN.format("", ""), "note", "by day; a window reads all of them"),
        (DERIVED, "BatchScan lake.events[filters=]", "ok", "by days(event_timestamp): a window reads its own"),
        ([], PLAN.format("", "GreaterThan(event_timestamp,x)"), "note", "of the table, but for files whose own least"),
        ([], "", "note", "none that are named; a window reads all of the table"),
    ],
)
def test_doctor_says_whether_a_window_leaves_partitions_unread(
    described: list[dict[str, Any]], plan: str, verdict: str, words: str
) -> None:
    parts, planned = checks.partitions_in(described), checks.plan_in([{"plan": plan}])
    (check,) = checks.partition_check("event_timestamp", parts, planned)
    assert (check.verdict, words in check.found) == (verdict, True)
