"""The words by which texts say yes and no, in small letters."""

from __future__ import annotations

YES = ("true", "t", "yes", "y", "on", "1", "1.0")
NO = ("false", "f", "no", "n", "off", "0", "0.0")
