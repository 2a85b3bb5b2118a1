import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.method.identity import request_id, seed_of

PARTS = st.lists(st.text() | st.integers(), max_size=4).map(tuple)


def test_ids_are_the_same_in_every_process() -> None:
    canonical = b'["trace","p1",0]'
    assert request_id("trace", "p1", 0) == hashlib.sha256(canonical).hexdigest()[:20]
    assert seed_of("trace", "p1", 0) == 353141458661005078


@given(PARTS, PARTS)
def test_different_requests_have_different_ids(
    left: tuple[str | int, ...], right: tuple[str | int, ...]
) -> None:
    same = [(type(a), a) for a in left] == [(type(b), b) for b in right]
    assert (request_id(*left) == request_id(*right)) == same


@given(PARTS)
def test_a_seed_fits_a_signed_column(parts: tuple[str | int, ...]) -> None:
    assert 0 <= seed_of(*parts) < 2**63


@pytest.mark.parametrize("part", [True, None, 0.5, b"x"])
def test_what_could_be_written_in_two_ways_is_refused(part: object) -> None:
    with pytest.raises(TypeError, match="text and whole numbers"):
        request_id("trace", part)  # type: ignore[arg-type]
