"""The policy in force: the user's file merged over the packaged default, with the origin of each value."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from detectors.contract import TEAMS, Severity, Team
from detectors.limits import Limits
from detectors.source.mapping import SourceMapping
from escalation.ledger.records import Destination
from escalation.policy.process import (
    MENTIONED,
    PATTERNS,
    BusinessHours,
    Cases,
    Document,
    Exceptions,
    FollowUpStep,
    MatrixRow,
    Nights,
    Page,
    Part,
    Practice,
    Priority,
    RedactionRules,
    Sla,
    SlackId,
    SlackPlace,
    TeamPolicy,
    Text,
    VolumeRules,
)
from escalation.policy.spans import stricter

_LONGEST_FILE = 10_000_000
"""Bytes. The packaged policy has 20,000."""
_SHOWN = 200
_A_DATE, _A_TIME = "must be a date such as 2026-01-31", "must be a time of day such as 09:00:00"
_WANTED = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_inexact": _A_DATE,
    "date_from_datetime_parsing": _A_DATE,
    "date_type": _A_DATE,
    "dict_type": "must be a table",
    "finite_number": "must be a number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "frozen_set_type": "must be a list",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be a table",
    "set_type": "must be a list",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "must be text in quotes",
    "time_parsing": _A_TIME,
    "time_type": _A_TIME,
    "too_short": "must have at least {min_length} entries",
    "tuple_type": "must be a list",
}
"""What a value must be, by the validator's own name of the failure."""
"""Characters of a wrong value that a message repeats."""


class PolicyError(Exception):
    """The policy file cannot be used: one line naming the file, the key, what is wrong and what to do."""


class Policy(Part):
    """Everything the escalation needs to know, validated. Make one with `load_policy`."""

    environment: Text
    document: Document
    matrix: dict[str, MatrixRow]
    teams: dict[Team, TeamPolicy]
    practice: Practice
    when: dict[Team, dict[Priority, tuple[Text, ...]]] = Field(default_factory=dict)
    """The document's "When to Escalate": by team and priority, each row in its words."""
    closing: dict[Team, Text] = Field(default_factory=dict)
    """What to tell the customer once a ticket of the team is settled."""
    follow_up: tuple[FollowUpStep, ...]
    mentions: dict[Annotated[str, Field(pattern=MENTIONED)], SlackId] = Field(default_factory=dict)
    """Slack's own ids of those whom the process tags; a name alone does not reach everybody."""
    business_hours: BusinessHours = BusinessHours()
    nights: Nights = Nights()
    cases: Cases = Cases()
    page: Page = Page()
    volume: VolumeRules = VolumeRules()
    exceptions: Exceptions = Exceptions()
    redaction: RedactionRules = RedactionRules()
    limits: Limits = Limits()
    source: SourceMapping = Field(default_factory=SourceMapping)
    _from_file: frozenset[str] = PrivateAttr(default=frozenset())

    @model_validator(mode="after")
    def _is_whole(self) -> Policy:
        missing = [team for team in TEAMS if team not in self.teams]
        if missing:
            raise ValueError(f"the teams {', '.join(missing)} are missing")
        steps = [step.after for step in self.follow_up]
        if steps != sorted(set(steps)):
            raise ValueError("each follow_up must come later than the one before")
        return self

    def origin(self, key: str) -> str:
        """`file` if the user's file sets the dotted `key` or something in it, else `default`. KeyError: no such key."""
        if key not in {known for known, _ in _leaves(self.model_dump(mode="json", by_alias=True), whole_too=True)}:
            raise KeyError(key)
        inside = key + "."
        return "file" if any(set_key == key or set_key.startswith(inside) for set_key in self._from_file) else "default"

    def values(self) -> Iterator[tuple[str, Any, str]]:
        """Every dotted key with its effective value (as JSON types) and its origin."""
        preset = {key for key, _ in _leaves({"source": self.source.preset_settings()})}
        for key, value in _leaves(self.model_dump(mode="json", by_alias=True)):
            yield key, value, "file" if key in self._from_file else "preset" if key in preset else "default"

    def sla(self, team: Team, severity: Severity, detector: str | None = None) -> Sla:
        """What `team` promises for a finding: of its own table and the matrix the stricter of each promise."""
        table = self.teams[team].sla
        promised = table.get(severity) or table.get("any") or Sla()
        for row in self.matrix.values():
            # A row's own severity counts where the team uses the same words: P0's hours are not those of a P2.
            if (
                row.team == team
                and detector in row.detectors
                and (row.severity == severity or row.severity not in table)
            ):
                promised = promised.model_copy(
                    update={
                        "acknowledge": stricter(promised.acknowledge, row.response),
                        "resolve": stricter(promised.resolve, row.resolution),
                    }
                )
        return promised

    def slack(self, team: Team, severity: Severity) -> SlackPlace | None:
        """Where a message about a finding goes; None where Slack is not for it, and always for legal matters."""
        if team == "legal" or self.teams[team].by == "email":
            return None
        places = self.teams[team].slack
        return places.get(severity) or places.get("any")

    def destinations(self, team: Team, severity: Severity, *, announced: bool) -> tuple[Destination, ...]:
        """Where a message about a finding goes: to the queue, and to Slack if anything is `announced` there."""
        return ("queue", "slack") if announced and self.slack(team, severity) else ("queue",)

    def expectations(self, team: Team, severity: Severity, detector: str | None = None) -> tuple[str, ...]:
        """What to tell the customer, with the team's time frame filled in."""
        rules = self.teams[team]
        texts = rules.expectations.get(severity) or rules.expectations.get("any") or ()
        within = getattr(self.sla(team, severity, detector), rules.timeframe)
        return tuple(text.replace("[timeframe]", str(within)) if within else text for text in texts)

    def is_data_integrity(self, detector: str) -> bool:
        """True for the detectors of the matrix's row `data-integrity`."""
        return self._in_row("data-integrity", detector)

    def is_security(self, detector: str) -> bool:
        """True for the detectors of the matrix's row `security`."""
        return self._in_row("security", detector)

    def _in_row(self, name: str, detector: str) -> bool:
        row = self.matrix.get(name)
        return row is not None and detector in row.detectors


