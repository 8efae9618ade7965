"""Hostile text made harmless, for each place that text goes to.

Whatever a household's name, a message or an error text holds, nothing of it may act: no control character or escape
sequence reaches a terminal, no mention calls anybody, no link can be followed, no markup is drawn, no formula runs.
What is changed stays visible, so that a reader sees that somebody tried.
"""

from __future__ import annotations

import re
import unicodedata

# These draw nothing although Unicode calls them letters, marks or symbols.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

_SCHEME = re.compile(
    r"(?i)\b(https?|ftps?|file|ssh|git|slack|data|javascript|vbscript|mailto|xmpp|tel|sms|callto):(?=\S)"
)
_SLASHES = re.compile(r":(?=//)")
_WWW = re.compile(r"(?i)(?<=www)\.")
# Mail programs and messengers turn bare names of hosts into links. `id` is left out: it is a column more often than a host.
_HOST_DOT = re.compile(
    r"(?i)(?<=[^\W_])\.(?=(?:[^\W_](?:[\w-]*[^\W_])?\.)*"
    r"(?:com|net|org|info|biz|edu|gov|mil|app|dev|xyz|top|site|online|shop|store|club|link|live|click|cloud|page|blog|zip"
    r"|mov|tech|space|website|pro|mobi|agency|(?!id\b)[a-z]{2}|xn--[a-z0-9-]+)(?![\w-]))"
)
_SLACK_CALL = re.compile(r"<(?=[!@#])")
_ESCAPED_IN_MARKDOWN = re.compile(r"([\\`*\[\]<>&|~$])")
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_LINE_START = re.compile(r"^(\s*)([#+\-]|\d{1,9}(?=[.)]))")
_FORMULA = re.compile("^\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def visible(text: str) -> str:
    """`text` on one line in which nothing is hidden: what would control or draw nothing is written as `\\n`, `\\u202e`."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category[0] != "C" and category not in {"Zl", "Zp"} and character not in _BLANKS:
        return character
    return ascii(character)[1:-1]


def defused(text: str) -> str:
    """`text` visible, on one line, without a link that can be followed or a mention that calls anybody.

    `https://evil.com` becomes `https[:]//evil[.]com`, `@here` becomes `(at)here`, `<!channel>` becomes `< !channel>`.
    """
    text = _SCHEME.sub(r"\1[:]", visible(text))
    text = _SLASHES.sub("[:]", text)
    text = _WWW.sub("[.]", text)
    text = _HOST_DOT.sub("[.]", text)
    return _SLACK_CALL.sub("< ", text.replace("@", "(at)"))


def for_markdown(text: str) -> str:
    """`text` defused, and such that Markdown (CommonMark and GitHub's) draws exactly its characters."""
    text = _ESCAPED_IN_MARKDOWN.sub(r"\\\1", defused(text).strip())
    text = _EDGE_UNDERSCORE.sub(r"\\_", text)
    return _LINE_START.sub(_escaped_start, text)


def _escaped_start(match: re.Match[str]) -> str:
    space, mark = match.groups()
    # A number before a dot or bracket begins a list: escape that, because a digit cannot be escaped.
    return f"{space}{mark}\\" if mark[0].isdigit() else f"{space}\\{mark}"


def for_csv(text: str) -> str:
    """`text` visible, and after an apostrophe if a spreadsheet would take it for a formula. Links stay: a CSV is data."""
    text = visible(text)
    return f"'{text}" if _FORMULA.match(text) else text


def for_ascii_json(text: str) -> str:
    """JSON text that json.dumps wrote with ensure_ascii, without the one control character that it leaves as it is."""
    return text.replace("\x7f", "\\u007f")
