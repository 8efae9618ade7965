"""The canonical tables, and the mapping of another deployment's names onto them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from detectors.events import EVENT_TYPES
from detectors.source.app import App, Preset, check_places, settings_of, with_preset
from detectors.source.ids import WRAPPING

ColumnKind = Literal["user", "household", "id", "text", "flag", "time", "json", "number"]


@dataclass(frozen=True, slots=True)
class CanonicalColumn:
    """What a column holds (`user` and `household` are ids that are compared across tables), and whether it may lack."""

    kind: ColumnKind
    optional: bool = False


@dataclass(frozen=True, slots=True)
class CanonicalTable:
    """A table as the detectors know it."""

    columns: dict[str, CanonicalColumn]
    optional: bool = False


def _table(*, optional: bool = False, **columns: str) -> CanonicalTable:
    kinds: dict[str, CanonicalColumn] = {}
    for name, spec in columns.items():
        kinds[name] = CanonicalColumn(kind=spec.rstrip("?"), optional=spec.endswith("?"))  # type: ignore[arg-type]  # the literals below are checked by the mapping's tests
    return CanonicalTable(kinds, optional)


CANONICAL: dict[str, CanonicalTable] = {
    "households": _table(
        id="household",
        name="text?",
        description="text?",
        invite_code="text?",
        invite_code_expires_at="time?",
        leader_id="user",
        created_at="time",
        updated_at="time?",
    ),
    "household_members": _table(
        id="id?",
        household_id="household",
        user_id="user",
        role="text",
        status="text",
        is_temporary="flag?",
        temporary_expires_at="time?",
        invited_by="user?",
        joined_at="time",
    ),
    "household_join_requests": _table(
        id="id",
        household_id="household",
        user_id="user",
        invite_code="text?",
        status="text",
        requested_at="time",
        responded_at="time?",
        responded_by="user?",
    ),
    "users": _table(
        optional=True,
        id="user",
        email="text?",
        created_at="time?",
        deleted_at="time?",
        account_tier="text?",
        monthly_revenue="number?",
    ),
    "support_requests": _table(
        optional=True,
        id="id",
        created_at="time",
        requester_id="user",
        household_id="household?",
        subject_user_id="user?",
        category="text",
        feature="text?",
        body="text?",
        status="text",
    ),
    "sessions": _table(
        optional=True,
        id="id",
        user_id="user",
        created_at="time",
        last_activity_at="time?",
        revoked_at="time?",
        ip_address="text?",
        user_agent="text?",
    ),
    "household_events": _table(
        optional=True,
        id="id?",
        event_type="text",
        household_id="household",
        user_id="user",
        event_timestamp="time",
        metadata="json?",
    ),
}
"""docs/petforce.md describes them. A missing optional table or column makes its detectors not applicable."""

DISPENSABLE: frozenset[str] = frozenset({"users", "support_requests", "sessions"})
"""Tables that are left out where a column of theirs that they need lacks or is broken. The audit table excuses much: where it
is there and cannot be read, nothing is believed."""

STATE_WORDS: dict[str, frozenset[str]] = {
    "household_members.role": frozenset({"leader", "member"}),
    "household_members.status": frozenset({"active", "removed"}),
    "household_join_requests.status": frozenset({"pending", "approved", "rejected", "withdrawn"}),
}
"""The words of the state tables. A rule that met another one would take a member for nobody, or a leader for a member."""
SUPPORT_CATEGORIES: frozenset[str] = frozenset(
    [
        *("harassment", "threat", "child_safety", "dispute", "feature_request", "capacity", "custom_rate_limit"),
        *("data_deletion", "legal_request", "subpoena", "court_order", "custody", "tos_dispute", "spam"),
        *("commercial_use", "policy_question"),
    ]
)
SUPPORT_OPEN: frozenset[str] = frozenset(
    [
        *("open", "new", "pending", "in_progress", "in progress", "assigned", "waiting", "on_hold", "on hold"),
        *("escalated", "reopened"),
    ]
)
"""What helpdesks call a request that is not closed yet. What is neither among these nor called closed is left out."""
WORDS: dict[str, frozenset[str]] = {
    **STATE_WORDS,
    "support_requests.category": SUPPORT_CATEGORIES,
    "support_requests.status": SUPPORT_OPEN,
    "household_events.event_type": EVENT_TYPES,
}
"""The columns whose values are words that rules compare with, and the words that each is known to have."""
_BY_POLICY = frozenset({"support_requests.category", "support_requests.status"})
"""Where the policy's limits may name words of their own."""


def folded(word: str) -> str:
    """A word as it is compared: without regard to case and to the blanks around it."""
    return word.strip(WRAPPING).casefold()


class TableMapping(BaseModel):
    """Where one canonical table lives. Columns that are not named keep their canonical names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(default=None, min_length=1)
    columns: dict[str, str] = {}
    says_nothing: tuple[str, ...] = ()
    """Columns that look as if they marked rows that are gone, or of another tenant, and don't."""


Words = dict[str, str | tuple[str, ...]]
"""The words of one column that a deployment says otherwise: its word = ours. A list, of whatever name (`ignore`), holds
words that are none of ours and are no mistake."""


