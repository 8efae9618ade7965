"""A statement in our names of tables, columns and words, written with a deployment's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from detectors.source.canonical import CANONICAL, WORDS
from detectors.source.mapping import SourceMapping
from detectors.source.quoting import quoted

_FROM = re.compile(r"\b(FROM|JOIN) (\w+) (\w+)\b")
_COLUMN = re.compile(r"\b(\w+)\.(\w+)\b")
_COMPARED = re.compile(r"\b(\w+)\.(\w+) (=|IN) (\('[^)]*\)|'[^']*')")
_WORD = re.compile(r"'([^']*)'")


def in_own_names(statement: str, mapping: SourceMapping) -> str:
    """`statement` as it runs on the deployment that `mapping` describes.

    Each table of ours stands behind FROM or JOIN with an alias, each column behind its alias, and our words are compared by
    `=` or IN. A column that the app does not have is NULL. Columns are quoted: without quotes some programs take `h.id` for a host's name and make a link of it.
    """
    aliases = {alias: table for _, table, alias in _FROM.findall(statement) if table in CANONICAL}

    def compared(found: re.Match[str]) -> str:
        alias, column, operator, words = found.groups()
        place = f"{aliases.get(alias)}.{column}"
        if place not in WORDS:
            return found[0]
        own = list(dict.fromkeys(word for ours in _WORD.findall(words) for word in _own_words(place, ours, mapping)))
        # In the place of one word there may be several.
        operator = "IN" if len(own) > 1 else operator
        said = ", ".join(literal(word) for word in own)
        return f"{alias}.{column} {operator} {f'({said})' if operator == 'IN' else said}"

    def column(found: re.Match[str]) -> str:
        alias, name = found.groups()
        if alias not in aliases:
            return found[0]
        table = aliases[alias]
        if _lacks(mapping, table, name):
            return "NULL"
        own = f"{alias}.{_in_quotes(mapping.column_name(table, name))}"
        return _worked_out(own, f"{table}.{name}", mapping) or own

    def table(found: re.Match[str]) -> str:
        before, name, alias = found.groups()
        own = _place(name, mapping) if name in CANONICAL else name
        return f"{before} {own} {alias}"

    return _FROM.sub(table, _COLUMN.sub(column, _COMPARED.sub(compared, statement)))


def can_run(statement: str, mapping: SourceMapping) -> bool:
    """Whether the deployment's app has all tables that a statement in our names reads."""
    return not any(_lacks(mapping, table) for _, table, _ in _FROM.findall(statement))


def _lacks(mapping: SourceMapping, table: str, column: str | None = None) -> bool:
    """Whether the app does not have a table or column, and nobody says what stands for it."""
    named = mapping.tables.get(table)
    if column is None:
        return named is None and table in mapping.app.without
    return f"{table}.{column}" in mapping.app.without and (named is None or column not in named.columns)


def _worked_out(own: str, place: str, mapping: SourceMapping) -> str | None:
    """What stands for a column that the app does not have, worked out of its `own` one; None if it has it."""
    members = _place("household_members", mapping)
    key, home, person, role, status = (
        f"x.{_in_quotes(mapping.column_name('household_members', column))}"
        for column in ("id", "household_id", "user_id", "role", "status")
    )
    if place in mapping.app.people_by_member:
        return f"(SELECT {person} FROM {members} x WHERE {key} = {own})"  # noqa: S608  # quoted names, for people to read
    if mapping.app.stands_in(*place.split(".")) is None:
        return None
    if place == "household_members.status":
        return "'active'"
    if place == "household_members.is_temporary":
        return f"({own} IN ({', '.join(map(literal, mapping.app.sitters))}))"
    leads = ", ".join(literal(word) for word in _own_words("household_members.role", "leader", mapping))
    theirs = f"{home} = {own} AND {role} IN ({leads})"
    if mapping.app.stands_in("household_members", "status") is None:
        stays = ", ".join(literal(word) for word in _own_words("household_members.status", "active", mapping))
        theirs += f" AND {status} IN ({stays})"
    # In its own type, so that it can be compared; no server knows the least UUID.
    return f"(SELECT {person} FROM {members} x WHERE {theirs} ORDER BY CAST({person} AS text) LIMIT 1)"  # noqa: S608  # as above


def _place(table: str, mapping: SourceMapping) -> str:
    name = mapping.table_name(table)
    if mapping.schema_name is None and "." not in name:
        return quoted(name)
    return ".".join(_in_quotes(part) for part in (mapping.schema_name or "", *name.split(".")) if part)


def _in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _own_words(place: str, ours: str, mapping: SourceMapping) -> Iterator[str]:
    """The source's words for one of ours: those that the policy maps onto it, else ours."""
    table, column = place.split(".")
    mapped = [word for word, meant in mapping.words.get(table, {}).get(column, {}).items() if meant == ours]
    if place == "household_events.event_type" and ours in mapping.event_types:
        mapped.append(mapping.event_name(ours))
    yield from mapped or [ours]


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
