"""How much of a value is read: one huge value must not cost the memory and the time of all others."""

from __future__ import annotations

MOST_BYTES = 1_000_000
"""Of one row's metadata, as it is stored. What is longer is not read, and counted among what could not be."""
MOST_CHARACTERS = 20_000
"""Of a text that people write; many times what the app takes. Of a longer one the beginning is read."""
WRITTEN_BY_PEOPLE = frozenset({"name", "description", "body", "feature", "user_agent"})
"""The columns that hold such texts."""
