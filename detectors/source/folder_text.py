"""Text files of rows as they come: separators, headers, packing, and bytes that are no UTF-8."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from detectors.source.base import SourceError
from detectors.source.folder_files import DataFile, shown

LONGEST_LINE = 16 * 1024 * 1024
"""In bytes; a CSV line beyond it is refused. DuckDB's own limit is 2 MB, which one long description may exceed."""
_BLOCK = 1024 * 1024
_SEPARATORS = ",;\t|"
_SEPARATOR_TOLD = re.compile(r"\s*\"?sep=.\"?\s*$", re.IGNORECASE | re.MULTILINE)
_LATIN_LETTER = re.compile(rb"(?<![\x80-\xff])(?:[\xc0\xc1\xc4-\xfd]|[\xc2\xc3](?=[A-Za-z]))(?![\x80-\xff])")
"""A letter with an accent as Latin-1 and Windows-1252 write it: one byte above ASCII, alone."""
_ASCII = bytes(range(128))
_OTHERS = {
    b"\x1f\x8b": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"PAR1": "Parquet",
    b"PK\x03\x04": "packed by zip",
}
_TAIL, _RECORDS, _WIDE, _WORDS = 64 * 1024, 20, 16, 5
_ZSTD, _ZSTD_SKIPPED = 0xFD2FB528, range(0x184D2A50, 0x184D2A60)


@dataclass(frozen=True, slots=True)
class Header:
    """How a text file separates its columns, and what it calls them."""

    separator: str
    columns: tuple[str, ...]


def plain_name(name: str) -> str:
    """A column's name as names are compared where they do not agree to the letter."""
    return name.strip(" \t\r\n\u00a0\ufeff").casefold()


def header_of(file: DataFile, first: bytes, wanted: Collection[str]) -> Header:
    """The header in the `first` bytes of a file, separated so that most of the `wanted` columns are in it."""
    other = next((words for start, words in _OTHERS.items() if first.startswith(start)), None)
    if other:
        raise SourceError(f"{shown(file.path)} is {other}, which its name does not say: name it so, or export it again")
    encoding = _wide_encoding(first)
    if encoding:
        raise SourceError(f"{shown(file.path)} is written in {encoding}: export it again in UTF-8")
    text = first.decode("utf-8-sig", errors="replace")
    if _SEPARATOR_TOLD.match(text):
        line = text.strip().splitlines()[0].strip()
        raise SourceError(f"{shown(file.path)} begins with a line for spreadsheets, {line}: take that line out")
    known = {plain_name(name) for name in wanted}
    best: tuple[tuple[int, int], Header] | None = None
    for separator in _SEPARATORS:
        try:
            columns = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        worth = len(known & {plain_name(name) for name in columns}), len(columns)
        if columns and (best is None or worth > best[0]):
            best = worth, Header(separator, tuple(columns))
    if best is None:
        raise SourceError(f"{shown(file.path)} has no header line that can be read as CSV: export it again")
    return best[1]


def beginning(file: DataFile) -> bytes:
    """The first bytes of a file that is plain or gzip, with its header."""
    try:
        with _opened(file) as stream:
            return stream.read(_BLOCK)
    except (OSError, EOFError, zlib.error) as error:
        raise _cut(file) from error


def check_whole(file: DataFile) -> None:
    """Raise SourceError if a packed file ends too early, which its reader takes for the end of the rows."""
    try:
        if file.compression == "gzip":
            with gzip.open(file.path) as stream:
                while stream.read(_BLOCK):
                    pass
        elif file.compression == "zstd":
            with file.path.open("rb") as stream:
                while _skip_frame(stream):
                    pass
    except (OSError, EOFError, zlib.error) as error:
        raise _cut(file) from error


