"""Every detector, in the order of the process document."""

from __future__ import annotations

from detectors.contract import Detector
from detectors.customer_success import over_capacity
from detectors.edge_cases import concurrent_conflict, invite_code_collision, missing_index
from detectors.integrity import (
    duplicate_member,
    member_of_many_households,
    multiple_leaders,
    no_leader,
    orphaned_household,
    transfer_failed,
)
from detectors.malfunctions import approval_not_applied, old_invite_code_accepted, removal_not_applied
from detectors.security import (
    member_without_approval,
    self_approved_request,
    stored_markup,
    temporary_access_expired,
)
from detectors.system import invite_code_failure
from detectors.trust_safety import (
    commercial_use,
    competitor_use,
    fake_households,
    mass_creation,
    mass_removal,
    off_topic_use,
)

DETECTORS: tuple[Detector, ...] = (
    multiple_leaders.DETECTOR,
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    transfer_failed.DETECTOR,
    duplicate_member.DETECTOR,
    member_of_many_households.DETECTOR,
    stored_markup.DETECTOR,
    member_without_approval.DETECTOR,
    self_approved_request.DETECTOR,
    temporary_access_expired.DETECTOR,
    invite_code_failure.DETECTOR,
    removal_not_applied.DETECTOR,
    approval_not_applied.DETECTOR,
    old_invite_code_accepted.DETECTOR,
    invite_code_collision.DETECTOR,
    concurrent_conflict.DETECTOR,
    missing_index.DETECTOR,
    mass_creation.DETECTOR,
    mass_removal.DETECTOR,
    commercial_use.DETECTOR,
    fake_households.DETECTOR,
    off_topic_use.DETECTOR,
    competitor_use.DETECTOR,
    over_capacity.DETECTOR,
)

BY_ID: dict[str, Detector] = {detector.id: detector for detector in DETECTORS}
