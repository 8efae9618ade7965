"""Every detector. A module of `rules/<family>/` that defines DETECTOR is one; nothing else has to name it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from detectors import rules
from detectors.contract import SEVERITY_ORDER, Detector
from detectors.passes import PASSES

FAMILIES = (
    "integrity",
    "security",
    "system",
    "malfunctions",
    "performance",
    "edge_cases",
    "trust_safety",
    "customer_success",
    "product",
    "legal",
)
"""The folders of the rules, in the order of the process document."""


def _of(family: str) -> list[Detector]:
    """The detectors of a family, the most urgent first."""
    package = import_module(f"{rules.__name__}.{family}")
    modules = (import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__))
    found = [module.DETECTOR for module in modules if hasattr(module, "DETECTOR")]
    for detector in found:
        for subscription in detector.subscriptions:
            if subscription.on not in PASSES:
                raise ValueError(f"{detector.id}: there is no pass {subscription.on!r}; docs/passes.md names them")
    return sorted(found, key=lambda detector: (SEVERITY_ORDER.index(detector.meta.severity), detector.id))


BY_FAMILY: dict[str, list[Detector]] = {family: _of(family) for family in FAMILIES}
DETECTORS: tuple[Detector, ...] = tuple(detector for family in BY_FAMILY.values() for detector in family)
BY_ID: dict[str, Detector] = {detector.id: detector for detector in DETECTORS}
