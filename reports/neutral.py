"""Hostile text made harmless, for each place that text goes to.

Whatever a household's name, a message or an error text holds, nothing of it may act: no control character or escape
sequence reaches a terminal, no mention calls anybody, no link can be followed, no markup is drawn, no formula runs, no
mail header begins, no helpdesk fills in a template. What is changed stays visible, so that a reader sees that somebody tried.
"""

from __future__ import annotations

import re
import shlex
import string
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import takewhile
from pathlib import Path

from publicsuffixlist import PSLFILE, PublicSuffixList

# These draw nothing although Unicode calls them letters, marks or symbols: its code points that a reader may ignore
# (Default_Ignorable_Code_Point), as far as their category does not tell, and three that fonts leave blank.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
_EMOJI_STYLES = "\ufe0e\ufe0f"
"""Behind a symbol they choose between its two drawings, and say nothing."""

_SCHEME = re.compile(
    r"(?i)(?<![a-z0-9])(https?|ftps?|file|ssh|git|slack|data|javascript|vbscript|mailto|xmpp|tel|sms|callto|sips?|skype|facetime"
    r"|whatsapp|tg|ms-[a-z]+|webcal|news|nntp|ircs?|magnet|intent|blob|view-source):(?=\S)"
)
_SLASHES = re.compile(r":(?=//)")
# Mail programs on Windows make links of shares, and opening one tells a stranger's server who the reader is.
_SHARE = re.compile(r"\\\\(?=[\w?.])")
_WWW = re.compile(r"(?i)(?<=www)\.")
# Mail programs and messengers turn bare names of hosts into links. Whatever IDNA takes for a dot counts as one.
_HOST_DOT = re.compile(r"(?<=\S)[.\u2024\u3002\uff0e\uff61](?=([^\W\d_]\S{0,62}))")
# After two slashes any name will do.
_AFTER_SLASHES = re.compile(r"(?<=//)\S+")
_BARE_DOT = re.compile(r"(?<!\[)\.|\.(?!\])")
_SLACK_CALL = re.compile(r"<(?=[!@#])")
# Placeholders of Zendesk, Liquid, Jinja, ERB, JSP, PHP and their kin.
_TEMPLATE = re.compile(r"(?<=\{)[{#$]|(?<=[$#%*])\{|(?<=<)\?")
_TEMPLATE_PERCENT = re.compile(r"(?<=[{<\[])%")
# By these marks in a subject mail programs decode bytes (RFC 2047), and helpdesks sort a mail to another ticket.
_SUBJECT_MARK = re.compile(r"(?<==)\?|#(?=\d+\])")
# A dollar sign before a digit is money: what ends a formula stands before none. An ampersand acts before a name and a semicolon.
_ESCAPED_IN_MARKDOWN = re.compile(r"([\\`*\[\]<>|~]|&(?=#?\w+;)|\$(?!\d)|(?<=\$)\$)")
_OURS_IN_MARKDOWN = re.compile(r"([\\`*<>|~$]|&(?=#?\w+;))")
# Our own marks are no links: for that they would need a target behind them, or a line that gives them one.
_DEFUSED_MARK = re.compile(r"\\\[([.:])\\\](?![(\[:])")
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_LINE_START = re.compile(r"^(\s*)([#+\-]|\d{1,9}(?=[.)](?:\s|$)))")
_TABLE_NAMES = (
    r"(households|household_members|household_join_requests|household_events|users|sessions|support_requests)"
)
_COLUMN_NAMES = (
    r"(invite_code_expires_at|temporary_expires_at|last_activity_at|event_timestamp|"
    r"monthly_revenue|subject_user_id|account_tier|household_id|is_temporary|requested_at|"
    r"requester_id|responded_at|responded_by|description|invite_code|created_at|deleted_at|"
    r"event_type|invited_by|ip_address|revoked_at|updated_at|user_agent|joined_at|leader_id|"
    r"category|metadata|feature|user_id|status|email|body|name|role|id)"
)
_OUR_COLUMN = re.compile(rf"\b{_TABLE_NAMES}\[\.\]{_COLUMN_NAMES}\b(?![.\[/])")
# Where the policy says what a source's words mean: people copy it into theirs.
_OUR_KEY = re.compile(rf"\\?\[source\.words(?:\[\.\]|\.){_TABLE_NAMES}(?:\[\.\]|\.){_COLUMN_NAMES}\\?\]")
_PLAIN_BYTES = frozenset(f"{string.ascii_letters}{string.digits}-_".encode())
# Where a cell begins, also for whoever opens the file with another separator than ours.
_FORMULA = re.compile('(^|[;|])([\\s"]*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])')


