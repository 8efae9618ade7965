"""An id is compared as what it is, not as it is written."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.source.ids import plain_id

NOTATIONS = (str, lambda one: str(one).upper(), lambda one: one.hex, lambda one: f"{{{one}}}", lambda one: one.urn)


@given(st.uuids(), st.sampled_from(NOTATIONS), st.sampled_from(["", " ", "\t", "\u00a0", "'", '"', " '"]))
def test_every_notation_of_a_uuid_is_one_id(one: uuid.UUID, notation: object, blank: str) -> None:
    assert callable(notation)
    assert plain_id(f"{blank}{notation(one)}{blank[::-1]}") == str(one)


@given(st.integers())
def test_a_whole_number_is_the_same_with_and_without_its_fraction(number: int) -> None:
    assert plain_id(f"{number}.0") == plain_id(f" {number} ") == plain_id(f"{number}.000") == str(number)


@pytest.mark.parametrize("text", ["user_2aB", "101.5", "1e18", "12-34", "{x}"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert plain_id(text) == text
