"""Generated PetForce towns: ordinary life at any size, and planted faults with their truth list.

`generate(TownSpec(...))` returns a `Town`; `python -m benchmarks.town` does the same from the shell.
"""

from benchmarks.town.spec import PRESETS, TownSpec, preset
from benchmarks.town.town import Town, generate

__all__ = ["PRESETS", "Town", "TownSpec", "generate", "preset"]
