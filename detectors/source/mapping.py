"""The canonical tables, and the mapping of another deployment's names onto them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

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
"""petforce-data.md, sections 1 and 2. A missing optional table or column makes its detectors not applicable."""

EVENT_TYPES: frozenset[str] = frozenset(
    [
        "household_created",
        "household_create_failed",
        "household_join_request_submitted",
        "household_join_request_approved",
        "household_join_request_rejected",
        "household_join_request_withdrawn",
        "household_member_removed",
        "household_left",
        "household_leave_started",
        "household_leadership_transferred",
        "household_invite_code_regenerated",
        "household_invite_code_failed",
        "household_invite_code_validated",
        "household_dashboard_viewed",
        "household_member_list_viewed",
        "household_settings_viewed",
        "household_updated",
        "api_request",
        "rate_limit_exceeded",
        "lock_acquisition_timeout",
        "login_failed",
        "login_succeeded",
        "session_revoked",
        "session_used",
        "pet_activity_logged",
    ]
)
"""The audit table's vocabulary, petforce-data.md section 2."""


class TableMapping(BaseModel):
    """Where one canonical table lives. Columns that are not named keep their canonical names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(default=None, min_length=1)
    columns: dict[str, str] = {}


class SourceMapping(BaseModel):
    """The names that one deployment uses, by canonical name. The default is PetForce's own (preset `petforce`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    preset: Literal["petforce"] = "petforce"
    schema_name: str | None = Field(default=None, alias="schema", min_length=1)
    tables: dict[str, TableMapping] = {}
    event_types: dict[str, str] = {}
    zone: str = "UTC"
    """Where the clock stands that wrote times without a zone."""
    statement_seconds: int = Field(default=300, ge=1, le=86_400)
    scan_seconds: int = Field(default=3600, ge=1, le=604_800)
    """How long a server may work on one statement, and on all of a scan."""

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
        return self

    def table_name(self, table: str) -> str:
        """The source's name of a canonical table, without its schema."""
        mapping = self.tables.get(table)
        return (mapping and mapping.name) or table

    def column_name(self, table: str, column: str) -> str:
        """The source's name of a canonical column."""
        mapping = self.tables.get(table)
        return mapping.columns.get(column, column) if mapping else column

    def event_name(self, event_type: str) -> str:
        """The source's name of an event type."""
        return self.event_types.get(event_type, event_type)
