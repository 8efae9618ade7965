"""Every detector, in the order of the process document and of the catalogue."""

from __future__ import annotations

from detectors.contract import Detector
from detectors.rules.customer_success import (
    capacity_request,
    leader_member_dispute,
    over_capacity,
    policy_question,
    vip_affected,
)
from detectors.rules.edge_cases import (
    concurrent_conflict,
    invite_code_collision,
    legitimate_high_volume,
    missing_index,
    rate_limit_inconsistent,
)
from detectors.rules.integrity import (
    duplicate_member,
    member_of_many_households,
    members_without_household,
    multiple_leaders,
    no_leader,
    orphaned_household,
    transfer_failed,
)
from detectors.rules.legal import legal_matter
from detectors.rules.malfunctions import approval_not_applied, old_invite_code_accepted, removal_not_applied
from detectors.rules.performance import member_list_failing, repeated_timeouts, slow_dashboard
from detectors.rules.product import feature_gap
from detectors.rules.security import (
    member_without_approval,
    rate_limit_bypass,
    self_approved_request,
    session_survives_removal,
    stored_markup,
    temporary_access_expired,
    unauthorised_access,
)
from detectors.rules.system import api_timeouts, creation_failure_rate, database_errors, invite_code_failure
from detectors.rules.trust_safety import (
    abuse_report,
    bot_cadence,
    commercial_use,
    competitor_use,
    coordinated_harassment,
    failed_logins_then_changes,
    fake_households,
    invite_code_sharing,
    mass_creation,
    mass_removal,
    off_topic_use,
    punitive_removals,
    scraping,
    suspicious_access,
    unauthorised_transfer,
)

DETECTORS: tuple[Detector, ...] = (
    # Engineering, P0: data integrity
    multiple_leaders.DETECTOR,
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    transfer_failed.DETECTOR,
    members_without_household.DETECTOR,
    duplicate_member.DETECTOR,
    member_of_many_households.DETECTOR,
    # Engineering, P0: security
    stored_markup.DETECTOR,
    session_survives_removal.DETECTOR,
    unauthorised_access.DETECTOR,
    member_without_approval.DETECTOR,
    self_approved_request.DETECTOR,
    temporary_access_expired.DETECTOR,
    rate_limit_bypass.DETECTOR,
    # Engineering, P0: system failures
    invite_code_failure.DETECTOR,
    database_errors.DETECTOR,
    api_timeouts.DETECTOR,
    creation_failure_rate.DETECTOR,
    # Engineering, P1 and P2
    removal_not_applied.DETECTOR,
    approval_not_applied.DETECTOR,
    old_invite_code_accepted.DETECTOR,
    slow_dashboard.DETECTOR,
    member_list_failing.DETECTOR,
    repeated_timeouts.DETECTOR,
    rate_limit_inconsistent.DETECTOR,
    invite_code_collision.DETECTOR,
    concurrent_conflict.DETECTOR,
    legitimate_high_volume.DETECTOR,
    missing_index.DETECTOR,
    # Trust & Safety
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
    commercial_use.DETECTOR,
    fake_households.DETECTOR,
    off_topic_use.DETECTOR,
    competitor_use.DETECTOR,
    scraping.DETECTOR,
    # Customer Success Manager, Product, Legal
    over_capacity.DETECTOR,
    capacity_request.DETECTOR,
    leader_member_dispute.DETECTOR,
    policy_question.DETECTOR,
    vip_affected.DETECTOR,
    feature_gap.DETECTOR,
    legal_matter.DETECTOR,
)

BY_ID: dict[str, Detector] = {detector.id: detector for detector in DETECTORS}
