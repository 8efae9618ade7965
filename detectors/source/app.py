"""What an app does otherwise than PetForce's own, and the columns of ours that are worked out where it has none.

An app may have no column for who leads or for who is still a member: then the leader's role says it, or that the row is there.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, get_args

import sqlalchemy
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Text, and_, case, cast, func, literal, select

from detectors.source.base import Fact, FoundTable, NativeType, Schema
from detectors.source.canonical import folded
from detectors.source.notations import unblanked
from detectors.source.typed_ids import TYPES, id_as

if TYPE_CHECKING:
    from detectors.source.mapping import SourceMapping

Preset = Literal["petforce", "petforce-2", "kitchenowl", "donetick"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
"""The apps whose names of tables, columns and words are known; `petforce` has the canonical ones."""
BY_MEMBER = ("household_events.user_id", "household_join_requests.responded_by", "household_members.invited_by")
"""The columns that may name a member's row in the place of a person."""


class App(BaseModel):
    """What is otherwise in the app whose tables are read. Each default is PetForce's own way."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    leaders_by_role: bool = False
    """Households name no leader: whoever has the leader's role leads."""
    several_leaders: bool = False
    """A household may have more than one leader."""
    rows_are_deleted: bool = False
    """Of a member who left no row is kept; members have no status."""
    members_wait: bool = False
    """Where rows are deleted: members have a status all the same, as whoever waits to be let in has a row."""
    no_requests: bool = False
    """Nobody asks to join: there is no table of requests."""
    joins_without_request: bool = False
    """People also join by an invitation, or are added."""
    several_households: bool = False
    """One person may belong to several households."""
    leads_one: bool = False
    """One person may belong to several households, and lead one of them."""
    other_codes: bool = False
    """Invite codes are written another way, or may lack."""
    other_limits: bool = False
    """The app has other limits than PetForce, or none."""
    other_metadata: bool = False
    """The metadata of audit rows hold other keys than PetForce's: they name no person, address, duration or error."""
    sitters: tuple[str, ...] = Field(default=())
    """The app's own words for the roles of temporary members, where no column says who is one."""
    people_by_member: tuple[str, ...] = Field(default=())
    """The columns (table.column) that name a member's row (household_members.id) in the place of a person."""

    without: tuple[str, ...] = Field(default=())
    """The tables, and columns as table.column, that the app does not have: statements for people do not name them."""

    @property
    def without_requests(self) -> bool:
        return self.no_requests or self.joins_without_request

    @property
    def answers_by_the_gone(self) -> bool:
        """Whether a request may be answered by somebody of whom nothing tells any more that they belonged."""
        # Named by their row, they are named no more once that is gone.
        by_row = "household_join_requests.responded_by" in self.people_by_member
        return self.rows_are_deleted and not by_row

    @property
    def otherwise(self) -> frozenset[Fact]:
        """What is true of the app, and not of PetForce's own."""
        return frozenset(fact for fact in get_args(Fact) if getattr(self, fact))

    @property
    def shrinking(self) -> frozenset[str]:
        """The tables of which rows go in ordinary life: with a member's row goes what names it as its actor."""
        if not self.rows_are_deleted:
            return frozenset()
        trail = {place.split(".")[0] for place in self.people_by_member} & {"household_events"}
        return frozenset({"household_members", *trail})

    def stands_in(self, table: str, column: str) -> str | None:
        """The column of ours from which one that this app does not have is worked out; None if it has it."""
        return self._stand_ins.get(f"{table}.{column}")

    @property
    def _stand_ins(self) -> Mapping[str, str]:
        # Whichever it is, it is there in each row; what is worked out begins from its row.
        told = {
            "households.leader_id": ("id", self.leaders_by_role),
            "household_members.status": ("role", self.rows_are_deleted and not self.members_wait),
            "household_members.is_temporary": ("role", self.sitters),
        }
        return {place: column for place, (column, worked_out) in told.items() if worked_out}


