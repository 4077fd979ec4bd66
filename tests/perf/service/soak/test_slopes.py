"""Slopes of memory: found within noise, and not led astray by a few samples."""

from __future__ import annotations

import numpy as np
import pytest

from perf.service.soak.slopes import Sample, slope


def life(rate: float, noise: float = 0.0, seconds: int = 600) -> list[Sample]:
    """A life that grows by `rate` MB an hour."""
    rng = np.random.default_rng(1)
    times = np.arange(0, seconds, 5.0)
    memory = 100 + rate * times / 3600 + noise * rng.standard_normal(len(times))
    return [Sample(float(t), float(mb), 10, 4) for t, mb in zip(times, memory, strict=True)]


def test_a_straight_line_has_its_own_slope_both_ways():
    found = slope(life(36.0))
    assert found
    assert found.least_squares == pytest.approx(36.0)
    assert found.robust == pytest.approx(36.0)
    assert found.low == pytest.approx(found.high)


def test_the_interval_holds_the_true_slope_of_noisy_memory_and_says_what_is_none():
    for rate in (0.0, 120.0):
        found = slope(life(rate, noise=1.0))
        assert found
        assert found.low < rate < found.high
        assert found.low < found.robust < found.high
    assert found.low > 0


def test_a_burst_leads_the_fit_astray_and_not_the_median():
    samples = life(0.0, noise=0.1)
    burst = [Sample(one.at_s, one.mb + 200, 10, 4) for one in samples[-6:]]
    found = slope([*samples[:-6], *burst])
    assert found
    assert found.least_squares > 300
    assert abs(found.robust) < 10


def test_what_a_process_does_first_is_no_growth():
    samples = life(0.0)
    warming = [Sample(one.at_s, 20 + 8 * number, 10, 4) for number, one in enumerate(samples[:10])]
    found = slope([*warming, *samples[10:]])
    assert found
    assert found.robust == pytest.approx(0.0)
    assert found.least_squares == pytest.approx(0.0)


def test_a_short_life_has_no_slope():
    assert slope(life(36.0, seconds=25)) is None
    assert slope([]) is None
