"""Audit rows of people who had their data erased: the app takes out who acted and all that the metadata says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.events import NAMING
from detectors.source.sql import json_text

_MARKS = ("anonymized", "anonymised")
"""What the app leaves in the metadata, and how others spell it."""


def is_anonymised_row(events: FromClause) -> ColumnElement[bool]:
    """Whether a row of the audit table, of whatever type, names neither an actor nor anybody or anything else."""
    unnamed = [json_text(events.c.metadata, key).is_(None) for key in NAMING]
    return and_(events.c.user_id.is_(None), *unnamed)


def is_marked(metadata: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether metadata says that it was anonymised."""
    return or_(*(json_text(metadata, mark).is_not(None) for mark in _MARKS))
