"""Quick looks in a town's ledger: what they say of what goes on, and what they leave as it is."""

from __future__ import annotations

from datetime import timedelta

from detectors.contract import Coverage, Finding, Impact, Window
from escalation.ledger.records import Looked
from escalation.nights.forgetting import forget_after
from escalation.nights.night import NightReport, run_night
from escalation.nights.observing import NOTHING_MORE
from escalation.people.silences import silence_ticket
from tests.escalation.findings import finding
from tests.escalation.queues import helpdesk
from tests.escalation.town import POLICY, Town

NO_LEADER = finding("no-leader", household="h1", impact=Impact(users=4, households=1))
CONFLICT = finding("concurrent-conflict", household="h2")
ASKED = ("no-leader", "transfer-failed", "mass-creation", "mass-removal")


def look(town: Town, *findings: Finding, hours: float, looked: Looked = NOTHING_MORE) -> NightReport:
    town.now += timedelta(hours=hours)
    coverage = [Coverage(detector=name, status="ran") for name in ASKED]
    window = Window(town.now.replace(hour=0, minute=0), town.now)
    return run_night(
        town.ledger,
        findings,
        coverage,
        POLICY,
        town.now,
        window=window,
        helpdesk=helpdesk(town.queue),
        looked=looked,
        look="quick",
    )


def told(report: NightReport) -> list[tuple[str, str]]:
    return [(one.action, one.reason) for one in report.told]


def creations(town: Town, users: int) -> Finding:
    return finding("mass-creation", user="u1", occurred_at=town.now, impact=Impact(users=users, households=0))


def test_what_was_resolved_has_until_night_and_a_repair_is_verified_at_once(town: Town) -> None:
    town.night()
    look(town, NO_LEADER, hours=6)
    town.queue.tickets[town.only_ticket].status = "resolved"
    assert told(look(town, NO_LEADER, hours=1)) == []
    assert told(town.night(NO_LEADER, hours=17)) == [("reopen", "still-seen")]
    town.queue.tickets[town.only_ticket].status = "resolved"
    assert told(look(town, hours=6)) == [("verify", "fixed")]
    assert told(look(town, NO_LEADER, hours=1)) == [("reopen", "back")]


def test_what_nobody_looked_at_stays_as_it_was(town: Town) -> None:
    town.night(CONFLICT, creations(town, 20))
    with town.ledger.begin() as tx:
        before = tx.entries()
    assert told(look(town, hours=6)) == []
    with town.ledger.begin() as tx:
        assert tx.entries() == before


def test_a_snooze_of_what_goes_on_holds_until_it_has_doubled(town: Town) -> None:
    town.night()
    look(town, creations(town, 20), hours=6)
    silence_ticket(
        town.ledger,
        town.only_ticket,
        "snooze",
        until=town.now + timedelta(days=3),
        reason="a migration",
        author="jo",
        policy=POLICY,
        now=town.now,
    )
    assert told(look(town, creations(town, 39), hours=1)) == []
    assert told(look(town, creations(town, 41), hours=1)) == [("comment", "snooze-broken")]


def test_a_pattern_that_comes_later_joins_its_actors_ticket_and_grows_there(town: Town) -> None:
    town.night()
    removal = finding("mass-removal", user="u1")
    look(town, removal, hours=6)
    looks = [told(look(town, removal, creations(town, 20), hours=1)) for _ in range(2)]
    assert looks == [[("comment", "joined")], []]
    town.night(removal, creations(town, 20), hours=16)
    next_day = look(town, creations(town, 45).model_copy(update={"severity": "Immediate"}), hours=6)
    assert told(next_day) == [("comment", "more-urgent")]
    assert len(town.queue.creations) == 1


def test_a_bookmark_is_kept_as_long_as_all_that_is_wrong_is_known(town: Town) -> None:
    def bookmark() -> str | None:
        with town.ledger.begin() as tx:
            return tx.bookmark()

    town.night()
    look(town, hours=6, looked=Looked(bookmark="first"))
    town.night(NO_LEADER, hours=18)
    assert bookmark() == "first"
    # What was not complete has not seen all that the one before it had not.
    look(town, NO_LEADER, hours=1, looked=Looked(bookmark="second", disbelieved={"households": "too few"}))
    assert bookmark() == "first"
    look(town, NO_LEADER, hours=1, looked=Looked(bookmark="third"))
    assert bookmark() == "third"
    many = [finding("no-leader", household=f"h{number}") for number in range(POLICY.limits.incident_size + 1)]
    town.night(*many, hours=22)
    assert bookmark() is None
    look(town, *many, hours=1, looked=Looked(bookmark="fourth"))
    forget_after(town.ledger, town.now, POLICY)
    assert bookmark() is None
    look(town, *many, hours=1, looked=Looked(bookmark="fifth"))
    look(town, *many, hours=1)
    assert bookmark() is None
