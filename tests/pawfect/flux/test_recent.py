"""The bounded memory, against a list that is searched from its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.flux.recent import Recent

KEYS = st.integers(0, 6)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 12)),
        st.tuples(st.just("get"), KEYS, st.none()),
        st.tuples(st.just("drop"), KEYS, st.none()),
        st.tuples(st.just("clear"), st.none(), st.none()),
    ),
    max_size=60,
)


def brute_force(used: list[tuple[int, int, int]], entries: int, most: int) -> dict[int, int]:
    """Return what is to be there: of (key, value, bytes), oldest first, the last that fit."""
    while len(used) > entries or sum(size for *_, size in used) > most:
        used.pop(0)
    return {key: value for key, value, _ in used}


@given(actions=ACTIONS, entries=st.integers(1, 5), most=st.integers(1, 20))
def test_it_keeps_what_was_used_last_and_never_more_than_its_bounds(actions, entries, most):
    recent: Recent[int, int] = Recent(entries=entries, nbytes=most)
    used: list[tuple[int, int, int]] = []
    for value, (action, key, size) in enumerate(actions):
        own = [entry for entry in used if entry[0] == key]
        if action == "put":
            recent.put(key, value, size)
            used = [entry for entry in used if entry[0] != key]
            if size <= most:
                used.append((key, value, size))
        elif action == "get":
            assert recent.get(key) == (own[0][1] if own else None)
            used = [entry for entry in used if entry[0] != key] + own
        elif action == "drop":
            recent.drop(key)
            used = [entry for entry in used if entry[0] != key]
        else:
            recent.clear()
            used = []
        expected = brute_force(used, entries, most)
        assert len(recent) == len(expected) <= entries
        assert recent.nbytes == sum(size for *_, size in used) <= most
    for key, value in brute_force(used, entries, most).items():
        assert recent.get(key) == value


@pytest.mark.parametrize("size", [11, 10**12])
def test_what_is_larger_than_the_bound_is_not_kept_and_pushes_nothing_out(size):
    recent: Recent[str, str] = Recent(entries=9, nbytes=10)
    recent.put("a", "old", 6)
    recent.put("b", "other", 4)
    recent.put("a", "new", size)
    assert recent.get("a") is None
    assert recent.get("b") == "other"
    assert recent.nbytes == 4