def load_policy(path: str | Path | None = None) -> Policy:
    """The packaged default, with the TOML file at `path` merged over it (tables deeply, everything else replaced).

    Raises:
        PolicyError: the file cannot be read, is no TOML, or says something that cannot hold.
    """
    default = tomllib.loads(
        resources.files("escalation.policy").joinpath("default_policy.toml").read_text(encoding="utf-8")
    )
    if path is None:
        return Policy.model_validate(default)
    try:
        own = _read(Path(path))
        policy = Policy.model_validate(_merged(default, own))
        policy._from_file = frozenset(key for key, _ in _leaves(own))
    except ValidationError as error:
        raise PolicyError(f"{path}: {_first_problem(error, default)}") from error
    except RecursionError as error:
        raise PolicyError(f"{path}: its tables are nested without end; see `hearthwatch policy show`") from error
    _check_flags(policy, own, path)
    return policy


def _check_flags(policy: Policy, own: Mapping[str, Any], path: str | Path) -> None:
    """Raise PolicyError where the file says true or false and a number is meant: as one, it would be 1 or 0."""
    effective = {key: value for key, value, _ in policy.values()}
    for key, value in _leaves(own):
        said, meant = (one if isinstance(one, list) else [one] for one in (value, effective.get(key)))
        if any(isinstance(one, bool) for one in said) and not any(isinstance(one, bool) for one in meant):
            raise PolicyError(f"{path}: {key}: is true or false, not a number; correct it, or remove it")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
        if len(content) > _LONGEST_FILE:
            raise PolicyError(f"{path}: has more than {_LONGEST_FILE:,} bytes; name a policy file")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror}); name a readable TOML file") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path}: is not TOML: {' '.join(str(error).split())}; correct the syntax there") from error


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _leaves(table: Mapping[str, Any], above: str = "", *, whole_too: bool = False) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        dotted = f"{above}.{key}" if above else str(key)
        nested = isinstance(value, dict) and bool(value)
        if whole_too or not nested:
            yield dotted, value
        if nested:
            yield from _leaves(value, dotted, whole_too=whole_too)


def _first_problem(error: ValidationError, default: Mapping[str, Any]) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    # A union of keys or a validator puts parts like "[key]" into the place; they are no part of the file.
    place = _short(".".join(str(part) for part in first["loc"] if part != "[key]")) or "(the whole file)"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key; {_near(place, default)}{more}"
    if first["type"] == "string_pattern_mismatch":
        return f"{place}: {PATTERNS[first['ctx']['pattern']]}; correct it, or remove it to use the default{more}"
    wanted = _WANTED.get(first["type"], first["msg"].removeprefix("Value error, "))
    message = _short(
        " ".join(wanted.format_map(first.get("ctx", {})).split())
        if first["type"] in _WANTED
        else " ".join(wanted.split())
    )
    given = "" if isinstance(first["input"], dict | Policy) else f" (it is {_short(repr(first['input']))})"
    return f"{place}: {message}{given}; correct it, or remove it to use the default{more}"


def _near(place: str, default: Mapping[str, Any]) -> str:
    """What a key that nobody knows may have been meant to be."""
    whole = [key.split(".") for key, _, _ in Policy.model_validate(default).values()]
    known = {".".join(parts[:end]) for parts in whole for end in range(1, len(parts) + 1)}
    near = difflib.get_close_matches(place, known, 1, cutoff=0.8)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}remove it, or see `hearthwatch policy show` for the known ones"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
