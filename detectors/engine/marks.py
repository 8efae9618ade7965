"""What marking detectors add to the others' findings, by the accounts of the people whom these name."""

from __future__ import annotations

import logging

from detectors.cases.rows import CASES_AT_ONCE, users_by_id
from detectors.contract import Context, Detector, Mark
from detectors.engine.endings import Ending, reason_of
from detectors.findings import Brief, Found, Keeper, whole
from detectors.source import Source

logger = logging.getLogger("hearthwatch.scan")


def marked_by(
    source: Source, detector: Detector, mark: Mark, ending: Ending, findings: list[Found], context: Context
) -> list[Found]:
    """`findings` with what `detector` adds; as they are where it fails."""
    marked: list[Found] = []
    keeper = Keeper()
    try:
        for start in range(0, len(findings), CASES_AT_ONCE):
            some = findings[start : start + CASES_AT_ONCE]
            people = {user for one in some for user in one.users if source.tables.is_user_id(user)}
            accounts = {
                user: account
                for user, account in users_by_id(source, sorted(people)).items()
                if detector.remarkable(account, context)
            }
            for one in some:
                known = whole(one) if not accounts.keys().isdisjoint(one.users) else None
                new = known and mark(known, accounts, context)
                if new is None or new is known:
                    marked.append(one)
                else:
                    marked.append(keeper.brief(new) if isinstance(one, Brief) else new)
                    ending.marked += 1
    except Exception as error:
        logger.debug("marking failed", exc_info=True)
        ending.fail(reason_of(error, "marking"))
        ending.marked = 0
        return findings
    return marked
