"""Names, texts and patterns as Spark SQL writes them."""

from __future__ import annotations


def literal(text: str) -> str:
    """A text of our own as Spark writes it, for which a backslash is an escape."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(*names: str) -> str:
    """A name of one or several parts, in Spark's quotes."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def pattern_of(pattern: str) -> str:
    """A pattern as Java and Rust read it like the others do: its last `$` is the end of the text, whatever line ends there."""
    return pattern[:-1] + "\\z" if pattern.endswith("$") and not pattern.endswith("\\$") else pattern