def check_last(file: DataFile, separator: str) -> None:
    """Raise SourceError if a text file ends in the middle of its last value: of an id that would be somebody else.

    A file without a line break at its end may be whole, as some programs write none. Then its last value is like the others.
    """
    if file.compression != "none":
        return
    try:
        with file.path.open("rb") as stream:
            stream.seek(max(stream.seek(0, io.SEEK_END) - _TAIL, 0))
            tail = stream.read()
    except OSError as error:
        raise _cut(file) from error
    if tail.endswith((b"\n", b"\r")):
        return
    _, *records = tail.decode(errors="replace").splitlines()[-_RECORDS - 1 :]
    # Programs write as many digits of a second as there are.
    *before, last = [re.sub(r"[.]\d+", "", record.rpartition(separator)[2]) for record in records] or [""]
    if last and _is_beginning(last, [value for value in before if value]):
        raise SourceError(
            f"{shown(file.path)} ends in the middle of its last record: it was cut short; export or copy it again"
        )


def _is_beginning(last: str, values: Sequence[str]) -> bool:
    """Whether `last` is but the beginning of a value such as `values`: of ids or times of one length, or of a few words."""
    lengths = {len(value) for value in values}
    if len(values) >= 3 and len(lengths) == 1 and len(values[0]) >= _WIDE:
        return len(last) < len(values[0])
    words = set(values)
    few = len(values) >= _WORDS and 2 * len(words) <= len(values) and last not in words
    return few and any(word.startswith(last) for word in words)


def _cut(file: DataFile) -> SourceError:
    return SourceError(f"{shown(file.path)} is cut short or damaged: export or copy it again")


def _skip_frame(stream: BinaryIO) -> bool:
    """Go past one frame of a zstd file (RFC 8878, section 3.1); false at the end. Raises EOFError if it is not whole."""
    start = stream.read(4)
    if not start:
        return False
    magic = int.from_bytes(start, "little")
    if magic in _ZSTD_SKIPPED:
        _skip(stream, int.from_bytes(_exactly(stream, 4), "little"))
        return True
    if magic != _ZSTD:
        raise EOFError
    (flags,) = _exactly(stream, 1)
    alone = flags >> 5 & 1
    size_bytes = (1 if alone else 0, 2, 4, 8)[flags >> 6]
    _skip(stream, (0 if alone else 1) + (0, 1, 2, 4)[flags & 3] + size_bytes)
    last = False
    while not last:
        block = int.from_bytes(_exactly(stream, 3), "little")
        last = bool(block & 1)
        _skip(stream, 1 if block >> 1 & 3 == 1 else block >> 3)
    if flags >> 2 & 1:
        _exactly(stream, 4)
    return True


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _skip(stream: BinaryIO, count: int) -> None:
    if count:
        # To the last byte, and then that byte: seeking beyond the end is no error.
        stream.seek(count - 1, io.SEEK_CUR)
        _exactly(stream, 1)


def _opened(file: DataFile) -> BinaryIO:
    if file.compression == "gzip":
        return gzip.open(file.path)  # type: ignore[return-value]  # it reads like any other binary file
    return file.path.open("rb")


def _wide_encoding(first: bytes) -> str | None:
    if first.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "UTF-32"
    pairs = first[:64]
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or pairs.count(0) * 3 > len(pairs) > 3:
        return "UTF-16"
    return None


def mended(file: DataFile, into: Path) -> int:
    """Write a file again with U+FFFD for each byte that is no UTF-8; the number of its lines that hold one.

    Raises SourceError if the whole file is in another encoding rather than a few of its bytes damaged.
    """
    lines = broken = foreign = 0
    sound = False
    with _opened(file) as stream, into.open("wb") as copy:
        for line in _lines(stream):
            lines += 1
            try:
                line.decode()
                sound = sound or not line.isascii()
            except UnicodeDecodeError:
                broken += 1
                foreign += len(_LATIN_LETTER.findall(line)) == len(line.translate(None, _ASCII))
                line = line.decode(errors="replace").encode()  # noqa: PLW2901  # the line as it is copied
            copy.write(line)
    if broken and not sound and foreign == broken:
        raise SourceError(
            f"{shown(file.path)} is not UTF-8 (it looks like Latin-1 or Windows-1252): export it again in UTF-8"
        )
    if broken > max(3, lines // 10):
        raise SourceError(f"{shown(file.path)} is not UTF-8 in {broken} of {lines} lines: export it again in UTF-8")
    return broken


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, the very long ones in pieces."""
    while line := stream.readline(LONGEST_LINE):
        yield line
