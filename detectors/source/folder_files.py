"""Which files of a folder are which table. What looks like a table and cannot be read is named, never passed over."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from detectors.source.base import SourceError
from detectors.source.canonical import CANONICAL
from detectors.source.mapping import SourceMapping

Format = Literal["csv", "parquet"]
Compression = Literal["none", "gzip", "zstd"]

_CSV = ("csv", "tsv", "psv", "txt")
_PARQUET = ("parquet", "parq", "pq")
_PACKED: dict[str, Compression] = {"gz": "gzip", "zst": "zstd"}
_OTHER_DATA = frozenset(
    [
        *("json", "jsonl", "ndjson", "xml"),
        *("xlsx", "xls", "xlsm", "ods"),
        *("avro", "orc", "arrow", "feather", "ipc"),
        *("dta", "sav", "rds", "pickle", "pkl"),
        *("db", "sqlite", "duckdb", "mdb", "dbf", "dump"),
        *("bz2", "xz", "lzma", "7z", "zip", "rar", "tar", "tgz", "lz4", "lzo", "br", "snappy", "sz", "z", "gz", "zst"),
        *("gpg", "pgp", "enc", "crypt"),
        *("tmp", "part", "partial", "crdownload", "filepart"),
    ]
)
"""Ends of names of what may hold rows, or rows that have not arrived yet."""
_BESIDE = frozenset(
    [
        *("crc", "md5", "sha1", "sha256", "sha512", "sum", "sig", "asc"),
        *("log", "md", "rst", "html", "pdf"),
        *("sql", "ddl", "schema", "toml", "yaml", "yml", "ini", "py", "sh"),
    ]
)
"""Ends of names of what exporters and people put beside tables, and that holds no rows."""
_OTHER_STORES = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}
_PART = re.compile(r"[-_. ]?(part[-_ ]?)?\d[\d_:tz-]*(-?of-?\d+)?(_part_?\d+)?")
_DAY = re.compile(r"\d{4}-?\d\d-?\d\d")
_HIVE = re.compile(r"([^=]+)=(.*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
FORMATS = ".csv, .tsv, .txt (also with .gz or .zst) or .parquet"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file with rows of a table, as it was when the folder was looked through."""

    path: Path
    format: Format
    compression: Compression
    mark: tuple[int, int, int]
    partition: Mapping[str, str | None] = field(default_factory=dict)
    """Values that stand in the names of the folders above it (`day=2026-02-01`), by column."""
    copy: Path | None = None
    """A copy that is read in its place, unpacked and with its bytes mended."""

    @property
    def size(self) -> int:
        """In bytes, as it lies there."""
        return self.mark[1]

    def check_unchanged(self) -> None:
        """Raise SourceError if the file is not the one that was found."""
        try:
            now = _mark(self.path.stat())
        except OSError:
            now = None
        if now != self.mark:
            raise changed(self.path)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The files of one table, in the order of their names."""

    table: str
    files: tuple[DataFile, ...]
    passed_over: tuple[str, ...] = ()
    """Names of other data that begin like the table's and are no part of it by their names."""

    @property
    def format(self) -> Format:
        return self.files[0].format


def changed(path: Path) -> SourceError:
    return SourceError(f"{shown(path)} changed while it was read: scan again when the export is complete")


