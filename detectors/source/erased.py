"""Audit rows of people who had their data erased: the app takes out who acted and all that the metadata says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.source.sql import json_text

MARKS = ("anonymized", "anonymised")
"""What the app leaves in the metadata, and how others spell it."""


def is_anonymised_row(events: FromClause) -> ColumnElement[bool]:
    """Whether a row of the audit table, of whatever type, bears the app's mark and no actor."""
    return and_(events.c.user_id.is_(None), is_marked(events.c.metadata))


def is_marked(metadata: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether metadata says that it was anonymised."""
    return or_(*(json_text(metadata, mark).is_not(None) for mark in MARKS))
