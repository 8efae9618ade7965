"""The mapping of another deployment's names onto the canonical tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from detectors.events import EVENT_TYPES
from detectors.source.app import App, Preset, check_places, settings_of, with_preset
from detectors.source.canonical import CANONICAL, WORDS, WORDS_BY_POLICY, CanonicalColumn, folded
from detectors.source.ids import WRAPPING


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
        if ours is not None and ours not in WORDS[place] and place not in WORDS_BY_POLICY:
            raise ValueError(f"words.{place}: {ours!r} is none of {', '.join(sorted(WORDS[place]))}")
        if seen.setdefault(folded(word), ours) != ours:
            raise ValueError(f"words.{place}: {word!r} is said to mean two things")
