"""The reader of metadata: whatever a column holds, it answers, and it reads as far as can be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.source.objects import read_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text() | st.binary() | JSON | JSON.map(json.dumps) | st.text('[]{}",:\\u0dD8-1eE.NaInfty ', max_size=40))
def test_nothing_makes_it_fail(value: Any) -> None:
    assert read_object(value) is None or isinstance(read_object(value), dict)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_an_object_is_read_out_of_the_strings_it_stands_in(times: int) -> None:
    text = '{"member_id": "anna"}'
    for _ in range(times):
        text = json.dumps(text)
    assert read_object(text) == {"member_id": "anna"}
    assert read_object(text.encode()) == {"member_id": "anna"}


@pytest.mark.parametrize(
    ("odd", "read"),
    [
        ("[" * 100_000 + "]" * 100_000, None),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, None),
        ('[{"x": ["]", "}"]}, {"y": ' + "[" * 2_000 + "]" * 2_000 + "}]", None),
        ("9" * 5_000, "9" * 5_000),
        ("-1" + "0" * 5_000 + ".5e-3", "-1" + "0" * 5_000 + ".5e-3"),
    ],
)
def test_one_unreadable_value_leaves_the_others(odd: str, read: object) -> None:
    text = f'{{"flag": true, "none": null, "odd": {odd}, "long": {"9" * 5_000}, "member_id": "a\\u00e9\\"b" , "n": 5}}'
    found = read_object(text)
    assert found is not None
    assert {key: found[key] for key in ("flag", "none", "odd", "member_id")} == {
        "flag": True, "none": None, "odd": read, "member_id": 'aé"b',
    }  # fmt: skip
    assert str(found["n"]) == "5"


@pytest.mark.parametrize("text", ["", "{broken", "[1]", "5", '"x"', "[" * 100_000, '{"a": ' + "9" * 5_000, b"\xff"])
def test_what_holds_no_object_is_told_from_nothing(text: str | bytes) -> None:
    assert read_object(text) is None


@pytest.mark.parametrize("text", [None, "null", "{}", '"null"'])
def test_nothing_is_an_empty_object(text: str | None) -> None:
    assert read_object(text) == {}


def test_what_no_encoding_can_write_is_replaced() -> None:
    assert read_object(r'{"a": "x\u0000y", "b": "\ud800", "c": "\ud83d\ude00"}') == {
        "a": "x\ufffdy", "b": "\ufffd", "c": "\U0001f600",
    }  # fmt: skip
