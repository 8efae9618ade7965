"""Live markup and injection in what people wrote: what a browser, a template or a database might act on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from detectors.text.reading import QUOTE_LENGTH, quote

MARKUP_PREFILTER = (
    r"<[a-z/!?%]|[{][{%]|[$#][{]"
    r"|['\");][[:space:])]*(or|and|[|][|]|drop|truncate|alter|delete|insert|update|union|exec|shutdown|select|grant|create)"
    r"|(or|and)[[:space:]]+[0-9]+[[:space:]]*=|(drop|truncate|alter)[[:space:]]+(table|database|schema)"
    r"|delete[[:space:]]+from|insert[[:space:]]+into|update[[:space:]]+[^[:space:]]+[[:space:]]+set"
    r"|union[[:space:]]+(all[[:space:]]+)?select|select[[:space:]]+[*]|/[*]|(order|group)[[:space:]]+by|pg_sleep|xp_cmdshell|load_file|waitfor|['\"][[:space:]);]*(--|#)"
)
"""A regular expression that every text matches in which `live_markup` can find something."""

_ELEMENTS = frozenset(
    """a abbr acronym address animate applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote
    body br button canvas caption center circle cite code col colgroup command data datalist dd del details dfn dialog dir
    div dl dt ellipse em embed fieldset figcaption figure font footer foreignobject form frame frameset g h1 h2 h3 h4 h5 h6
    head header hgroup hr html i iframe image img input ins isindex kbd keygen label layer legend li line link listing main
    map mark marquee math menu menuitem meta meter nav nobr noembed noframes noscript object ol optgroup option output p
    param path picture plaintext polygon portal pre progress q rect rp rt ruby s samp script search section select set slot
    small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr
    track tt u ul use var video wbr xml xmp xss""".split()  # noqa: SIM905  # a list of 140 names would be 140 lines
)
_UNCLOSED = frozenset({"script", "iframe"})
"""A browser runs these, or takes what follows for a part of them, without their end too."""
_TAG = re.compile(r"</?([a-z][a-z0-9:-]*)(?=[\s/>]|$)([^<>]*)(>?)", re.IGNORECASE)
_HANDLER = re.compile(r"(?:^|[\s/\"'])on[a-z]+\s*=", re.IGNORECASE)
_URL = re.compile(r"=\s*[\"']?\s*(?:j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t|vbscript|data)\s*:", re.IGNORECASE)
_OPERATION = r"[^{}]*(?:\w\s*[*/%]\s*['\"]?\d|\d\s*[+-]\s*\d|\w\(|[a-z]\w*\.[a-z_]|\w\[|\|\s*\w|__)[^{}]*"
_OBJECT = r"\s*(?:config|self|request|settings|this|app|env|session|process|global|dump)\s*"
_INSIDE = rf"(?:{_OPERATION}|{_OBJECT})"
_TEMPLATES = (
    r"\{\{" + _INSIDE + r"\}\}",
    r"[$#]\{(?:" + _INSIDE + r"|\s*\w+:[^{}]*)\}",
    r"\$\{\s*(?:\$\{[^{}]*\}|\w)*jndi\s*:",
    r"\{%-?\s*(?:if|for|set|include|import|from|extends|raw|block|macro|debug|print|autoescape|with|call|load)\b",
    r"<%.+?%>",
    r"<\?(?:php|xml|=)",
)
_PART = r"[\w\"`\[\]]+"
_NAME = rf"{_PART}(?:\.{_PART})*"
_END = r"\s*(?:;|--|#|/\*|$)"
_BROKEN_OUT = r"['\")\d]\s*\)*\s*;\s*"
# The verbs are everyday ones ("no begging; drop table scraps in the bin"): what comes after them must be SQL too.
_SQL = (
    r"['\"]\s*\)*\s*(?:or\b|and\b|\|\|)\s*\(*['\"]?(\w*)['\"]?\s*=\s*\(*['\"]?\1(?!\w)",
    r"\b(?:or|and)\s+(\d+)\s*=\s*\1(?!\d)",
    r"[;'\")]\s*(?:drop|truncate)\s+(?:table|database|schema|user|role|view|index)\s+"
    rf"(?:if\s+exists\s+)?{_NAME}(?:{_END}|\s+cascade\b)",
    rf"[;'\")]\s*alter\s+(?:table|database|schema|user|role|view)\s+{_NAME}\s+"
    r"(?:add|drop|rename|alter|modify|set|owner|with|password)\b",
    rf"{_BROKEN_OUT}(?:shutdown|truncate\s+{_NAME}){_END}",
    rf"{_BROKEN_OUT}(?:grant\s+[\w,\s]+?\s+on\s+{_NAME}\s+to\s|grant\s+{_NAME}\s+to\s+{_NAME}{_END})",
    rf"{_BROKEN_OUT}create\s+(?:table\s+{_NAME}\s*\(|(?:user|role)\s+{_NAME}(?:{_END}|\s+(?:with|password|identified)\b))",
    rf"{_BROKEN_OUT}select\s+.+?\s+from\s+{_NAME}(?:{_END}|\s+(?:where|limit|union)\b)",
    rf";\s*select\s+.+?\s+from\s+{_NAME}\s*(?:;|--|\s+where\s+\w+\s*[=<>])",
    rf";\s*delete\s+from\s+{_NAME}(?:{_END}|\s+where\b)",
    rf";\s*insert\s+into\s+{_NAME}\s*(?:\([^)]*\)\s*)?(?:values|select)\b",
    rf";\s*update\s+{_NAME}\s+set\s+{_NAME}\s*=",
    r";\s*(?:exec(?:ute)?\s*\(\s*['\"@]|select\s+\w+\()",
    r"\bselect\s+\*\s+from\s+\w",
    r"['\"]\s*\)*\s*(?:or|and|\|\|)\s+(?:(?:true|\d+)\s*(?:--|#\s*$)|(?:sleep|benchmark)\s*\()",
    rf"['\"]\s*\)*\s*(?:order\s+by\s+\d+|group\s+by\s+{_NAME}\s+having\b).*(?:--|#)",
    r"^\s*(?:drop|truncate|alter)\s+(?:table|database|schema)\s+\S+\s*(?:;|--)",
    r"^\s*(?:delete\s+from\s+\w+|insert\s+into\s+\w+.*|update\s+\w+\s+set\s.+=.*)\s*(?:;|--)",
    r"['\")\d;]\s*union\s+(?:all\s+)?select\b",
    r"\bunion\s+(?:all\s+)?select\s+(?:\*|null\b|\d|@@|\w+\s*,\s*\w+.*\bfrom\b)",
    r"\b(?:pg_sleep|xp_cmdshell|load_file)\s*\(|\bxp_cmdshell\b|\bwaitfor\s+delay\s+['\"]",
)
_PAYLOADS = [
    (kind, re.compile(expression, re.IGNORECASE | re.DOTALL))
    for kind, expressions in (("template payload", _TEMPLATES), ("SQL payload", _SQL))
    for expression in expressions
]

# A quotation that ends before a dash is closed: this one has no beginning, as the whole text shows.
_UNBALANCED = [
    re.compile(rf"(?:[^{mark}]|{mark}[^{mark}]*{mark})*{mark}\s*\)*\s*;?\s*(?:--|#)\s*$", re.DOTALL) for mark in "'\""
]

_PIECE, _OVERLAP = 4_000, 2_000
"""Longer texts are searched for payloads in pieces, in characters: some expressions take the square of a hostile text's length."""