def visible(text: str) -> str:
    r"""`text` on one line in which nothing is hidden: what would control or draw nothing is written as `\n`, `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text, f" {text}"))


def _shown(character: str, before: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category[0] != "C" and category not in {"Zl", "Zp"} and not _BLANKS.match(character):
        return character
    if character in _EMOJI_STYLES and unicodedata.category(before) == "So":
        return ""
    return ascii(character)[1:-1]


def defused(text: str) -> str:
    """`text` visible, on one line, with no link that can be followed, no mention that calls anybody, no template or header.

    `https://evil.com` becomes `https[:]//evil[.]com`, `@here` becomes `(at)here`, `<!channel>` becomes `< !channel>`.
    """
    text = _SCHEME.sub(r"\1[:]", visible(text))
    text = _SLASHES.sub("[:]", text)
    text = _SHARE.sub(r"[\g<0>]", text)
    text = _WWW.sub("[.]", text)
    text = _HOST_DOT.sub(lambda dot: "[.]" if _begins_top_level(dot[1]) else dot[0], text)
    text = _AFTER_SLASHES.sub(lambda name: _BARE_DOT.sub("[.]", name[0]), text)
    text = _TEMPLATE.sub(r"[\g<0>]", _SUBJECT_MARK.sub(r"[\g<0>]", text))
    text = _TEMPLATE_PERCENT.sub("(%)", text)
    return _SLACK_CALL.sub("< ", text.replace("@", "(at)"))


def in_our_words(text: str) -> str:
    """A sentence of ours `defused`, in which columns of the app's tables and keys of the policy stay as they are.

    `users.id` is no host, and `[source.words.users.status]` is to be copied.
    """
    return _OUR_KEY.sub(r"[source.words.\1.\2]", _OUR_COLUMN.sub(r"\1.\2", defused(text)))


def for_shell(words: Iterable[str]) -> str:
    r"""A command that can be copied into a shell as it stands, although nothing in it acts where it is read.

    What would be defused is written as bash and zsh read it: `rex.com` becomes `$'rex\x2ecom'`.
    """
    return " ".join(map(_shell_word, words))


def _shell_word(word: str) -> str:
    quoted = shlex.quote(word)
    if defused(quoted) == quoted:
        return quoted
    encoded = word.encode(errors="surrogatepass")
    return "$'" + "".join(chr(one) if one in _PLAIN_BYTES else f"\\x{one:02x}" for one in encoded) + "'"


@lru_cache(maxsize=4096)
def _begins_top_level(rest: str) -> bool:
    """Whether some program would take what `rest` begins with for the end of a host's name.

    Programs disagree about where a word ends: at a dash, where the Latin letters do, at any other letter or mark.
    """
    word = "".join(takewhile(_is_of_a_name, rest))
    latin = "".join(takewhile(str.isascii, word))
    parts = {word, latin, word.partition("-")[0]}
    if latin != word:
        parts.update(word[:end] for end in range(1, len(word)))
    return any(map(_is_top_level, parts))


def _is_of_a_name(character: str) -> bool:
    return character == "-" or unicodedata.category(character)[0] in "LMN"


def _is_top_level(label: str) -> bool:
    plain = unicodedata.normalize("NFKC", label).casefold()
    return plain.startswith("xn--") or ("." not in plain and _suffixes().publicsuffix(plain) is not None)


@cache
def _suffixes() -> PublicSuffixList:
    """The last labels of hosts' names. Nothing longer is asked for, and to read all that the list holds takes a tenth of a second."""
    with Path(PSLFILE).open(encoding="utf-8") as lines:
        labels = [line for line in lines if "." not in line or line.startswith("*.")]
    return PublicSuffixList(labels, accept_unknown=False, only_icann=True)


def for_markdown(text: str, *, ours: bool = False, in_cell: bool = False) -> str:
    """`text` defused (visible, if it is `ours`), and such that Markdown (CommonMark and GitHub's) draws its characters.

    As little as possible is escaped, so that it also reads well undrawn. In a table's cell nothing begins a line.
    """
    if ours:
        text = _OURS_IN_MARKDOWN.sub(r"\\\1", visible(text).strip())
    else:
        text = _DEFUSED_MARK.sub(r"[\1]", _ESCAPED_IN_MARKDOWN.sub(r"\\\1", defused(text).strip()))
    text = _OUR_KEY.sub(r"`[source.words.\1.\2]`", _EDGE_UNDERSCORE.sub(r"\\_", text))
    return text if in_cell else _LINE_START.sub(_escaped_start, text)


def _escaped_start(match: re.Match[str]) -> str:
    space, mark = match.groups()
    # A number before a dot or bracket begins a list: escape that, because a digit cannot be escaped.
    return f"{space}{mark}\\" if mark[0].isdigit() else f"{space}\\{mark}"


def for_csv(text: str) -> str:
    """`text` visible, with an apostrophe before what a spreadsheet would take for a formula. Links stay: a CSV is data."""
    return _FORMULA.sub(_as_text, visible(text))


def _as_text(found: re.Match[str]) -> str:
    separator, blanks = found.groups()
    return f"{separator}{blanks}'" if separator else f"'{blanks}"


def for_ascii_json(text: str) -> str:
    """JSON text that json.dumps wrote with ensure_ascii, without the one control character that it leaves as it is."""
    return text.replace("\x7f", "\\u007f")