class SourceMapping(BaseModel):
    """The names that one deployment uses, by canonical name. The default is PetForce's own (preset `petforce`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    preset: Preset = "petforce"
    app: App = App()
    schema_name: str | None = Field(default=None, alias="schema", min_length=1)
    tables: dict[str, TableMapping] = {}
    event_types: dict[str, str] = {}
    words: dict[str, dict[str, Words]] = {}
    zone: str = "UTC"
    """Where the clock stands that wrote times without a zone."""
    statement_seconds: int = Field(default=300, ge=1, le=86_400)
    scan_seconds: int = Field(default=3600, ge=1, le=604_800)
    """How long a server may work on one statement, and on all of a scan."""
    look_through_rows: int = Field(default=500_000, ge=0, le=1_000_000_000)
    """A table of up to so many rows may be read from end to end for one household; in a bigger one an index must find its rows."""

    @model_validator(mode="before")
    @classmethod
    def _begin_with_preset(cls, given: Any) -> Any:
        return with_preset(given) if isinstance(given, dict) else given

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("no such time zone: write one of the IANA database, such as UTC or Europe/Berlin")
        return name

    @model_validator(mode="after")
    def _names_are_canonical(self) -> Self:
        for table, mapping in self.tables.items():
            if table not in CANONICAL:
                raise ValueError(f"unknown table {table!r}; known are {', '.join(CANONICAL)}")
            known = CANONICAL[table].columns
            for column in mapping.columns:
                if column not in known:
                    raise ValueError(f"unknown column {table}.{column}; known are {', '.join(known)}")
        unknown = sorted(set(self.event_types) - EVENT_TYPES)
        if unknown:
            raise ValueError(f"unknown event types {', '.join(unknown)}")
        if len(set(self.event_types.values())) < len(self.event_types):
            raise ValueError("two event types have the same name in the source")
        check_places(
            self.app,
            {*CANONICAL, *(f"{name}.{column}" for name, table in CANONICAL.items() for column in table.columns)},
        )
        return self

    @model_validator(mode="after")
    def _words_are_known(self) -> Self:
        for table, columns in self.words.items():
            for column, words in columns.items():
                place = f"{table}.{column}"
                if place not in WORDS:
                    raise ValueError(f"words.{place} has no words to map; known are {', '.join(WORDS)}")
                _check_words(place, words)
        return self

    def preset_settings(self) -> dict[str, Any]:
        """What the preset says, where nothing else was said."""
        return settings_of(self.preset)

    def needless_words(self) -> Iterator[str]:
        """What `words` maps to what it means anyway, one line each."""
        for table, columns in self.words.items():
            for column, words in columns.items():
                for word, ours in _each(words):
                    if ours is not None and folded(word) == folded(ours):
                        yield f"{table}.{column}: {word!r} means {ours!r} anyway, so it is never used"

    def said(self, place: str) -> dict[str, str | None]:
        """What the policy says of the words of `place` (table.column), folded: our word for each, None to ignore it."""
        table, column = place.split(".")
        told: dict[str, str | None] = {}
        if place == "household_events.event_type":
            told = {folded(name): event_type for event_type, name in self.event_types.items()}
        for word, ours in _each(self.words.get(table, {}).get(column, {})):
            told[folded(word)] = ours
        return told

    def needs_table(self, table: str) -> bool:
        """Whether nothing can be read of a source that lacks a canonical table."""
        return not CANONICAL[table].optional and not (table == "household_join_requests" and self.app.no_requests)

    def table_name(self, table: str) -> str:
        """The source's name of a canonical table, without its schema."""
        mapping = self.tables.get(table)
        return (mapping and mapping.name) or table

    def column_name(self, table: str, column: str) -> str:
        """The source's name of a canonical column, or of the one that it is worked out of."""
        mapping, column = self.tables.get(table), self.app.stands_in(table, column) or column
        return mapping.columns.get(column, column) if mapping else column

    def holds(self, table: str, column: str) -> CanonicalColumn:
        """What stands in the source's column for a canonical one: where it is worked out of another, what that one holds."""
        columns, origin = CANONICAL[table].columns, self.app.stands_in(table, column)
        return columns[column] if origin is None else replace(columns[column], kind=columns[origin].kind)

    def words_for(self, place: str, ours: str) -> set[str]:
        """The source's words for one of ours in `place` (table.column), folded."""
        said = self.said(place)
        return {word for word, meant in said.items() if meant == ours} | ({folded(ours)} - said.keys())

    def says_nothing(self, table: str) -> tuple[str, ...]:
        """The source's columns of a table that mark no rows, whatever they are named."""
        mapping = self.tables.get(table)
        return mapping.says_nothing if mapping else ()

    def event_name(self, event_type: str) -> str:
        """The source's name of an event type."""
        return self.event_types.get(event_type, event_type)


def _each(words: Words) -> Iterator[tuple[str, str | None]]:
    """Each word of the source with ours; None for one to be ignored."""
    for word, ours in words.items():
        if isinstance(ours, str):
            yield word, ours
        else:
            yield from ((ignored, None) for ignored in ours)


def _check_words(place: str, words: Mapping[str, str | tuple[str, ...]]) -> None:
    seen: dict[str, str | None] = {}
    for word, ours in _each(dict(words)):
        if not word.strip(WRAPPING) or (ours is not None and not ours.strip(WRAPPING)):
            raise ValueError(f"words.{place}: a word is empty")
        if ours is not None and ours not in WORDS[place] and place not in _BY_POLICY:
            raise ValueError(f"words.{place}: {ours!r} is none of {', '.join(sorted(WORDS[place]))}")
        if seen.setdefault(folded(word), ours) != ours:
            raise ValueError(f"words.{place}: {word!r} is said to mean two things")
