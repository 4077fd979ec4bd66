"""What steps reuse: as diffusers' hooks at a batch of one, and in a batch as if each were alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.hooks import FirstBlockCacheConfig, TaylorSeerCacheConfig
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawfect.contract.errors import PawfectError
from pawfect.flux.runs import Place, Runs
from pawfect.flux.schedule import euler, read_schedule
from pawfect.flux.step_cache import FirstBlock, TaylorSeer, step_cache
from pawfect.flux.transformer import Transformer
from tests.pawfect.flux.test_modulation import plain
from tests.pawfect.flux.test_transformer import GRID, step

STEPS = 14
# Of the tiny model: some steps reuse, some do not.
THRESHOLDS = (0.55, 0.6, 0.75)


@pytest.fixture(scope="module")
def sigmas(flux_folder) -> np.ndarray:
    return read_schedule(flux_folder).sigmas(STEPS, GRID[0] * GRID[1])


def load(folder, cache, modulation="layers") -> Transformer:
    return Transformer.load(
        folder, device="cpu", dtype="float32", modulation=modulation, step_cache=cache
    )


class Run:
    """One run from its noise on; `computed` says of each step whether the last block ran."""

    def __init__(self, seed: int, sigmas: np.ndarray, run: int | None) -> None:
        self.given = step(seed)
        self.sigmas = sigmas
        self.run = run
        self.done = 0
        self.velocities: list[np.ndarray] = []

    @property
    def place(self) -> Place:
        return Place(self.run, STEPS, STEPS - 1 - self.done)

    def inputs(self) -> dict:
        return self.given | {"timestep": self.sigmas[self.done : self.done + 1] * np.float32(1000)}

    def advance(self, velocity: np.ndarray) -> None:
        self.velocities.append(velocity)
        pair = self.sigmas[self.done : self.done + 2].tolist()
        self.given = self.given | {"latents": euler(self.given["latents"], velocity, *pair)}
        self.done += 1


class Computed:
    """Whether a module's last block ran, step by step."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.ran: list[int] = []
        # Below the block itself, which diffusers' hooks call in each step.
        module.single_transformer_blocks[-1].attn.register_forward_pre_hook(
            lambda layer, args, kwargs: self.ran.append(len(kwargs["hidden_states"])),
            with_kwargs=True,
        )

    def take(self) -> int:
        """Return for how many items it ran since the last call."""
        ran, self.ran = sum(self.ran), []
        return ran


def together(transformer: Transformer, *runs: Run) -> None:
    """Take one step of each run in one batch."""
    inputs = [run.inputs() for run in runs]
    stacked = {
        name: np.concatenate([one[name] for one in inputs]) for name in inputs[0] if name != "grid"
    }
    velocity = transformer.velocity(**stacked, grid=GRID, places=[run.place for run in runs])
    for n, run in enumerate(runs):
        run.advance(velocity[n : n + 1])


def alone(transformer: Transformer, run: Run) -> tuple[list[np.ndarray], list[int]]:
    """Take all steps of a run; return its velocities and for which the last block ran."""
    computed = Computed(transformer.module)
    ran = []
    for _ in range(STEPS):
        together(transformer, run)
        ran.append(computed.take())
    return run.velocities, ran


def by_diffusers(folder, config, run: Run) -> tuple[list[np.ndarray], list[int]]:
    """The same by diffusers' hooks."""
    module = FluxTransformer2DModel.from_pretrained(
        folder / "transformer", torch_dtype=torch.float32
    )
    computed = Computed(module.eval())
    module.enable_cache(config)
    ran = []
    for _ in range(STEPS):
        with module.cache_context("run"):
            run.advance(plain(module, run.inputs()))
        ran.append(computed.take())
    return run.velocities, ran


