import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.lineage import canonical

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(VALUES)
def test_what_is_encoded_comes_back(value):
    assert json.loads(canonical.encode(value)) == value


@given(st.dictionaries(TEXT, VALUES))
def test_the_order_of_keys_does_not_count(value):
    turned = dict(reversed(list(value.items())))
    assert canonical.digest(turned) == canonical.digest(value)


def test_the_bytes_are_fixed():
    value = {"b": [1, 2.5, 1e-7, True, None], "a": "né", "A": (1,)}
    assert canonical.encode(value) == '{"A":[1],"a":"né","b":[1,2.5,1e-07,true,null]}'.encode()
    assert (
        canonical.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


@pytest.mark.parametrize(
    "value", [{1, 2}, b"x", object(), {1: "a"}, {None: 1}, {"a": [{"b": frozenset()}]}, 1j]
)
def test_what_has_no_single_encoding_is_refused(value):
    with pytest.raises(TypeError):
        canonical.encode(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "\ud800", {"\udc00": 1}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="value"):
        canonical.encode([value])


def test_the_error_says_where():
    with pytest.raises(TypeError, match=r"value\.recipe\[1\]\.cut is a set"):
        canonical.encode({"recipe": [0, {"cut": set()}]})
