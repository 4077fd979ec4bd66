"""What a model's process loads at its start, and the garbage collector."""

from __future__ import annotations

import gc
import weakref

import pytest

from pawfect_triton.lasting import lasting


class Ring:
    """An object that refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.own = self


def test_what_lasts_is_not_looked_through_and_garbage_is_gone():
    thresholds = gc.get_threshold()
    with lasting():
        kept, dropped = Ring(), weakref.ref(Ring())
    assert dropped() is None
    assert not any(each is kept for each in gc.get_objects())
    assert gc.get_threshold() == thresholds
    # Later garbage is freed as ever.
    later = weakref.ref(Ring())
    gc.collect()
    assert later() is None


def test_garbage_of_many_objects_is_freed_while_others_load():
    with lasting():
        dropped = weakref.ref(Ring())
        many = [[] for _ in range(150_000)]
        assert dropped() is None
    assert len(many) == 150_000


def test_after_a_failure_the_collector_is_as_before():
    thresholds = gc.get_threshold()
    with pytest.raises(OSError, match="no weights"), lasting():
        raise OSError("no weights")
    assert gc.get_threshold() == thresholds
    assert gc.isenabled()