@pytest.mark.parametrize("modulation", ["layers", "cached"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_first_block_cache_is_diffusers_in_velocities_and_decisions(
    flux_folder, sigmas, threshold, modulation
):
    config = FirstBlockCacheConfig(threshold=threshold)
    expected, decided = by_diffusers(flux_folder, config, Run(3, sigmas, 1))
    ours = load(flux_folder, FirstBlock(threshold), modulation)
    got, ran = alone(ours, Run(3, sigmas, 1))
    assert ran == decided
    assert 1 < sum(ran) < STEPS
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("modulation", ["layers", "cached"])
def test_taylorseer_is_diffusers_lite_mode_where_the_series_is_believed(
    flux_folder, sigmas, modulation
):
    config = TaylorSeerCacheConfig(use_lite_mode=True, taylor_factors_dtype=torch.float32)
    expected, decided = by_diffusers(flux_folder, config, Run(4, sigmas, 1))
    got, ran = alone(load(flux_folder, TaylorSeer(1e9), modulation), Run(4, sigmas, 1))
    assert ran == decided == [1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


def test_taylorseer_computes_all_steps_while_its_series_misses_them(flux_folder, sigmas):
    got, ran = alone(load(flux_folder, TaylorSeer(1e-6)), Run(4, sigmas, 1))
    assert ran == [1] * STEPS
    expected, _ = alone(load(flux_folder, None), Run(4, sigmas, 1))
    np.testing.assert_array_equal(got, expected)


CACHES = {"first_block": FirstBlock(0.6), "taylorseer": TaylorSeer(1e9)}


@pytest.mark.parametrize("name", CACHES)
def test_a_batch_of_runs_at_their_own_places_is_each_alone(flux_folder, sigmas, name):
    seeds = (5, 6, 7)
    expected = [alone(load(flux_folder, CACHES[name]), Run(seed, sigmas, 1)) for seed in seeds]
    transformer = load(flux_folder, CACHES[name])
    computed = Computed(transformer.module)
    runs = [Run(seed, sigmas, seed) for seed in seeds]
    ran = 0
    smaller = set()
    for tick in range(STEPS + 4):
        # They start two ticks apart.
        under_way = [run for n, run in enumerate(runs) if tick >= 2 * n and run.done < STEPS]
        together(transformer, *under_way)
        now = computed.take()
        ran += now
        smaller.add(0 < now < len(under_way))
    assert True in smaller
    assert ran == sum(sum(decided) for _, decided in expected)
    for run, (velocities, _) in zip(runs, expected, strict=True):
        np.testing.assert_allclose(run.velocities, velocities, rtol=0, atol=5e-5)
    assert len(transformer.runs) == 0


@pytest.mark.parametrize(
    ("name", "threshold"), [("none", 0.6), ("first_block", 0), ("taylorseer", 0)]
)
def test_no_cache_and_a_threshold_of_nought_are_bit_by_bit_the_plain_step(
    flux_folder, parts, sigmas, name, threshold
):
    cache = step_cache(name, threshold)
    assert cache is None
    got, ran = alone(load(flux_folder, cache), Run(8, sigmas, 1))
    assert ran == [1] * STEPS
    run = Run(8, sigmas, None)
    for velocity in got:
        run.advance(parts.transformer.velocity(**run.inputs()))
        np.testing.assert_array_equal(velocity, run.velocities[-1])


@pytest.mark.parametrize("name", CACHES)
def test_a_profiles_names_are_the_caches(name):
    assert step_cache(name, 0.6) == type(CACHES[name])(0.6)


@pytest.mark.parametrize("name", CACHES)
def test_without_a_run_nothing_is_kept_and_nothing_reused(flux_folder, sigmas, name):
    transformer = load(flux_folder, CACHES[name])
    _, ran = alone(transformer, Run(9, sigmas, None))
    assert ran == [1] * STEPS
    assert transformer.runs.nbytes == 0


@pytest.fixture(params=list(CACHES))
def far(flux_folder, sigmas, request) -> tuple[Transformer, Run, Computed]:
    """A run at a step that reuses: the next one runs the first block at most."""
    transformer = load(flux_folder, CACHES[request.param])
    run = Run(5, sigmas, 1)
    other = Run(5, sigmas, 1)
    _, ran = alone(load(flux_folder, CACHES[request.param]), other)
    reusing = ran.index(0)
    for _ in range(reusing):
        together(transformer, run)
    return transformer, run, Computed(transformer.module)


def test_a_run_reuses_at_its_step(far):
    transformer, run, computed = far
    together(transformer, run)
    assert computed.take() == 0


CHANGES = {
    "condition": lambda g: {"condition": g["condition"] + np.float32(1e-3)},
    "prompt": lambda g: {"prompt_embeds": g["prompt_embeds"] + np.float16(0.01)},
    "pooled": lambda g: {"pooled": g["pooled"] + np.float16(0.01)},
    "guidance": lambda g: {"guidance": g["guidance"] + np.float32(1e-3)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_subject_under_the_same_run_is_computed_wholly(far, parts, change):
    transformer, run, computed = far
    run.given |= CHANGES[change](run.given)
    inputs = run.inputs()
    together(transformer, run)
    assert computed.take() == 1
    np.testing.assert_array_equal(run.velocities[-1], parts.transformer.velocity(**inputs))


def test_another_grid_or_length_of_text_under_the_same_run_is_computed_wholly(far, parts):
    transformer, run, computed = far
    inputs = run.inputs()
    for changed in (
        {"grid": GRID[::-1]},
        {"grid": (1, 2)} | {name: inputs[name][:, :2] for name in ("latents", "condition")},
        {"prompt_embeds": inputs["prompt_embeds"][:, :5]},
    ):
        got = transformer.velocity(**inputs | changed, places=[run.place])
        assert computed.take() == 1
        np.testing.assert_array_equal(got, parts.transformer.velocity(**inputs | changed))


@pytest.mark.parametrize(
    "place",
    [
        lambda place: Place(place.run, STEPS + 1, place.left),
        lambda place: Place(place.run, STEPS, place.left - 1),
        lambda place: Place(place.run, STEPS, place.left + 1),
        lambda place: Place(place.run),
        lambda place: Place(place.run + 1, STEPS, place.left),
    ],
    ids=["other schedule", "step left out", "step again", "no word of steps", "other run"],
)
def test_a_step_that_does_not_follow_the_last_is_computed_wholly(far, parts, place):
    transformer, run, computed = far
    got = transformer.velocity(**run.inputs(), places=[place(run.place)])
    assert computed.take() == 1
    np.testing.assert_array_equal(got, parts.transformer.velocity(**run.inputs()))


def test_a_timestep_that_does_not_fall_is_computed_wholly(far):
    transformer, run, computed = far
    later = run.inputs() | {"timestep": run.sigmas[run.done - 1 : run.done] * np.float32(1000)}
    transformer.velocity(**later, places=[run.place])
    assert computed.take() == 1


def test_a_second_item_of_a_run_in_one_batch_is_computed_wholly(far):
    transformer, run, computed = far
    inputs = run.inputs()
    twice = {n: v if n == "grid" else np.concatenate((v, v)) for n, v in inputs.items()}
    transformer.velocity(**twice, places=[run.place, run.place])
    assert computed.take() == 1


@pytest.mark.parametrize("lose", [lambda t: t.free(), lambda t: t.runs.forget(1)])
def test_lost_state_is_recomputed(far, parts, lose):
    transformer, run, computed = far
    lose(transformer)
    assert transformer.runs.nbytes == 0
    inputs = run.inputs()
    together(transformer, run)
    assert computed.take() == 1
    np.testing.assert_array_equal(run.velocities[-1], parts.transformer.velocity(**inputs))


def test_a_failed_step_leaves_what_was_kept_as_it_was(far, sigmas):
    transformer, run, computed = far

    def failing(layer, args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    hook = transformer.module.proj_out.register_forward_pre_hook(failing)
    with pytest.raises(torch.OutOfMemoryError):
        together(transformer, run, Run(6, sigmas, 2))
    hook.remove()
    assert computed.take() == 1
    assert len(transformer.runs) == 1
    together(transformer, run)
    assert computed.take() == 0


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    order=st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 3)), min_size=1, max_size=25),
    runs=st.integers(1, 3),
    states=st.integers(0, 4),
    name=st.sampled_from(sorted(CACHES)),
)
def test_whatever_comes_the_bounds_hold(transformers, order, runs, states, name):
    """Steps of runs in any order, each with any number left; -1 forgets."""
    transformer, one = transformers[name]
    most = max(1, states * one)
    transformer.runs = Runs(runs=runs, nbytes=most)
    for run, left in order:
        place = Place(run, 4, left)
        if place.forgets:
            transformer.runs.forget(run)
        else:
            velocity = transformer.velocity(**step(run), places=[place])
            assert np.isfinite(velocity).all()
        assert len(transformer.runs) <= runs
        assert transformer.runs.nbytes <= most
        if left <= 0:
            assert transformer.runs._kept.get(run) is None


@pytest.fixture(scope="module")
def transformers(flux_folder) -> dict[str, tuple[Transformer, int]]:
    """By cache, a transformer and the bytes that one run's first step leaves."""
    made = {}
    for name, cache in CACHES.items():
        transformer = load(flux_folder, cache)
        transformer.velocity(**step(0), places=[Place(1, 4, 3)])
        made[name] = (transformer, transformer.runs.nbytes)
        assert made[name][1] > 0
    return made


@pytest.mark.parametrize("steps", [(0, 0), (-1, 0), (101, 5), (8, 8), (8, -2), (2**31 - 1, 3)])
def test_numbers_of_steps_that_make_no_schedule_are_refused(steps):
    with pytest.raises(PawfectError, match=r"STEPS: expected 1 to 100 steps"):
        Place.read({"STEPS": np.array(steps, np.int32)})


def test_a_place_is_read_from_what_is_given():
    run, steps = np.array([-7], np.int64), np.array([8, -1], np.int32)
    assert Place.read({}) == Place()
    assert Place.read({"RUN": run}) == Place(-7)
    assert Place.read({"RUN": run, "STEPS": steps}) == Place(-7, 8, -1)
    assert Place.read({"STEPS": steps}).forgets
