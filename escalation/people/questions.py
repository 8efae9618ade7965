"""What a person is asked for an escalation of their own, per team, and the checked answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.contract import Severity, Team
from detectors.text.wording import stamp

TITLE_MOST, ANSWER_MOST = 120, 4000
"""Characters of a title and of one answer."""
FIXED_SEVERITY: dict[Team, Severity] = {"product": "P2", "legal": "Immediate"}
"""The severities of the teams for which the process names no priorities, as the detectors have them."""
_ID = re.compile(r"[^\s\x00-\x1f]{1,100}")


class AnswerError(ValueError):
    """An answer or an id cannot be used: one line that says which and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something that only a person knows. `field` is the team's required field in the policy, where the template has none."""

    name: str
    asks: str
    optional: bool = False
    many: bool = False
    field: str = ""


QUESTIONS: dict[Team, tuple[Question, ...]] = {
    "engineering": (
        Question("issue", "Issue: what is wrong"),
        Question("steps", "Steps to reproduce: what the user did before the issue", many=True),
        Question("expected", "Expected behavior: what should have happened"),
        Question("actual", "Actual behavior: what actually happened"),
        Question("error_messages", "Error messages: exact error text or codes", optional=True),
        Question("screenshots", "Screenshots: where they are (with PII redacted)", optional=True),
        Question("requesting", "Requesting: what Engineering should do"),
    ),
    "trust-safety": (
        Question("pattern", "Pattern description: what abuse pattern you observed"),
        Question("evidence", "Evidence: screenshots, logs, timestamps", many=True),
        Question("suspected_violation", "Suspected violation"),
        Question("reporter", "Reporter: who reported this (if from user report)", optional=True),
        Question("action_taken", "Action taken: what you've done so far (if any)", optional=True),
        Question("requesting", "Requesting: what Trust & Safety should do"),
    ),
    "csm": (
        Question("issue_summary", "Brief description of the situation", field="Issue summary"),
        Question("customer_impact", "How this affects their use of PetForce", field="Customer impact"),
        Question("requested_outcome", "What the customer wants", field="Requested outcome"),
        Question("recommendation", "What you think should happen", field="Your recommendation"),
        Question("urgency", "Why this needs CSM attention", field="Urgency justification"),
    ),
    "product": (
        Question("feature_request", "What users are asking for", field="Feature request"),
        Question("use_case", "Why they need it", field="Use case"),
        Question("frequency", "How many users have requested this", field="Frequency"),
        Question("workaround", "Current alternative (if any)", optional=True, field="Workaround"),
        Question("competitors", "Do competitors have this?", optional=True, field="Competitive comparison"),
        Question("revenue_impact", "Is this blocking sales or causing churn?", optional=True, field="Revenue impact"),
    ),
    "legal": (
        Question("legal_issue", "Custody, court order, data deletion, subpoena, terms of service", field="Type of legal issue"),
        Question("parties", "Everyone whom the matter concerns", field="Parties involved"),
        Question("documents", "Relevant documents (court orders, etc.)", field="Relevant documents"),
        Question("action_needed", "Immediate action needed (if any)", optional=True, field="Immediate action needed"),
    ),
}  # fmt: skip
"""Process, "How to Escalate": the required information that no database holds."""

Answers = Mapping[str, tuple[str, ...]]
"""The answers by the question's name; several only where the question allows it."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """What a person escalates: made by `escalation_of`, so every part of it is checked."""

    team: Team
    severity: Severity
    title: str
    author: str
    answers: Answers
    households: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    occurred_at: datetime | None = None

    def answer(self, name: str) -> str:
        return "; ".join(self.answers.get(name, ()))


def escalation_of(
    team: Team,
    severity: Severity,
    title: str,
    author: str,
    answers: Answers,
    *,
    households: Sequence[str] = (),
    users: Sequence[str] = (),
    occurred_at: datetime | None = None,
    now: datetime,
) -> Escalation:
    """The escalation that a person describes. Raises AnswerError for what cannot be filed."""
    checked_time(occurred_at, now)
    checked_about(team, households, users)
    checked = {name: tuple(checked_text(name, one) for one in given) for name, given in answers.items()}
    return Escalation(
        team=team,
        severity=severity,
        title=checked_text("title", title),
        author=checked_text("author", author),
        answers={name: given for name, given in checked.items() if given},
        households=tuple(sorted({checked_id("household", one) for one in households})),
        users=tuple(sorted({checked_id("user", one) for one in users})),
        occurred_at=occurred_at,
    )


def checked_text(name: str, given: str) -> str:
    """An answer (or the title, or the author) on one line. Raises AnswerError."""
    most = TITLE_MOST if name in ("title", "author") else ANSWER_MOST
    # Neither database of a ledger holds NUL, and half a surrogate pair cannot be written at all.
    words = " ".join(given.encode("utf-8", "replace").decode().replace("\x00", " ").split())
    if not words:
        raise AnswerError(f"{name.replace('_', '-')} is empty: write a few words")
    if len(words) > most:
        raise AnswerError(f"{name.replace('_', '-')} is too long: {len(words):,} characters, at most {most:,}")
    return words


def checked_time(occurred_at: datetime | None, now: datetime) -> None:
    """Raise AnswerError for what cannot have happened yet."""
    if occurred_at is not None and occurred_at > now:
        raise AnswerError(f"it cannot have happened at {stamp(occurred_at)}: that is in the future")


def checked_about(team: Team, households: Sequence[str], users: Sequence[str]) -> None:
    """Raise AnswerError where a team cannot do anything without knowing whom it is about."""
    if team in ("trust-safety", "csm") and not (households or users):
        raise AnswerError("name whom it is about: --user ID or --household ID")


def checked_id(what: str, given: str) -> str:
    """A household's or user's id. Raises AnswerError."""
    if not _ID.fullmatch(given) or not given.isprintable():
        raise AnswerError(f"{given[:40]!a} is no {what} id: write it as the database does, without spaces")
    return given
