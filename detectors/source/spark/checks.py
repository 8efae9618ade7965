"""What doctor says of a Spark Connect server and of the lake behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from detectors.source.base import Check

_EVENTS = "household_events"
_PART = re.compile(r"Part \d+")
_PRUNED = re.compile(r"PartitionFilters: \[[^\]]")
"""In a plan of Spark: partitions are chosen by the statement's condition."""
_COMPARED = r"(?:PushedFilters: \[[^\]]*|filters=[^\]]*|pruning_predicate=[^\n]*){}"
"""In a plan of Spark, of Iceberg's tables, of Sail: files are chosen by what they say of a column."""


def server_checks(version: str, *, encrypted: bool, versions: Mapping[str, str]) -> Iterator[Check]:
    """The server, how it is reached, and which version of each table is read."""
    yield Check("ok", "server", f"Spark Connect, version {version.partition(' ')[0]}")
    if encrypted:
        yield Check("ok", "connection", "encrypted, and it is checked who answers")
    else:
        remedy = "unless the server is on this machine, add ;use_ssl=true to the address"
        yield Check("note", "connection", "not encrypted", remedy)
    if versions:
        told = ", ".join(f"{name} as of version {version}" for name, version in versions.items())
        yield Check("ok", "one moment", told)


def partitions_in(described: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns, and what is derived of columns, by which a table is partitioned, in the answer to DESCRIBE TABLE."""
    found: list[str] = []
    among = False
    for row in described:
        name = str(row.get("col_name") or "")
        if name.startswith("#"):
            among = name.startswith("# Part") or (among and name == "# col_name")
        elif among and name:
            # Iceberg numbers its parts and writes what each is in place of a type.
            found.append(str(row.get("data_type")) if _PART.fullmatch(name) else name)
        else:
            among = False
    return found


def plan_in(explained: Iterable[Mapping[str, Any]]) -> str:
    """The plan in the answer to EXPLAIN; empty where there is none."""
    return "\n".join(str(value) for row in explained for value in row.values())


def partition_check(time_column: str, partitions: Sequence[str], plan: str) -> Iterator[Check]:
    """Whether a scan's window leaves most of the audit table unread, by the server's plan of one."""
    topic = f"partitions of {_EVENTS}"
    by = f"by {', '.join(partitions)}" if partitions else "none that are named"
    if _PRUNED.search(plan) or any(f"({time_column})" in each or each == time_column for each in partitions):
        yield Check("ok", topic, f"{by}: a window reads its own")
        return
    told = f"{by}; a window reads all of {'them' if partitions else 'the table'}"
    if re.search(_COMPARED.format(re.escape(time_column)), plan):
        told += f", but for files whose own least and greatest {time_column} lie outside it"
    remedy = (
        f"where it is big, derive its partition from {time_column} (Iceberg: days({time_column}); Delta: a generated column "
        f"of its day), or write its files in order of {time_column}"
    )
    yield Check("note", topic, told, remedy)
