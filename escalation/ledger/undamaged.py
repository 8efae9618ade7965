"""What is read from the ledger is what was written there. Anything else another program, or a bad disk, has put in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import CursorResult
from sqlalchemy.exc import NoResultFound

T = TypeVar("T")


class DamageError(Exception):
    """A row holds what no version of ours has written, or one that another needs is not there."""


def record(kind: type[T], row: Mapping[Any, Any]) -> T:
    """The row as a record of that kind. Raises ValueError where a value is none that the kind allows."""
    adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type]  # classes are hashable
    return adapter.validate_python(dict(row))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def inserted(result: CursorResult[Any]) -> int:
    """The number of the one row that a statement has written."""
    key: Any = result.inserted_primary_key
    return int(key[0])


@contextmanager
def undamaged() -> Iterator[None]:
    """For whatever does nothing but read rows and make records of them."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, NoResultFound) as error:
        raise DamageError from error
