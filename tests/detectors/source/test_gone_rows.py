"""Columns that say that their row is gone, in the styles of loaders and ORMs."""

from __future__ import annotations

import duckdb
import pytest
from sqlalchemy import literal_column

from detectors.source import SourceMapping
from detectors.source.gone_rows import is_gone, marking
from detectors.source.mapping import TableMapping
from detectors.source.marked import fault_of

SAYS = [
    ("deletedAt", "2026-02-01 10:00:00+00"),
    ("DeletedOn", "2026-02-01"),
    ("deleted_at", "1769904000"),
    ("deleted_at", "1769904000123"),
    ("isDeleted", "true"),
    ("deleted", "2026-02-01T10:00:00Z"),
    ("dbt_is_deleted", "True"),
    ("_dlt_valid_to", "2026-02-01T10:00:00Z"),
    ("_fivetran_end", "2026-02-01T10:00:00Z"),
    ("__hevo__marked_deleted", "1"),
    ("header__change_oper", "B"),
    ("__$operation", "3"),
    ("deleted_flag", "Y"),
    ("is_del", "1"),
    ("delete_time", "2026-02-01T10:00:00Z"),
    ("rowStatus", "Deleted"),
    ("METADATA$ACTION", "DELETE"),
    ("row_kind", "-U"),
    ("_sign", "-1"),
]
LIVES = [
    ("deletedAt", "0001-01-01T00:00:00Z"),
    ("deletedAt", ""),
    ("deletedAt", "0"),
    ("isDeleted", "false"),
    ("_fivetran_end", "9999-12-31T23:59:59Z"),
    ("_fivetran_end", "12/31/9999"),
    ("_fivetran_end", "12.31.9999"),
    ("__$operation", "4"),
    ("record_status", "active"),
    ("deletion_date", ""),
    ("tombstone", "false"),
    ("METADATA$ACTION", "INSERT"),
    ("_sign", "1"),
]


def gone(column: str, value: str) -> bool:
    said = is_gone(literal_column(f"'{value}'"), column).compile(compile_kwargs={"literal_binds": True})
    (row,) = duckdb.sql(f"SELECT {said}").fetchall()
    return bool(row[0])


@pytest.mark.parametrize(("column", "value"), SAYS)
def test_a_row_that_is_gone(column: str, value: str) -> None:
    assert marking("household_members", [column], SourceMapping()) == (column,)
    assert gone(column, value)


@pytest.mark.parametrize(("column", "value"), LIVES)
def test_a_row_that_lives(column: str, value: str) -> None:
    assert not gone(column, value)


@pytest.mark.parametrize("column", ["operation", "sign", "photo_deleted_at", "pet_archived_at", "type"])
def test_columns_of_the_apps_own_say_nothing(column: str) -> None:
    assert marking("households", [column], SourceMapping()) == ()


def test_deleted_accounts_are_mapped() -> None:
    assert 'deleted_at = "deletedAt"' in fault_of("users", "deletedAt", 1, 3)
    assert "name a view" in fault_of("households", "deletedAt", 1, 3)
    mapping = SourceMapping(tables={"users": TableMapping(columns={"deleted_at": "deletedAt"})})
    assert marking("users", ["deletedAt"], mapping) == ()
