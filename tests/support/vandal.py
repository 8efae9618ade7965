"""What people and other programs do to files between two nights, at random and by a seed."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 10**30, 1e308, float("nan"), float("inf")),
    *("", " ", "open", "OPEN", "resolved", "deleted", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"),
    *("2026-02-02T14:35:00", "2026-02-03T02:00:00Z", "\ud800", "\x1b]0;owned\x07", "kim\nhearthwatch: all is well"),
    *("../../etc/passwd", "{{7*7}}", "=cmd()", "\N{RIGHT-TO-LEFT OVERRIDE}x", "a" * 10_000, "\x00"),
    *([], {}, [[]], {"": None}, [None] * 50, {"kind": "table"}),
)
"""Values that no program of ours would write where it writes something."""
_BYTES = (b"\x00", b"\xff\xfe", b"\n", b'"', b"{", b"\x1b[2J", b",", b"1", b"\xed\xa0\x80", b"\xef\xbb\xbf")


def spoil_bytes(path: Path, chance: random.Random) -> None:
    """Some bytes of a file are other ones, gone, there twice, or new."""
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 1, 2, 10, 200))):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(6):
            case 0 if at < len(content):
                content[at] ^= 1 << chance.randrange(8)
            case 1:
                content[at:at] = chance.choice(_BYTES)
            case 2:
                del content[at : at + chance.choice((1, 3, 500))]
            case 3:
                content[at:at] = content[at : at + chance.randrange(1, 200)]
            case 4 if chance.random() < 0.3:
                del content[at:]
            case _:
                content[at : at + 4] = chance.randbytes(4)
    path.write_bytes(content)


def spoil_value(value: Any, chance: random.Random) -> Any:
    """JSON in which one value somewhere is another one, missing, or one too many."""
    places = list(_places(value))
    if not places:
        return chance.choice(ODD)
    holder, key = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(chance.choice((*ODD, holder[key])))
        case _:
            holder[key] = chance.choice(ODD)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def spoil_json(path: Path, chance: random.Random) -> None:
    value = json.loads(path.read_text())
    # What people are asked to change they change most.
    if isinstance(value, dict) and chance.random() < 0.4:
        value[chance.choice(("status", "owner", "first_reply_at", "version", "comments"))] = chance.choice(ODD)
    else:
        value = spoil_value(value, chance)
    path.write_text(json.dumps(value))


def _pipe(path: Path, _: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "note.txt").write_text("mine")


def _link_to_endless(path: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _link_to_nothing(path: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere" / "at all")


def _empty(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def _deep(path: Path, _: random.Random) -> None:
    path.write_bytes(b"[" * 100_000)


REPLACED: tuple[Callable[[Path, random.Random], None], ...] = (
    _pipe,
    _folder,
    _link_to_endless,
    _link_to_nothing,
    _empty,
    _deep,
)
"""What can stand in a file's place."""


def remove(path: Path) -> None:
    """Whatever stands there is gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def strew(folder: Path, chance: random.Random) -> list[Path]:
    """Put things that are none of ours into a folder."""
    strewn = []
    for _ in range(chance.randrange(1, 4)):
        digits = f"{chance.randrange(16**16):016x}"
        name = chance.choice(
            (f"hw-{digits}.json", f".hw-{digits}.json.{digits}.part", "notes\nof mine.json", "\x1b[2J.md", "Thumbs.db")
        )
        path = folder / name
        if path not in strewn:
            strewn.append(path)
            path.write_bytes(chance.randbytes(50))
            if chance.random() < 0.5:
                chance.choice(REPLACED)(path, chance)
    return strewn
