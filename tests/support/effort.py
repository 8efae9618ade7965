"""How hard the properties are tried: a part of what each one asks for in the suite, and twenty times that when we explore.

A decorator `@settings(max_examples=20)` would fix the number for every profile, so ruff forbids it outside of this module.
"""

from __future__ import annotations

import math
import os
from typing import Any

from hypothesis import settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
# The suite must end within twenty minutes on two cores, so it tries a third of what each property asks for.
_TIMES_HARDER = {"ci": 0.33, "explore": float(os.environ.get("EXPLORE_TIMES", "20"))}


def load_profile() -> None:
    """The profile that the environment names. `ci` gives every run the same examples, so a failure is about the change at hand."""
    settings.register_profile("ci", derandomize=True, deadline=None)
    settings.register_profile(
        "explore", derandomize=False, deadline=None, print_blob=True, max_examples=round(100 * _TIMES_HARDER["explore"])
    )
    settings.load_profile(PROFILE)


def tries(number: int, **rest: Any) -> settings:
    """Settings with a part of `number` examples in the suite, and many times as many when we explore."""
    return settings(max_examples=math.ceil(number * _TIMES_HARDER[PROFILE]), **rest)
