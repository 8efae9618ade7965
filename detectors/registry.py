"""Every detector, in the order of the process document."""

from __future__ import annotations

from detectors.contract import Detector
from detectors.customer_success import capacity_request, leader_member_dispute, policy_question, vip_affected
from detectors.integrity import (
    duplicate_member,
    member_of_many_households,
    multiple_leaders,
    no_leader,
    orphaned_household,
    transfer_failed,
)
from detectors.legal import legal_matter
from detectors.malfunctions import approval_not_applied, removal_not_applied
from detectors.product import feature_gap
from detectors.security import unauthorised_access
from detectors.trust_safety import (
    abuse_report,
    bot_cadence,
    coordinated_harassment,
    failed_logins_then_changes,
    invite_code_sharing,
    mass_creation,
    mass_removal,
    punitive_removals,
    scraping,
    suspicious_access,
    unauthorised_transfer,
)

DETECTORS: tuple[Detector, ...] = (
    multiple_leaders.DETECTOR,
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    transfer_failed.DETECTOR,
    duplicate_member.DETECTOR,
    member_of_many_households.DETECTOR,
    unauthorised_access.DETECTOR,
    removal_not_applied.DETECTOR,
    approval_not_applied.DETECTOR,
    punitive_removals.DETECTOR,
    coordinated_harassment.DETECTOR,
    abuse_report.DETECTOR,
    unauthorised_transfer.DETECTOR,
    suspicious_access.DETECTOR,
    failed_logins_then_changes.DETECTOR,
    mass_creation.DETECTOR,
    mass_removal.DETECTOR,
    invite_code_sharing.DETECTOR,
    bot_cadence.DETECTOR,
    scraping.DETECTOR,
    leader_member_dispute.DETECTOR,
    vip_affected.DETECTOR,
    capacity_request.DETECTOR,
    policy_question.DETECTOR,
    feature_gap.DETECTOR,
    legal_matter.DETECTOR,
)

BY_ID: dict[str, Detector] = {detector.id: detector for detector in DETECTORS}
