"""Every detector, in the order of the process document."""

from __future__ import annotations

from detectors.contract import Detector
from detectors.edge_cases import legitimate_high_volume, rate_limit_inconsistent
from detectors.integrity import (
    duplicate_member,
    member_of_many_households,
    multiple_leaders,
    no_leader,
    orphaned_household,
    transfer_failed,
)
from detectors.malfunctions import approval_not_applied, removal_not_applied
from detectors.performance import member_list_failing, repeated_timeouts, slow_dashboard
from detectors.security import rate_limit_bypass, session_survives_removal
from detectors.system import api_timeouts, creation_failure_rate, database_errors
from detectors.trust_safety import mass_creation, mass_removal

DETECTORS: tuple[Detector, ...] = (
    multiple_leaders.DETECTOR,
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    transfer_failed.DETECTOR,
    duplicate_member.DETECTOR,
    member_of_many_households.DETECTOR,
    session_survives_removal.DETECTOR,
    rate_limit_bypass.DETECTOR,
    database_errors.DETECTOR,
    api_timeouts.DETECTOR,
    creation_failure_rate.DETECTOR,
    removal_not_applied.DETECTOR,
    approval_not_applied.DETECTOR,
    slow_dashboard.DETECTOR,
    member_list_failing.DETECTOR,
    repeated_timeouts.DETECTOR,
    rate_limit_inconsistent.DETECTOR,
    legitimate_high_volume.DETECTOR,
    mass_creation.DETECTOR,
    mass_removal.DETECTOR,
)

BY_ID: dict[str, Detector] = {detector.id: detector for detector in DETECTORS}
