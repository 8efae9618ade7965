"""What a channel may not carry, taken out of a finding before it is put into words.

The policy says for each channel what it hides: `nothing`; `personal` (names and texts that people typed, devices; e-mail
and IP addresses and telephone numbers are masked); or `ids`, which puts keyed pseudonyms in the place of user and
household ids as well and leaves out evidence, timeline and rows, which only the ticket needs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from detectors.contract import Finding, Member
from escalation.deliver.case_file import CaseFile
from escalation.ledger.personal import is_typed, masked, typed_out
from escalation.policy.process import Redaction

HIDDEN = "(hidden)"

_HOLDS_IDS = re.compile(
    r"(?:^|_)(?:id|by|user|household|member|leader|actor|target|people|person|requester|account)s?$"
)
_NOT_TEXT = frozenset({"detector", "team", "severity", "fingerprint", "kind", "marks"})
_WORD = re.compile(r"[\w-]+")
_PART = re.compile(r"\w+")
_UUID = re.compile(r"(?i)(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])")

Scrub = Callable[[str], str]


def redacted(finding: Finding, hides: Redaction, key: bytes) -> Finding:
    """`finding` without what a channel hides. `key` makes the pseudonyms: the same key, the same pseudonyms.

    Raises ValueError for an empty key where ids are hidden: anybody could undo those pseudonyms by trying ids.
    """
    if hides == "nothing":
        return finding
    without = typed_out(_free_texts(finding.evidence), HIDDEN)
    if hides == "personal":
        return _walked(finding, lambda text: masked(without(text)))
    if not key:
        raise ValueError("pseudonyms need a key")
    names = {one: pseudonym(one, key) for one in _ids(finding)}
    known = _renamer(names)

    def scrub(text: str) -> str:
        if text in names:
            return names[text]
        return _UUID.sub(lambda found: pseudonym(found.group(), key), known(masked(without(text))))

    story = finding.story.model_copy(update={"people": (), "ties": ()})
    return _walked(finding.model_copy(update={"evidence": {}, "timeline": (), "members": (), "story": story}), scrub)


def redacted_case(case: CaseFile, hides: Redaction, key: bytes) -> CaseFile:
    """`case` without what a channel hides. Raises ValueError as `redacted` does."""
    ids = {one for finding in case.findings for one in _ids(finding)}
    ids |= {each for one in case.linked for each in (*one.households, *one.users)} | {one.id for one in case.repeats}
    scrub = word_scrub(hides, key, ids)
    linked = (
        replace(
            one,
            title=scrub(one.title),
            outcome=scrub(one.outcome),
            households=tuple(map(scrub, one.households)),
            users=tuple(map(scrub, one.users)),
        )
        for one in case.linked
    )
    return replace(
        case,
        findings=tuple(redacted(one, hides, key) for one in case.findings),
        linked=tuple(linked),
        repeats=tuple(replace(one, id=scrub(one.id)) for one in case.repeats),
        silenced=tuple(map(scrub, case.silenced)),
        earlier=tuple(replace(one, user_id=scrub(one.user_id)) for one in case.earlier),
    )


def word_scrub(hides: Redaction, key: bytes, ids: Iterable[str]) -> Scrub:
    """What takes out of single lines what a channel hides; `ids` are the user and household ids that they may name.

    Raises ValueError for an empty key where ids are hidden.
    """
    if hides == "nothing":
        return str
    if hides == "personal":
        return masked
    if not key:
        raise ValueError("pseudonyms need a key")
    known = _renamer({one: pseudonym(one, key) for one in ids if one})
    return lambda text: _UUID.sub(lambda found: pseudonym(found.group(), key), known(masked(text)))


def pseudonym(value: str, key: bytes) -> str:
    """A short name for `value` that only the holder of `key` can make again."""
    return f"id-{hmac.new(key, value.encode('utf-8', 'surrogatepass'), hashlib.sha256).hexdigest()[:12]}"


def _free_texts(evidence: Mapping[str, object]) -> Iterator[str]:
    """The values that somebody typed."""
    return (value for key, value in _leaves(evidence) if is_typed(key))


def _ids(finding: Finding) -> set[str]:
    """Every user and household id that the finding names, wherever it does."""
    rows: list[Finding | Member] = [finding, *finding.related, *finding.members]
    found = {one for row in rows for one in (*row.households, *row.users, *row.subject.values())}
    found.update(entry.actor for entry in finding.timeline)
    found.update(finding.story.affected_users or ())
    found.update(finding.story.affected_households or ())
    # Ids may be any text, but where the key does not tell, a word with a digit in it is taken for one.
    found.update(
        value
        for key, value in _leaves(finding.evidence)
        if _HOLDS_IDS.search(key) or (re.search(r"\d", value) and not re.search(r"\s", value))
    )
    return found - {""}


def _leaves(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in `value` with the innermost key that leads to it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for inner_key, inner in value.items():
            yield from _leaves(inner, str(inner_key))
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _leaves(inner, key)


def _renamer(names: Mapping[str, str]) -> Scrub:
    """What puts each name in the place of its id where that stands as a word of its own."""
    # Most ids are single words and are looked up; an incident has too many of them for one expression.
    others = sorted((one for one in names if not _WORD.fullmatch(one)), key=len, reverse=True)
    odd = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, others))})(?!\w)") if others else None

    def named(found: re.Match[str]) -> str:
        whole = found.group()
        return names.get(whole) or _PART.sub(lambda part: names.get(part.group(), part.group()), whole)

    def rename(text: str) -> str:
        text = odd.sub(lambda found: names[found.group()], text) if odd else text
        return _WORD.sub(named, text)

    return rename


Model = TypeVar("Model", bound=BaseModel)


def _walked(model: Model, scrub: Scrub) -> Model:
    """`model` with each of its texts scrubbed, its vocabulary (ids of detectors, severities) as it is."""
    names = type(model).model_fields.keys() - _NOT_TEXT
    return model.model_copy(update={name: _scrubbed(getattr(model, name), scrub) for name in names})


def _scrubbed(value: Any, scrub: Scrub, key: str = "") -> Any:
    if isinstance(value, str):
        return HIDDEN if value and is_typed(key) else scrub(value)
    if isinstance(value, BaseModel):
        return _walked(value, scrub)
    if isinstance(value, Mapping):
        return {
            name if str(name).isidentifier() else scrub(str(name)): _scrubbed(inner, scrub, str(name))
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_scrubbed(inner, scrub, key) for inner in value)
    return value
