"""A private folder for what one scan must put down: gone when the scan ends, and cleaned up after one that was killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from detectors.source.base import SourceError

PREFIX = "hearthwatch-spill-"
_YOUNG_SECONDS = 60
"""How long another scan's folder is left alone, which may not have been locked yet."""
_LOCK = "in-use"


class PrivateFolder:
    """A new folder below the temporary directory that nobody else can read, locked for as long as this process lives."""

    def __init__(self) -> None:
        try:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        except OSError as error:
            raise SourceError(
                f"no private folder can be made in the temporary directory ({error.strerror}): set TMPDIR to one that has room"
            ) from error
        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire()
        _remove_left_behind(self.path)

    def remove(self) -> None:
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_left_behind(own: Path) -> None:
    """Folders of this user whose process was killed: the system has given up its lock."""
    now = own.stat().st_mtime
    for other in own.parent.glob(f"{PREFIX}*"):
        try:
            found = other.lstat()
        except OSError:
            continue  # its owner has just removed it
        if other == own or not stat.S_ISDIR(found.st_mode) or now - found.st_mtime < _YOUNG_SECONDS:
            continue
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            continue
        try:
            with FileLock(other / _LOCK, timeout=0):
                shutil.rmtree(other, ignore_errors=True)
        except (Timeout, OSError):
            continue
