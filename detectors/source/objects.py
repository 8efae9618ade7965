"""JSON objects as people's programs write them: read as far as they can be read, and never an error."""

from __future__ import annotations

import json
import re
from typing import Any

_TIMES_ENCODED = 3
"""So often is a text looked for inside a text: an object that was written as JSON twice or three times."""
_NO_CHARACTER = re.compile("[\x00\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NESTED = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_ATOM = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|NaN|-?Infinity", re.ASCII)
_NAMED = {"true": True, "false": False, "null": None}


def read_object(value: object) -> dict[str, Any] | None:
    """The object that a column holds as JSON, as text, as bytes or as a string inside JSON; empty for null.

    None for what is neither. Where the whole cannot be read (numbers of thousands of digits, nesting of thousands of levels),
    its top-level keys are, without those values that are objects and lists; a number that is too long stays a text.
    """
    for _ in range(_TIMES_ENCODED):
        if isinstance(value, bytes | bytearray | memoryview):
            value = bytes(value).decode("utf-8", "replace")
        if not isinstance(value, str):
            break
        value = _parsed(value)
    if value is None:
        return {}
    return {key: _writable(held) for key, held in value.items()} if isinstance(value, dict) else None


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return False
    except (ValueError, RecursionError):
        return _top_level(text)


def _writable(value: Any) -> Any:
    return _NO_CHARACTER.sub("\ufffd", value) if isinstance(value, str) else value


def _top_level(text: str) -> object:
    """The keys of an object with those values that are texts, numbers or flags; False for what is no object."""
    try:
        return dict(_pairs(text))
    except (ValueError, IndexError):
        return False


def _pairs(text: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    place = _behind(text, 0, "{")
    while True:
        key, place = _string(text, _blankless(text, place))
        value, place = _value(text, _blankless(text, _behind(text, place, ":")))
        pairs.append((key, value))
        place = _blankless(text, place)
        if text[place] == "}":
            return pairs
        place = _behind(text, place, ",")


def _blankless(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    return found.end() if found else place


def _behind(text: str, place: int, sign: str) -> int:
    """The place behind `sign`, which must come next."""
    place = _blankless(text, place)
    if text[place] != sign:
        raise ValueError("no JSON")
    return place + 1


def _string(text: str, place: int) -> tuple[str, int]:
    found = _STRING.match(text, place)
    if found is None:
        raise ValueError("no JSON")
    return str(json.loads(found.group())), found.end()


def _value(text: str, place: int) -> tuple[Any, int]:
    if text[place] == '"':
        return _string(text, place)
    if text[place] in "[{":
        return None, _end_of_nested(text, place)
    atom = _ATOM.match(text, place)
    if atom is None:
        raise ValueError("no JSON")
    said = atom.group()
    return _NAMED.get(said, said), atom.end()


def _end_of_nested(text: str, place: int) -> int:
    depth = 0
    for found in _NESTED.finditer(text, place):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found.group(), 0)
        if not depth:
            return found.end()
    raise ValueError("no JSON")
