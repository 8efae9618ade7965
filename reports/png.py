"""Pictures as PNG, which helpdesks and mail programs show where they are; as SVG where this machine has no letters to draw with."""

from __future__ import annotations

from functools import cache, lru_cache

import resvg_py

from reports.message import Picture
from reports.svg import PAPER

ZOOM = 2
"""Pixels for each unit: screens are finer than drawings."""
_LETTERS = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="16" font-family="sans-serif">{}</text></svg>'


@lru_cache(maxsize=64)
def png_of(svg: str) -> bytes | None:
    """The drawing as PNG; None where no font is installed, as its words would be missing."""
    return _drawn(svg) if _has_letters() else None


def named(picture: Picture) -> tuple[str, str, bytes]:
    """The picture's file name, its kind and its content."""
    png = png_of(picture.svg)
    if png is None:
        return f"{picture.name}.svg", "svg+xml", picture.svg.encode()
    return f"{picture.name}.png", "png", png


@cache
def _has_letters() -> bool:
    return _drawn(_LETTERS.format("W")) != _drawn(_LETTERS.format(""))


def _drawn(svg: str) -> bytes:
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            background=PAPER,
            zoom=ZOOM,
            sans_serif_family="DejaVu Sans",
            monospace_family="DejaVu Sans Mono",
        )
    )