def check_places(app: App, known: Collection[str]) -> None:
    """Raise ValueError where a setting of `app` names what is none of the `known` tables and columns, or not of those it is about."""
    for setting, named, allowed in (
        ("people_by_member", app.people_by_member, BY_MEMBER),
        ("without", app.without, sorted(known)),
    ):
        odd = sorted(set(named) - set(allowed))
        if odd:
            raise ValueError(f"app.{setting}: {odd[0]!r} is none of {', '.join(allowed)}")


UNFIT: dict[Fact, str] = {
    "leaders_by_role": "in this app a role alone says who leads",
    "several_leaders": "in this app several people may lead a household",
    "rows_are_deleted": "in this app no row is kept of a member who left",
    "answers_by_the_gone": "in this app no row is kept of a member who left, who may have answered",
    "without_requests": "in this app people also join without a request",
    "several_households": "in this app one person may belong to several households",
    "other_codes": "in this app codes are written another way",
    "other_limits": "this app has other limits",
    "other_metadata": "in this app the metadata of audit rows hold other keys",
}
"""Why what a rule looks for is in order in an app of which this is true."""


def preset_hint(names: Collection[str]) -> str:
    """What to say where tables with these `names` are those of an app that is known; empty where they are not."""
    here = {name.lower() for name in names}
    for preset in PRESETS[1:]:
        if all(told.get("name", table).lower() in here for table, told in settings_of(preset)["tables"].items()):
            return f'; there are the tables of {preset}: say [source] preset = "{preset}" in the policy'
    return ""


def settings_of(preset: str) -> dict[str, Any]:
    """What a preset says beneath the settings of a source; `petforce` says nothing."""
    if preset == "petforce":
        return {}
    return tomllib.loads(
        resources.files("detectors.source.presets").joinpath(f"{preset}.toml").read_text(encoding="utf-8")
    )


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a source with those of its preset beneath. What is given counts."""
    name = given.get("preset", "petforce")
    if name not in PRESETS:
        return dict(given)
    return _over(settings_of(name), given)


def _over(below: Mapping[str, Any], above: Mapping[str, Any], place: tuple[str, ...] = ()) -> dict[str, Any]:
    if place[:1] == ("words",) and len(place) == len(("words", "table", "column")):
        return _words_over(below, above)
    both = {key: _over(below[key], above[key], (*place, key)) for key in below if isinstance(above.get(key), Mapping)}
    return {**below, **above, **both}


def _words_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The words of a column: what is given of a word counts, also against a list that it stands in beneath."""
    lists = {name: list(words) for name, words in above.items() if isinstance(words, list | tuple)}
    given = {folded(str(word)) for word in (*(above.keys() - lists.keys()), *itertools.chain(*lists.values()))}
    kept: dict[str, Any] = {}
    for name, words in below.items():
        if isinstance(words, list):
            lists[name] = [*(word for word in words if folded(str(word)) not in given), *lists.get(name, [])]
        elif folded(name) not in given:
            kept[name] = words
    return {**kept, **above, **lists}


def worked_out(schema: Schema, mapping: SourceMapping) -> Schema:
    """The schema with the columns that an app does not have worked out of those that it has."""
    members, tables = schema.tables["household_members"], dict(schema.tables)
    lookup = _Members(members, mapping)
    if mapping.app.leaders_by_role:
        tables["households"] = _with(
            tables["households"], "leader_id", members.columns["user_id"], lookup.leader_of_household
        )
    if mapping.app.stands_in("household_members", "status"):
        tables["household_members"] = _with(members, "status", "text", _always_active)
    if mapping.app.sitters:
        tables["household_members"] = _with(
            tables["household_members"], "is_temporary", "flag", partial(_is_any_of, mapping.app.sitters)
        )
    unusable = dict(schema.unusable)
    for place in mapping.app.people_by_member:
        table, column = place.split(".")
        if table not in tables or column not in tables[table].columns:
            continue
        if "id" in members.columns:
            person = partial(lookup.person_of_row, tables[table].columns[column])
            tables[table] = _with(tables[table], column, members.columns["user_id"], person)
        else:
            tables[table] = _without(tables[table], column)
            unusable[place] = f"names rows of {members.name}, which have no id here"
    return replace(schema, tables=tables, unusable=unusable, otherwise=mapping.app.otherwise)