def shown(path: Path) -> str:
    """A path as a message may show it, on one line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(path))


def deliveries(folder: Path, mapping: SourceMapping) -> dict[str, Delivery]:
    """The files of each canonical table that `folder` holds. Raises SourceError for what is ambiguous or unreadable."""
    names = {table: mapping.table_name(table) for table in CANONICAL}
    found: dict[str, Delivery] = {}
    for parent in dict.fromkeys((folder / name).parent for name in names.values()):
        here = {table: Path(name).name.lower() for table, name in names.items() if (folder / name).parent == parent}
        if parent != folder and not parent.is_dir():
            continue
        alike: dict[str, list[tuple[Path, str]]] = {table: [] for table in here}
        for path in _entries(parent):
            table = _table_of(path.name.lower(), here)
            if table is not None:
                alike[table].append((path, path.name.lower()[len(here[table]) :]))
        found |= {table: delivery for table, paths in alike.items() if (delivery := _delivery(table, paths))}
    return {table: found[table] for table in CANONICAL if table in found}


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith((".", "_"))]
    except OSError as error:
        raise _unreadable(folder, error) from error
    if not os.access(folder, os.X_OK):
        # Its names can be read, and nothing of what they name.
        raise _unreadable(folder, PermissionError())
    return [folder / name for name in sorted(names, key=_by_number)]


def _by_number(name: str) -> tuple[tuple[int, str], ...]:
    """part-9 before part-10."""
    return tuple((int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", name))


def _table_of(name: str, tables: Mapping[str, str]) -> str | None:
    """The table with the longest name that `name` begins with."""
    alike = [
        table for table, own in tables.items() if name.startswith(own) and not name[len(own) : len(own) + 1].isalnum()
    ]
    return max(alike, key=lambda table: len(tables[table]), default=None)


def _delivery(table: str, paths: Sequence[tuple[Path, str]]) -> Delivery | None:
    wholes, parts, unread, odd = [], [], [], []
    for path, rest in paths:
        is_folder = path.is_dir()
        known = (is_folder and not rest.strip(".")) or _format_of(rest) is not None
        stem = rest[: -len(_ending(rest))] if _ending(rest) else rest
        if known and not stem:
            wholes.append(path)
        elif known and _PART.fullmatch(stem) and not is_folder:
            parts.append(path)
        elif (rest.startswith(".") and rest.rpartition(".")[2] in _OTHER_DATA) or not rest:
            unread.append(path)
        elif is_folder or rest.rpartition(".")[2] not in _BESIDE:
            odd.append(path)
    if unread or (odd and not wholes and not parts):
        path = (unread or odd)[0]
        raise SourceError(
            f"{shown(path)} looks like the table {table}, but is not read: export it as {FORMATS}, name its file in the policy "
            f"under [source.tables.{table}], or move it elsewhere"
        )
    if len(wholes) + bool(parts) > 1:
        one, other = [*wholes, *parts][:2]
        raise SourceError(f"{shown(one)} and {other.name} are both the table {table}: leave the one that is right")
    days = [path for path in parts if _DAY.search(path.name)]
    if table != "household_events" and len(days) > 1:
        raise SourceError(
            f"{shown(days[0])} and {days[-1].name} are the table {table} of different days: leave the newest one"
        )
    files = tuple(each for path in wholes or parts for each in _files(path, table))
    if not files:
        return None
    formats = {each.format: each.path for each in files}
    if len(formats) > 1:
        one, other = formats.values()
        raise SourceError(f"{shown(one)} and {other.name} are of different formats: leave those that are right")
    return Delivery(table, files, tuple(path.name for path in odd))


def _ending(name: str) -> str:
    """The end of `name` that says what is in the file, such as `.csv.gz`; empty if there is none."""
    match = re.search(rf"\.({'|'.join(_CSV)})(\.({'|'.join(_PACKED)}))?$|\.({'|'.join(_PARQUET)})$", name)
    return match[0] if match else ""


def _format_of(name: str) -> tuple[Format, Compression] | None:
    ending = _ending(name.lower())
    if not ending:
        return None
    pieces = ending.split(".")
    return ("parquet" if pieces[1] in _PARQUET else "csv"), (_PACKED[pieces[2]] if len(pieces) > 2 else "none")


def _files(path: Path, table: str) -> Iterator[DataFile]:
    if not path.is_dir():
        yield _data_file(path, {})
        return
    files = [_data_file(each, partition) for each, partition in _below(path, {}, frozenset())]
    if not files:
        raise SourceError(f"{shown(path)} is a folder for the table {table} without any file: export it as {FORMATS}")
    yield from files


def _below(
    folder: Path, partition: Mapping[str, str | None], above: frozenset[Path]
) -> Iterator[tuple[Path, Mapping[str, str | None]]]:
    """The files in `folder` and in the folders of it, with what the folders' names say of their rows."""
    try:
        real = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise SourceError(f"{shown(folder)} is a link that leads nowhere: export the table again") from error
    if real in above:
        raise SourceError(f"{shown(folder)} is a link that leads back to a folder above it: remove it")
    entries = _entries(folder)
    for name, kind in _OTHER_STORES.items():
        if (folder / name).exists():
            raise SourceError(f"{shown(folder)} is {kind}, with rows that no longer count: export it as {FORMATS}")
    for path in entries:
        if path.is_dir():
            hive = _HIVE.fullmatch(path.name)
            said = {hive[1]: None if hive[2] == _NO_VALUE else unquote(hive[2])} if hive else {}
            yield from _below(path, {**partition, **said}, above | {real})
        elif path.name.lower().rpartition(".")[2] not in _BESIDE and not path.name.lower().startswith("readme"):
            yield path, partition


def _data_file(path: Path, partition: Mapping[str, str | None]) -> DataFile:
    found = _format_of(path.name)
    if found is None:
        raise SourceError(
            f"{shown(path)} lies among a table's files, but is not read: export it as {FORMATS}, or remove it"
        )
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{shown(path)} is no file but a pipe or a device: export the table into a file")
    if not os.access(path, os.R_OK):
        raise _unreadable(path, PermissionError())
    if status.st_size == 0:
        raise SourceError(f"{shown(path)} is empty: a table without rows has its header at least; export it again")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"{str(path)!a}: the name is no UTF-8; give the file another one") from error
    return DataFile(path.absolute(), *found, _mark(status), partition)


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _unreadable(path: Path, error: OSError) -> SourceError:
    if isinstance(error, PermissionError):
        return SourceError(f"{shown(path)} cannot be read by this user: give it the right to")
    return SourceError(f"{shown(path)} cannot be read ({error.strerror or 'no such file'}): export it again")
