"""Ids that are compared across tables: in conditions, in metadata, and as somebody typed them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Numeric, Uuid, and_, case, cast, func
from sqlalchemy.types import TypeEngine

from detectors.source.base import NativeType
from detectors.source.ids import UUID_IN_ANY_NOTATION, plain_id
from detectors.source.notations import plain_text, unblanked
from detectors.source.sql import matches
from detectors.source.typed_ids import TYPES, check, fits, is_one_of, number_of


class ComparedIds:
    """Ids of users are of one type in all tables of a source, and so are ids of households."""

    user_type: NativeType
    household_type: NativeType

    def user_key(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """A user id that stands as text in an event's metadata, in the type of the user columns; null if malformed."""
        if self.user_type == "uuid":
            # An expression that counts digits is worked out anew for every row; these tests are ten times cheaper.
            digits = func.length(func.replace(text, "-", "")) == 32
            well_formed = and_(
                text.like("________-____-____-____-____________"), digits, ~matches(text, "[^0-9a-fA-F-]")
            )
            oddly = matches(unblanked(text), UUID_IN_ANY_NOTATION)
            return case((well_formed, cast(text, TYPES["uuid"])), (oddly, cast(plain_text(text), TYPES["uuid"])))
        if self.user_type in {"integer", "number"}:
            return number_of(text, self.user_type)
        return plain_text(text)

    def id_text(self, text: ColumnElement[str]) -> ColumnElement[str]:
        """An id of whatever kind that stands as text in an event's metadata, as `cast(column, Text)` writes it."""
        return plain_text(text)

    def households_in(self, column: ColumnElement[Any], ids: Iterable[str]) -> ColumnElement[bool]:
        """`column` is one of the household `ids`."""
        return is_one_of(column, ids, self.household_type)

    def users_in(self, column: ColumnElement[Any], ids: Iterable[str]) -> ColumnElement[bool]:
        """`column` is one of the user `ids`."""
        return is_one_of(column, ids, self.user_type)

    def ids_in(self, column: ColumnElement[Any], texts: Iterable[str]) -> ColumnElement[bool]:
        """An id `column` of whatever type is one of `texts`, in any notation; its index serves."""
        kinds: tuple[tuple[type[TypeEngine[Any]], NativeType], ...] = (
            (Uuid, "uuid"),
            (BigInteger, "integer"),
            (Numeric, "number"),
        )
        native: NativeType = next((native for kind, native in kinds if isinstance(column.type, kind)), "text")
        return is_one_of(column, map(plain_id, texts), native)

    def is_user_id(self, value: str) -> bool:
        """Whether `value`, as `plain_user_id` writes it, can be a user's id here."""
        return fits(value, self.user_type)

    def plain_user_id(self, value: str) -> str:
        """A user id from an event's metadata or from somebody's keyboard, written as the user columns write it."""
        return plain_id(value)

    def plain_household_id(self, value: str) -> str:
        """A household id that somebody typed, written as the household columns write it."""
        return plain_id(value)

    def check_household(self, household_id: str) -> None:
        """Raise SubjectError if `household_id` cannot be a household's id here."""
        check("household", household_id, self.household_type)

    def check_user(self, user_id: str) -> None:
        """Raise SubjectError if `user_id` cannot be a user's id here."""
        check("user", user_id, self.user_type)
