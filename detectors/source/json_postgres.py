"""JSON on PostgreSQL without a statement that a single broken value can end.

A cast of a broken text to json raises, and with it the whole statement; before version 16 no function says beforehand whether
it will. So a text is looked at with expressions that cannot fail, and cast only where the cast is safe: it is JSON, its
escapes can be written in the database's encoding, and it is not nested deeper than the server's stack holds.
"""

from __future__ import annotations

_BLANK = r"[ \t\n\r]*"
_STRING = r'"(?:[^"\\\x01-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'
_ATOM = r"(?:-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)"
_PAIR = f"{_BLANK}{_STRING}{_BLANK}:{_BLANK}(?:{_STRING}|{_ATOM}){_BLANK}"
_FLAT = f"^{_BLANK}[{{](?:{_PAIR}(?:,{_PAIR})*|{_BLANK})[}}]{_BLANK}$"
"""An object without further objects and lists in it: nearly all metadata."""
_INNERMOST = r"""[{](?:":["0](?:,":["0])*)?[}]|\[(?:["0](?:,["0])*)?\]"""
"""An object or a list of nothing but strings, written `"`, and other values, written `0`."""
_LEVELS = 10
"""How deep objects and lists are followed where the server does not say itself whether a text is JSON."""
_SHORT = 8_000
"""In bytes: a text of this size cannot be nested deeper than the least stack that servers have by default."""
_ESCAPES = (
    r"CASE getdatabaseencoding() WHEN 'UTF8' THEN '\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})'"
    r" ELSE '\\u(?:00[089a-fA-F][0-9a-fA-F]|0[1-9a-fA-F][0-9a-fA-F]{2}|[1-9a-fA-F][0-9a-fA-F]{3})' END"
)
"""The escapes that stand for no character of the database."""
_ROOT = "'{}'"
_UTF8 = (
    "(?:[2-7].|0[9ad]|c[2-9a-f][89ab].|d.[89ab].|e0[ab].[89ab].|e[1-9a-cef][89ab].[89ab].|ed[89].[89ab].|"
    "f0[9ab].[89ab].[89ab].|f[1-3][89ab].[89ab].[89ab].|f48.[89ab].[89ab].)*"
)
"""Bytes that are UTF-8, in hexadecimal digits."""


def key_of_jsonb(column: str, key: str, version: int) -> str:
    """The text of a key of a jsonb column: of its object, or of the object that a string in it holds."""
    held = (
        f"CASE WHEN jsonb_typeof({column}) = 'string' THEN {key_of_text(f'({column} #>> {_ROOT})', key, version)} END"
    )
    return f"COALESCE({column} ->> {key}, {held})"


def key_of_json(column: str, key: str, version: int) -> str:
    """The same of a json column, which keeps escapes that no text can hold and nesting that no stack can."""
    text = f"CAST({column} AS text)"
    plain = f"strpos({text}, '\\u') = 0 AND octet_length({text}) < {_SHORT} AND left({text}, 1) = '{{'"
    return f"CASE WHEN {plain} THEN {column} ->> {key} ELSE {key_of_text(text, key, version)} END"


def text_of_bytes(column: str) -> str:
    """The text that bytes hold as UTF-8; null where they hold none."""
    encoding = f"CASE getdatabaseencoding() WHEN 'UTF8' THEN '^{_UTF8}$' ELSE '^(?:[2-7].|0[9ad])*$' END"
    return f"CASE WHEN encode({column}, 'hex') ~ {encoding} THEN convert_from({column}, 'UTF8') END"


def jsonb_is_lost(column: str, version: int) -> str:
    """Whether a jsonb column holds neither an object nor a string that holds one; null and JSON's null hold nothing."""
    string = text_is_lost(f"({column} #>> {_ROOT})", version)
    return f"CASE jsonb_typeof({column}) WHEN 'object' THEN false WHEN 'null' THEN false WHEN 'string' THEN {string} ELSE true END"


def key_of_text(text: str, key: str, version: int) -> str:
    """The same of a text that may hold JSON."""
    return f"(SELECT CASE WHEN {_is_object('o.t', version)} THEN CAST(o.t AS json) ->> {key} END FROM {_opened(text)} AS o)"


def text_is_lost(text: str, version: int) -> str:
    """The same of a text."""
    known = f"{_is_object('o.t', version)} OR o.t ~ '^{_BLANK}null{_BLANK}$'"
    return f"(SELECT o.t IS NOT NULL AND NOT ({known}) FROM {_opened(text)} AS o)"


def _opened(text: str) -> str:
    """A one-row table of the text, out of the strings that it may stand in, with the escapes that can be read.

    Each step is fenced by its OFFSET, or it would be worked out again wherever the next one names it.
    """
    steps = f'(SELECT ({text}) COLLATE "C" AS t OFFSET 0)'
    for place in range(2):
        string = f"s{place}.t ~ '^{_BLANK}{_STRING}{_BLANK}$'"
        inside = f"CASE WHEN {string} THEN CAST({_readable(f's{place}.t')} AS json) #>> {_ROOT} ELSE s{place}.t END"
        steps = f"(SELECT {inside} AS t FROM {steps} AS s{place} OFFSET 0)"
    return f"(SELECT {_readable('u.t')} AS t FROM {steps} AS u OFFSET 0)"


def _readable(text: str) -> str:
    """The text without escapes that stand for no character, and with null where an exporter wrote NaN."""
    escaped = f"regexp_replace(replace({text}, '\\\\', '\\u005c'), {_ESCAPES}, '?', 'g')"
    numbered = rf"regexp_replace({{0}}, '([:,[]{_BLANK})(?:NaN|-?Infinity)(?={_BLANK}[],}}}}])', '\1null', 'g')"
    some = f"CASE WHEN strpos({text}, '\\u') > 0 THEN {escaped} ELSE {text} END"
    odd = f"strpos({text}, 'NaN') > 0 OR strpos({text}, 'Infinity') > 0"
    return f"CASE WHEN {odd} THEN {numbered.format(some)} ELSE {some} END"


def _is_object(text: str, version: int) -> str:
    begins = f"{text} ~ '^{_BLANK}[{{]'"
    if version >= 16:
        shallow = f"octet_length({text}) < {_SHORT} OR octet_length({text}) - octet_length(translate({text}, '[{{', '')) < {_SHORT // 2}"
        return f"CASE WHEN {begins} AND ({shallow}) THEN pg_input_is_valid({text}, 'json') ELSE false END"
    reduced = f"regexp_replace({text}, '{_STRING}', '\"', 'g')"
    reduced = f"regexp_replace({reduced}, '{_BLANK}{_ATOM}{_BLANK}', '0', 'g')"
    reduced = f"translate({reduced}, E' \\t\\n\\r', '')"
    for _ in range(_LEVELS):
        reduced = f"regexp_replace({reduced}, '{_INNERMOST}', '0', 'g')"
    return f"CASE WHEN {text} ~ '{_FLAT}' THEN true WHEN {begins} THEN {reduced} = '0' ELSE false END"
