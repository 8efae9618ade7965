"""What the ledger may keep of a finding: ids, counts and times, but no addresses, names, devices or texts of people."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from detectors.contract import Finding, Story
from escalation.ledger.personal import is_address, is_typed, typed_out, without

HIDDEN = "[not kept]"
_PERSONAL_SUBJECTS = frozenset({"ip_address", "invite_code"})


def scrub(value: Any) -> Any:
    """`value` (JSON types) with personal values replaced; keys that name them lose their values whole."""
    if isinstance(value, Mapping):
        return {scrub(str(key)): HIDDEN if _is_personal(str(key)) else scrub(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(inner) for inner in value]
    return without(value, HIDDEN) if isinstance(value, str) else value


def _is_personal(key: str) -> bool:
    return is_typed(key) or is_address(key)


def _personal_texts(value: Any, *, personal: bool = False) -> Iterator[str]:
    """What stands in the evidence under keys that name personal values; a story may quote it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _personal_texts(inner, personal=personal or _is_personal(str(key)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _personal_texts(inner, personal=personal)
    elif personal and isinstance(value, str):
        yield value


def _without(value: Any, leave_out: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(inner, leave_out) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without(inner, leave_out) for inner in value]
    return leave_out(value) if isinstance(value, str) else value


def scrub_subject(subject: Mapping[Any, str]) -> dict[str, str]:
    """A subject whose addresses and codes are replaced by a hash that still tells them apart, its words scrubbed."""
    return {str(key): _scrubbed_part(str(key), value) for key, value in subject.items()}


def _scrubbed_part(key: str, value: str) -> str:
    if key in _PERSONAL_SUBJECTS:
        return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return value if key.endswith("_id") else without(value, HIDDEN)


def pack(finding: Finding) -> dict[str, Any]:
    """`finding` with its story as JSON types, scrubbed: enough to say it later. `unpack` reads it back."""
    plain = finding.model_dump(mode="json")
    plain["story"] = finding.story.model_dump(mode="json")
    typed = typed_out(_personal_texts(plain["evidence"]), HIDDEN)
    packed: dict[str, Any] = {}
    for key, value in plain.items():
        # The story's own field names are the process document's, and may hold words like "email".
        packed[key] = (
            scrub(value) if key != "story" else {name: scrub(_without(part, typed)) for name, part in value.items()}
        )
    packed["subject"] = scrub_subject(finding.subject)
    for part in ("related", "members"):
        for row in packed[part]:
            row["subject"] = scrub_subject(row["subject"])
    return packed


def unpack(packed: Mapping[str, Any]) -> Finding:
    """The finding that `pack` kept."""
    fields = dict(packed)
    story = Story.model_validate(fields.pop("story"))
    return Finding.model_validate(fields).model_copy(update={"story": story})