def _with(
    table: FoundTable, column: str, native: NativeType, read_as: Callable[[ColumnElement[Any]], ColumnElement[Any]]
) -> FoundTable:
    # An index of the column that it is worked out of finds nothing by it.
    names = {name: own for name, own in table.column_names.items() if name != column}
    return replace(
        table,
        columns={**table.columns, column: native},
        column_names=names,
        read_as={**table.read_as, column: read_as},
        computed=table.computed | {column},
    )


def _without(table: FoundTable, column: str) -> FoundTable:
    kept = {name: native for name, native in table.columns.items() if name != column}
    return replace(table, columns=kept)


def _always_active(_: ColumnElement[Any]) -> ColumnElement[str]:
    return literal("active", Text())


def _is_any_of(words: Collection[str], column: ColumnElement[Any]) -> ColumnElement[bool]:
    return unblanked(func.lower(cast(column, Text))).in_(sorted({folded(str(word)) for word in words}))


class _Members:
    """Questions to the rows of members, each within a row of another table."""

    def __init__(self, members: FoundTable, mapping: SourceMapping) -> None:
        self._members, self._mapping = members, mapping

    def leader_of_household(self, household: ColumnElement[Any]) -> ColumnElement[Any]:
        """Whoever leads, and of several always the same one."""
        rows = self._rows()
        leads = self._means(rows, "role", "leader")
        if "status" in self._members.columns and not self._mapping.app.stands_in("household_members", "status"):
            # Whoever left may keep the role, as in PetForce.
            leads = and_(leads, self._means(rows, "status", "active"))
        # Whoever works it out for few rows has an id in the type in which ids are compared, and not as it is stored.
        told: NativeType = next(
            (native for native, known in TYPES.items() if isinstance(household.type, type(known))), "text"
        )
        theirs = rows.c[self._own("household_id")] == id_as(household, told, self._members.columns["household_id"])
        # No server knows the least UUID.
        least = func.min(cast(self._value(rows, "user_id"), Text))
        return select(self._as_person(least)).where(theirs, leads).correlate_except(rows).scalar_subquery()

    def person_of_row(self, told: NativeType, row: ColumnElement[Any]) -> ColumnElement[Any]:
        """The person of a row; none where rows of several people have this id."""
        rows = self._rows()
        its = rows.c[self._own("id")] == id_as(row, told, self._members.columns["id"])
        person = self._value(rows, "user_id")
        if not self._ids_are_unique:
            text = cast(person, Text)
            person = self._as_person(case((func.min(text) == func.max(text), func.min(text))))
        return select(person).where(its).correlate_except(rows).scalar_subquery()

    @property
    def _ids_are_unique(self) -> bool:
        keys = (index for index in self._members.indexes if index.columns == (self._own("id"),))
        return any(one.unique and one.valid and not (one.partial or one.expressions) for one in keys)

    def _as_person(self, text: ColumnElement[Any]) -> ColumnElement[Any]:
        native = self._members.columns["user_id"]
        return text if native == "text" else cast(text, TYPES[native])

    def _means(self, rows: Any, column: str, ours: str) -> ColumnElement[bool]:
        words = self._mapping.words_for(f"household_members.{column}", ours)
        return _is_any_of(words, rows.c[self._own(column)])

    def _own(self, column: str) -> str:
        return self._mapping.column_name("household_members", column)

    def _rows(self) -> Any:
        place, name = self._members.place or (None, self._members.name)
        natives = self._members.columns
        asked = [one for one in ("id", "household_id", "user_id", "role", "status") if one in natives]
        columns = [sqlalchemy.column(self._own(one), TYPES.get(natives[one], Text())) for one in asked]
        return sqlalchemy.table(name, *columns, schema=place).alias()

    def _value(self, rows: Any, column: str) -> ColumnElement[Any]:
        own: ColumnElement[Any] = rows.c[self._own(column)]
        return self._members.read_as[column](own) if column in self._members.read_as else own