@dataclass(frozen=True, slots=True)
class Markup:
    """What is live in a text, in words, and the text around it."""

    kind: str
    quote: str


def live_markup(text: str | None) -> Markup | None:
    """The first live piece of markup or injection in `text` as it is stored; None for escaped or harmless text."""
    if not text:
        return None
    # Blanks mean the same in any number, and runs of them are what the expressions are slowest on.
    text = re.sub(r"(\s{8})\s+", r"\1", text)
    for match in _TAG.finditer(text):
        name, rest, closed = match.group(1).lower(), match.group(2), match.group(3)
        if _HANDLER.search(rest):
            return Markup(f"event handler in a raw <{name}> tag", quote(text, *match.span()))
        if _URL.search(rest):
            return Markup(f"script or data URL in a raw <{name}> tag", quote(text, *match.span()))
        if name in _ELEMENTS and (closed or name in _UNCLOSED) and not _compares(name, rest):
            return Markup(f"raw <{name}> tag", quote(text, *match.span()))
    comment = re.search(r"<!(?:--|doctype\b|\[cdata\[)", text, re.IGNORECASE)
    if comment:
        return Markup("raw markup declaration", quote(text, *comment.span()))
    for version in dict.fromkeys((text, _without_comments(text))):
        found = _payload(version)
        if found:
            return found
    return None


def _without_comments(text: str) -> str:
    """`text` as a database reads it: a comment is a blank."""
    before, *parts = text.split("/*")
    ends = [part.partition("*/") for part in parts]
    return before + "".join(f" {after}" if end else f"/*{inside}" for inside, end, after in ends)


def _payload(text: str) -> Markup | None:
    for start in range(0, max(len(text) - _OVERLAP, 1), _PIECE - _OVERLAP):
        stop = min(start + _PIECE, len(text))
        for kind, expression in _PAYLOADS:
            hit = expression.search(text, start, stop)
            # What touches the end of a piece may go on behind it: the next one, which overlaps, tells.
            if hit and (hit.end() < stop or stop == len(text)):
                return Markup(kind, quote(text, *hit.span()))
    if any(expression.match(text) for expression in _UNBALANCED):
        return Markup("SQL payload", quote(text, len(text) - QUOTE_LENGTH // 2, len(text)))
    return None


def _compares(name: str, rest: str) -> bool:
    """Whether what looks like a tag is more likely a comparison ("a<b and c>d"): a letter, and words without a value."""
    return len(name) == 1 and "=" not in rest and rest.strip(" /") != ""
