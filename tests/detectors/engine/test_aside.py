"""What a scan counts besides what its rules ask for."""

from detectors.registry import BY_ID, DETECTORS
from tests.support.towns import Scanner, Town


def test_only_tables_that_an_asked_rule_rests_on_are_counted(on_duckdb: Scanner) -> None:
    town = Town()
    town.family("home", "anna", "ben")
    town.session("laptop", "anna")
    assert on_duckdb(town, *DETECTORS).rows_read["sessions"] == 1
    alone = on_duckdb(town, BY_ID["no-leader"]).rows_read
    assert alone["household_members"] == 2
    assert "sessions" not in alone
