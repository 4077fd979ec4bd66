"""Who gets which variant: as the shares say, the same each time, and nobody is moved in vain."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect_service.jobs.kinds import CUTOUT
from pawfect_service.variants.dealing import Choice, choose, deal
from pawfect_service.variants.file import Staging, Variant, Variants

USERS = [f"u-{number}" for number in range(10_000)]
# A share that is off by more comes in one of some 16,000 tries; salts are fixed here.
SIGMAS = 4.0


def file_of(*shares: float, salt: str = "one", staged: tuple[int, ...] = ()) -> Variants:
    """A file of variants `v0`, `v1` and so on with these shares."""
    variants = [
        Variant(f"v{at}", "cutout", share, at in staged, {"preset": "high"})
        for at, share in enumerate(shares)
    ]
    return Variants(salt, Staging(("tester",), ("ops",)), None, tuple(variants))


def dealt(variants: Variants) -> list[str | None]:
    """The variant's name of each of USERS."""
    found = (deal(variants, "cutout", user) for user in USERS)
    return [each.name if each else None for each in found]


@pytest.mark.parametrize("shares", [(10.0,), (50.0, 50.0), (0.5, 20.0, 33.3), (100.0,), (0.0,)])
@pytest.mark.parametrize("salt", ["one", "two"])
def test_shares_are_as_the_file_says_within_binomial_bounds(shares, salt):
    counts = Counter(dealt(file_of(*shares, salt=salt)))
    rest = 100.0 - sum(shares)
    for name, share in [*((f"v{at}", share) for at, share in enumerate(shares)), (None, rest)]:
        part = share / 100
        bound = SIGMAS * math.sqrt(len(USERS) * part * (1 - part))
        assert abs(counts[name] - len(USERS) * part) <= bound, (name, counts)


def test_one_variants_share_moves_exactly_those_that_it_must():
    before, now = dealt(file_of(10.0)), dealt(file_of(25.0))
    left = [user for user, old, new in zip(USERS, before, now, strict=True) if old and not new]
    assert left == []
    assert dealt(file_of(10.0)) == before, "and back"
    joined = sum(new is not None for new in now) - sum(old is not None for old in before)
    assert 1300 < joined < 1700


@given(
    shares=st.lists(st.floats(0, 25), min_size=1, max_size=4),
    at=st.integers(0, 3),
    more=st.floats(0, 25),
)
def test_a_raised_share_moves_nobody_out_of_it(shares: list[float], at: int, more: float):
    at %= len(shares)
    more = min(more, 100.0 - sum(shares))
    raised = [share + more * (place == at) for place, share in enumerate(shares)]
    before, after = file_of(*shares), file_of(*raised)
    for user in USERS[:200]:
        old, new = deal(before, "cutout", user), deal(after, "cutout", user)
        if old and old.name == f"v{at}":
            assert new
            assert new.name == f"v{at}"
        if new and (old is None or old.name != new.name):
            grown = new.name == f"v{at}"
            assert grown or old is None, "others gain of the rest alone"


def test_with_several_variants_few_more_than_the_raised_share_move():
    before, now = dealt(file_of(20.0, 20.0)), dealt(file_of(30.0, 20.0))
    moved = sum(old != new for old, new in zip(before, now, strict=True))
    assert moved / len(USERS) < 0.10 * 1.3


def test_a_user_is_dealt_the_same_wherever_and_whatever_stands_beside():
    variants = file_of(30.0, 30.0)
    again = replace(variants, variants=variants.variants[::-1])
    assert dealt(again) == dealt(variants)
    assert dealt(file_of(30.0, 30.0, salt="two")) != dealt(variants)
    other = Variant("other", "repeat", 100.0, False, {"times": 2})
    assert dealt(replace(variants, variants=(other, *variants.variants))) == dealt(variants)


def test_the_staging_audience_comes_first_and_alone_without_a_share():
    variants = file_of(0.0, 0.0, staged=(1,))
    assert set(dealt(variants)) == {None}
    for user, caller in (("tester", "user x"), ("u-1", "key ops")):
        found = deal(variants, "cutout", user, caller)
        assert found
        assert found.name == "v1"
    for user, caller in (("tester2", "user x"), ("u-1", "key ops2"), ("u-1", "user ops")):
        assert deal(variants, "cutout", user, caller) is None
    both = file_of(0.0, 100.0, staged=(0,))
    assert deal(both, "cutout", "tester") == both.variants[0]
    assert set(dealt(both)) == {"v1"}


@pytest.mark.parametrize("name", CUTOUT.varied)
def test_a_request_that_chooses_itself_is_no_variants_traffic(name: str):
    variants = file_of(100.0)
    assert choose(variants, CUTOUT, "u", "key k", {name: "x"}) == Choice("own-choice")
    open_ = {"output": "white", "deadline_ms": 9000}
    assert choose(variants, CUTOUT, "u", "key k", open_) == Choice("v0", {"preset": "high"})
    assert choose(file_of(0.0), CUTOUT, "u", "key k", open_) == Choice("default")
