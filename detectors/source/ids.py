"""What an id is, however a source writes it: a UUID in any notation, a whole number with or without `.0`, or a text.

The expressions keep to what POSIX, RE2 and Python agree on, so that each engine can ask the same question.
"""

from __future__ import annotations

import re

UUID_IN_ANY_NOTATION = (
    "^([uU][rR][nN]:[uU][uU][iI][dD]:)?[{]?"
    "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}[}]?$"
)
"""A UUID in any case, with or without hyphens, braces and the prefix urn:uuid:, once what is wrapped around it is gone."""
WHOLE_NUMBER = "^[+-]?[0-9]+([.]0+)?$"
"""A whole number, also as a table with missing values writes it (`101.0`)."""
PLAIN_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""A UUID as it is written here."""
BLANKS = " \t\r\n\f\v\u00a0"
"""The no-break space of spreadsheets too."""
WRAPPING = f"{BLANKS}\"'"
"""What may stand around an id or a word without being a part of it: blanks, and the quotes that an exporter left."""
NOTHING = ("", "null", "none", "nil", "nan", "nat", "(null)", "[null]", "<null>", "<na>", "n/a", "#n/a", "undefined")
"""What programs write, in whatever case, where there is no value."""
LONGEST_NOTHING = max(map(len, NOTHING))
IS_NOTHING = "IN (" + ", ".join(f"'{word}'" for word in NOTHING) + ")"
"""The condition on a text in small letters, as each engine writes it."""
_is_plain_uuid = re.compile(PLAIN_UUID.removesuffix("$")).fullmatch
"""Nearly every id is one already, and there are very many of them."""


def plain_id(text: str) -> str:
    """An id as this program writes it: UUIDs in small letters with hyphens, whole numbers without sign + and `.0`.

    Any other text keeps its letters' case, as `user_2aB` and `user_2Ab` are two people. Empty for blanks alone, and for
    what stands for no value.
    """
    if _is_plain_uuid(text):
        return text
    text = text.strip(WRAPPING)
    if text.lower() in NOTHING:
        return ""
    if re.match(UUID_IN_ANY_NOTATION, text):
        digits = "".join(
            character for character in text.lower().removeprefix("urn:uuid:") if character in "0123456789abcdef"
        )
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    if re.match(WHOLE_NUMBER, text):
        return text.lstrip("+").partition(".")[0]
    return text
