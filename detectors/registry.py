"""Every detector, in the order of the process document."""

from __future__ import annotations

from detectors.contract import Detector
from detectors.integrity import (
    duplicate_member,
    member_of_many_households,
    multiple_leaders,
    no_leader,
    orphaned_household,
    transfer_failed,
)
from detectors.malfunctions import approval_not_applied, removal_not_applied
from detectors.trust_safety import mass_creation, mass_removal

DETECTORS: tuple[Detector, ...] = (
    multiple_leaders.DETECTOR,
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    transfer_failed.DETECTOR,
    duplicate_member.DETECTOR,
    member_of_many_households.DETECTOR,
    removal_not_applied.DETECTOR,
    approval_not_applied.DETECTOR,
    mass_creation.DETECTOR,
    mass_removal.DETECTOR,
)

BY_ID: dict[str, Detector] = {detector.id: detector for detector in DETECTORS}
