"""Ids in the type that a source gives them: compared, checked, and taken out of texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    LargeBinary,
    Numeric,
    Text,
    Uuid,
    and_,
    case,
    cast,
    false,
    func,
    null,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import JSON, TypeEngine

from detectors.source.base import NativeType, SubjectError
from detectors.source.ids import PLAIN_UUID, WHOLE_NUMBER, plain_id
from detectors.source.notations import id_of_bytes, plain_text, unblanked
from detectors.source.sql import matches, one_of_many

TYPES: dict[NativeType, TypeEngine[Any]] = {
    "uuid": Uuid(as_uuid=False),
    "text": Text(),
    "integer": BigInteger(),
    "number": Numeric(),
    "flag": Boolean(),
    "time": DateTime(timezone=True),
    "json": JSON(),
    "jsonb": JSONB(),
    "bytes": LargeBinary(),
}
_LEAST, _MOST = -(2**63), 2**63 - 1
"""What a bigint holds."""
_LONGEST = 100
"""In characters: what is longer is no number that identifies anything."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no text of a server can hold: bytes of no encoding, and the character that ends a text."""
_FEW = 50
"""So many values are parameters of their own; the more are one parameter, as a statement can have 65,535."""


def check(what: str, value: str, native: NativeType) -> None:
    """Raise SubjectError where `value` cannot be an id of a household or a user, as `what` says."""
    plain = plain_id(value)
    if not plain:
        raise SubjectError(f"an empty {what} id was asked for: name one")
    if not fits(plain, native):
        wanted = {"uuid": "a UUID", "text": "a text without control characters"}.get(native, "a number")
        raise SubjectError(f"{value!r} is not a {what} id of this source: {wanted} is expected")


def fits(value: str, native: NativeType) -> bool:
    """Whether `value` can stand in a column of that type."""
    if native == "uuid":
        return re.fullmatch(PLAIN_UUID, value) is not None
    if native in {"integer", "number"}:
        whole = len(value) <= _LONGEST and re.fullmatch(WHOLE_NUMBER, value) is not None
        return whole and (native == "number" or _LEAST <= int(plain_id(value)) <= _MOST)
    return _NO_TEXT.search(value) is None


def is_one_of(column: ColumnElement[Any], ids: Iterable[str], native: NativeType) -> ColumnElement[bool]:
    """`column` is one of those `ids` that it can hold; its index serves."""
    written = {"integer": int, "number": Decimal}.get(native, str)
    values: list[Any] = [written(value) for value in ids if fits(value, native)]
    if len(values) > _FEW:
        return one_of_many(column, values, TYPES[native])
    return column.in_(values) if values else false()


def id_as(own: ColumnElement[Any], native: NativeType, wanted: NativeType) -> ColumnElement[Any]:
    """An id in the type of the column that it is looked for in, so that its index serves; null where it is none of that type."""
    numbers = {"integer", "number"}
    if native == wanted or numbers.issuperset((native, wanted)):
        return own
    text = cast(own, Text)
    if wanted == "text":
        return text
    if native == "text" and wanted == "uuid":
        return case((matches(func.lower(text), PLAIN_UUID), cast(text, TYPES["uuid"])))
    return number_of(text, wanted) if native == "text" and wanted in numbers else cast(null(), TYPES[wanted])


def number_of(text: ColumnElement[str], native: NativeType) -> ColumnElement[Any]:
    """A whole number that stands as a text, in the type of the columns; null where it is none, or out of their range."""
    short = and_(func.length(text) < len(str(_MOST)), ~matches(text, "[^0-9]"), text != "")
    plain = unblanked(text)
    whole = and_(func.length(text) <= _LONGEST, matches(plain, WHOLE_NUMBER))
    number: ColumnElement[Any] = cast(func.split_part(plain, ".", 1), Numeric)
    if native == "integer":
        number = case((number.between(_LEAST, _MOST), cast(number, BigInteger)))
    return case((short, cast(text, TYPES[native])), (whole, number))


def written_as_text(column: ColumnElement[Any], native: NativeType, odd: bool) -> ColumnElement[str]:
    """A column of ids as text, in the notation of `plain_id`."""
    if native == "bytes":
        return id_of_bytes(column)
    text = column if native == "text" else cast(column, Text)
    return plain_text(text) if odd else text
