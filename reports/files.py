"""Files among which others may put things: only we read what we write, no link is followed, and no read goes on for ever."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from pathlib import Path

PRIVATE = 0o600
_ASIDE = re.compile(r"\..+\.[0-9a-f]{16}\.part")
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class OddFileError(Exception):
    """What stands at a path is no file that we read or replace: one line with the path, what it is, and what to do."""


def read(path: Path, most: int) -> bytes:
    """The content of the file at `path`, which has at most `most` bytes.

    Raises:
        OddFileError: a link, a pipe, a device, a folder, or more bytes.
        OSError: it is not there, or may not be read.
    """
    _is_plain(path)
    # A pipe that takes the file's place meanwhile must not hold us up, and a link must not lead us away.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OddFileError(f"{path}: is no file; remove it")
        content = file.read(most + 1)
    if len(content) > most:
        raise OddFileError(f"{path}: has more than {most:,} bytes; remove it, or put back what was there")
    return content


def is_there(path: Path) -> bool:
    """Whether there is a file at `path`. Raises OddFileError for anything else that is there."""
    try:
        _is_plain(path)
    except FileNotFoundError:
        return False
    return True


def _is_plain(path: Path) -> None:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        kind = next((name for is_one, name in _KINDS if is_one(mode)), "no file")
        raise OddFileError(f"{path}: is {kind} and no file; remove it")


def put(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write the whole of `content` or leave what is there; survives a crash at any moment. A link is replaced, not followed."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_private(folder: Path) -> None:
    """Make the folder, and those above it that are missing, for this user alone. What is there stays as it is."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_private(folder.parent)
    try:
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(folder)) from None


def forget_parts(folder: Path) -> None:
    """Remove what a process that died left of its writing. For whoever knows that nobody else is writing there."""
    with os.scandir(folder) as entries:
        left = [
            entry.path for entry in entries if _ASIDE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]
    for path in left:
        Path(path).unlink(missing_ok=True)
