"""Drawing in SVG: every text is made visible and escaped, and every picture says in words what it shows."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from reports.neutral import visible

BLUE, ORANGE, GREEN, RED, GREY, INK, PAPER = "#0072b2", "#e69f00", "#00795a", "#c44200", "#6b7280", "#1f2933", "#ffffff"
"""Okabe and Ito's colours, which people tell apart however they see them; a page may lay its own over them by class."""


def shape(name: str, *inside: str, **attributes: object) -> Markup:
    """An element: `class_` is written as class, `stroke_width` as stroke-width, None is left out."""
    written = Markup("").join(
        Markup('{}="{}" ').format(key.rstrip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    start = Markup("<{} {}").format(name, written).rstrip()
    if not inside:
        return Markup("{}/>").format(start)
    return Markup("{}>{}</{}>").format(start, together(inside), name)


def together(parts: Iterable[str]) -> Markup:
    """The parts one behind the other; what is no markup is text."""
    return Markup("").join(part if isinstance(part, Markup) else escape(visible(part)) for part in parts)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return visible(str(value))


def text(x: float, y: float, words: str, **attributes: object) -> Markup:
    """Words that begin at a point, in the page's ink unless `fill` says otherwise."""
    return shape("text", words, x=x, y=y, **{"fill": INK, "class_": "ink", **attributes})


def picture(name: str, width: float, height: float, *, title: str, says: str, parts: Iterable[str]) -> Markup:
    """A whole picture, which also stands alone in a file. `name` is unique on its page, in letters, digits and dashes."""
    return shape(
        "svg",
        shape("title", title, id=f"{name}-title"),
        shape("desc", says, id=f"{name}-says"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="picture",
        role="img",
        aria_labelledby=f"{name}-title {name}-says",
        viewBox=f"0 0 {_value(float(width))} {_value(float(height))}",
        width=width,
        height=height,
        font_family="system-ui, sans-serif",
        font_size="12",
    )


def clipped(words: str, most: int) -> str:
    """`words` in at most so many characters."""
    return words if len(words) <= most else f"{words[: most - 1]}…"
