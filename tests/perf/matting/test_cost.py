"""The model of what presets take on an L4, and what a variant takes here."""

from __future__ import annotations

import pytest

from pawfect.costs import CASES
from pawfect.matting.networks import View
from pawfect.matting.presets import PRESETS
from pawfect.profile import load_profile
from perf.diffusion.cards import CPU
from perf.matting import cost
from perf.matting.pictures import picture
from perf.matting.removers import Variant
from perf.matting.resources import Taken, measure_here, photo_of, taken
from perf.matting.run import Row
from perf.matting.scores import Scores
from perf.matting.summary import summary
from perf.matting.tables import cost_table


def test_standard_takes_under_five_seconds_on_an_l4_even_at_the_slowest_rates():
    for case in CASES:
        assert cost.modelled("standard", case).total < cost.STANDARD_S
    # By hand, at the likely rates: 12 TFLOP/s, attention at 0.7 of it, 225 GB/s.
    view = cost.view_of("standard")
    by_hand = 1486.075e9 / 12e12 + 78.91e9 / (0.7 * 12e12)
    by_hand += 4 * (90_721_443 + 0.75 * 8.5993e9) / 225e9
    assert cost.network_seconds(view, "likely") == pytest.approx(by_hand, rel=1e-6)


def test_on_the_host_of_the_profile_l4_standard_takes_longer_than_the_goal():
    settings = load_profile("l4").onnx
    assert settings is not None
    assert (settings.device, settings.threads) == ("cpu", cost.HOST_THREADS)
    # 1.56 TFLOP at 32 GFLOP/s a thread: what the profile gains in room it loses in seconds.
    on_host = cost.modelled("standard", "likely", CPU, settings.threads)
    assert on_host.bus == 0
    assert on_host.network == pytest.approx(13, abs=1)
    assert on_host.total > cost.STANDARD_S


def test_maximum_computes_four_times_what_standard_does_in_a_square():
    square, whole = cost.VIEWS[1024, 1024], cost.VIEWS[2048, 2048]
    assert whole.work.flop / square.work.flop == pytest.approx(3.98, abs=0.01)
    assert whole.peak_gib / square.peak_gib == pytest.approx(3.64, abs=0.01)


def test_more_pixels_cost_more_in_every_case():
    by_area = sorted(cost.VIEWS.values(), key=lambda view: view.width * view.height)
    for case in CASES:
        seconds = [cost.network_seconds(view, case) for view in by_area]
        assert seconds == sorted(seconds)
    assert [cost.network_seconds(by_area[1], case) for case in CASES] == sorted(
        cost.network_seconds(by_area[1], case) for case in CASES
    )
    assert [view.memory_gib for view in by_area] == sorted(view.memory_gib for view in by_area)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sees_what_the_engine_would_show_it(preset):
    chosen = PRESETS[preset]
    seen = View(chosen.size, chosen.resize, "a.onnx").seen(4000, 3000)
    view = cost.view_of(preset)
    assert (view.width, view.height) == seen


def test_the_page_shows_the_arithmetic_and_says_that_it_is_modelled():
    text = cost.as_markdown(cost.result())
    assert "modelled, none is measured" in text
    assert "products 1.486 TFLOP / 12 TFLOP/s = 0.124 s" in text
    assert "the goal is under 5 s" in text


def test_the_photo_that_costs_are_measured_on_is_of_the_asked_size_and_always_the_same():
    photo = photo_of(300, 200)
    assert photo.shape == (200, 300, 3)
    assert (photo == photo_of(300, 200)).all()
    assert abs(float(photo.mean()) - float(picture("laid_brick").photo.mean())) < 2


def measured(found: Taken) -> None:
    assert found.error == ""
    assert min(found.cold_s, found.seconds) > 0
    assert found.cpu_seconds > 0
    assert 0 < found.idle_gib < found.peak_gib
    assert [name for name, *_ in found.stages][-3:] == ["edges", "foreground", "output"]
    assert 0 < sum(wall for _, wall, _ in found.stages) / 1000 <= found.seconds
    assert 0 < sum(cpu for *_, cpu in found.stages) / 1000 <= 1.05 * found.cpu_seconds


@pytest.mark.slow
def test_what_a_variant_takes_is_measured(engine):
    del engine
    measured(measure_here(Variant("u2netp", "standard", "none"), "embedded", 320, 240, turns=1))


@pytest.mark.slow
def test_what_a_variant_takes_is_measured_in_a_process_of_its_own(engine):
    del engine
    measured(taken(Variant("u2netp", "standard", "none"), "embedded", 320, 240, turns=1))


def test_a_variant_that_is_not_there_says_so(engine):
    del engine
    found = measure_here(Variant("nothing", "standard", "none"), "embedded", 320, 240, turns=1)
    assert "expected one of" in found.error
    assert found.peak_gib == 0
    assert "expected one of" in cost_table([found])


def test_the_summary_adds_edges_and_colours_and_averages_fur_apart():
    stages = (("onnx_networks", 400.0, 700.0), ("edges", 300.0, 310.0), ("foreground", 50.0, 60.0))
    name = "u2netp standard guided"
    costs = [
        Taken(name, 1200, 900, 2.0, 0.5, 0.9, stages, 0.6, 0.2),
        Taken(name, 4000, 3000, 3.0, 1.25, 1.75, stages, 0.7, 0.2),
    ]
    rows = [
        Row(f"{group}_a", group, name, Scores(sad, 1.0, 8.0, 1.0, 0.9, halo))
        for group, sad, halo in (("fur", 10.0, 4.0), ("thin", 20.0, 6.0))
    ]
    (line,) = summary(rows, costs).splitlines()[2:]
    assert line == (
        "| `guided` | 0.90 | 1.75 | 0.37 | 1.25 | 0.70 | 10.0 | 8.0 | 4.0 | 15.0 | 5.0 |"
    )
