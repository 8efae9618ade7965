"""Letters that only look like Latin ones: what a word reads as whose letters are of two scripts, or written for their looks."""

from __future__ import annotations

import re
import unicodedata


def _by_latin(table: str) -> dict[int, str]:
    rows = (row.split() for row in table.split(","))
    return {int(code, 16): latin for latin, *codes in rows for code in codes}


_FANCY = _by_latin(
    """
    a 0251 1D00, b 0299, c 1D04, d 1D05, e 1D07, f A730, g 0261 0262, h 029C, i 026A, j 1D0A, k 1D0B, l 029F,
    m 1D0D, n 0274, o 1D0F, p 1D18, r 0280, s A731, t 1D1B, u 1D1C, v 1D20, w 1D21, y 028F, z 1D22
    """
)
_FANCY |= {first + place: chr(ord("a") + place) for first in (0x1F150, 0x1F170) for place in range(26)}
"""Phonetic letters, small capitals, and white letters on black."""
_FOREIGN = _by_latin(
    """
    A 0410 0391, B 0412 0392, C 0421, E 0415 0395, H 041D 0397, I 0406 0399, J 0408, K 041A 039A, M 041C 039C,
    N 039D, O 041E 039F, P 0420 03A1, Q 051A, S 0405, T 0422 03A4, V 0474, W 051C, X 0425 03A7, Y 0423 04AE 03A5,
    Z 0396, a 0430 03B1, b 0432 03B2, c 0441 03C2, d 0501, e 0435 03B5, h 04BB 043D, i 0456 03B9, j 0458 03F3,
    k 043A 03BA, l 04CF 04C0, m 043C, n 043F 03B7, o 043E 03BF, p 0440 03C1, q 051B, r 0433, s 0455, t 0442 03C4,
    u 03C5 03BC, v 0475 03BD, w 051D 03C9, x 0445 03C7, y 0443 04AF 03B3
    """
)
"""Cyrillic and Greek letters."""
_BLANK = "\u115f\u1160"
"""Letters that show as nothing."""
_LETTERS = re.compile(r"[^\W\d_]+")


def undisguised(text: str) -> str:
    """`text` without marks on its letters, and with letters that only look like Latin ones as those.

    Words of one script stay what they are.
    """
    plain = (char for char in text if unicodedata.category(char) not in {"Mn", "Me"} and char not in _BLANK)
    return _LETTERS.sub(_as_latin, "".join(plain).translate(_FANCY))


def _as_latin(match: re.Match[str]) -> str:
    word = match.group()
    return word.translate(_FOREIGN) if re.search("[a-zA-Z]", word) else word
