"""How hard the properties are tried: as each one says in the suite, and twenty times harder when we explore.

A decorator `@settings(max_examples=20)` would fix the number for every profile, so ruff forbids it outside of this module.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
_TIMES_HARDER = {"ci": 1, "explore": int(os.environ.get("EXPLORE_TIMES", "20"))}


def load_profile() -> None:
    """The profile that the environment names. `ci` gives every run the same examples, so a failure is about the change at hand."""
    settings.register_profile("ci", derandomize=True, deadline=None)
    settings.register_profile(
        "explore", derandomize=False, deadline=None, print_blob=True, max_examples=100 * _TIMES_HARDER["explore"]
    )
    settings.load_profile(PROFILE)


def tries(number: int, **rest: Any) -> settings:
    """Settings with `number` examples in the suite, and more of them when we explore."""
    return settings(max_examples=number * _TIMES_HARDER[PROFILE], **rest)
