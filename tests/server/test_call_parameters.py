"""Request parameters between models: a float arrives as it was, and nobody else's text as one."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from pawfect_triton.adapter import decode_parameters, encode_parameters

NAMES = st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(allow_nan=False)


@given(st.dictionaries(NAMES, SCALARS))
def test_parameters_arrive_as_they_were_with_their_types(sent):
    carried = encode_parameters(sent)
    assert all(type(value) in (bool, int, str) for value in carried.values())
    for received in (decode_parameters(carried), decode_parameters(json.dumps(carried))):
        assert received == sent
        assert {name: type(value) for name, value in received.items()} == {
            name: type(value) for name, value in sent.items()
        }


def test_not_a_number_arrives_as_such_for_the_models_own_check():
    assert math.isnan(decode_parameters(encode_parameters({"threshold": math.nan}))["threshold"])


def test_what_only_looks_like_a_float_stays_the_unknown_parameter_that_it_is():
    for odd in (
        {"float:threshold": "half"},
        {"float:threshold": 1},
        {"float:threshold": "0x1p+99999"},
        {"float:threshold": "0x1p-1", "threshold": 0.5},
    ):
        assert decode_parameters(odd) == odd
    assert decode_parameters({"prompt": "0x1p-1"}) == {"prompt": "0x1p-1"}
