"""What doctor says of a Spark Connect server and of the lake behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from detectors.source.base import Check

_EVENTS = "household_events"


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


def partition_check(time_column: str, partitions: Sequence[str] | None) -> Iterator[Check]:
    """Whether a scan's window leaves most of the audit table unread."""
    topic = f"partitions of {_EVENTS}"
    if partitions is None:
        yield Check("note", topic, "the server does not say", "see DESCRIBE TABLE EXTENDED there")
    elif time_column in partitions:
        yield Check("ok", topic, f"by {', '.join(partitions)}: a window reads its own")
    elif partitions:
        remedy = f"where the format does not derive them from {time_column}, partition it by the day of {time_column}"
        yield Check("note", topic, f"by {', '.join(partitions)}, not by {time_column}", remedy)
    else:
        remedy = f"of a big table write the day of {time_column} as its partition, or cluster it by {time_column}"
        yield Check("note", topic, "none that are named: a window may read all of it", remedy)
