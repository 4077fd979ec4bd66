"""Ways to compute attention are told apart by the kernels that ran; none counts for another."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from click.testing import CliRunner

from pawfect.profile import load_profile
from pawfect.weights.store import ROOT_VARIABLE
from perf.audit import attention as module
from perf.audit.attention import Timed, attention, compare, kernels_of, told
from perf.audit.compiled import steps_of, transformer_of

CPU_FLASH = "aten::_scaled_dot_product_flash_attention_for_cpu"
MATH = "aten::_scaled_dot_product_attention_math"
BLOCKS = 4


@pytest.fixture
def tiny_step(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    profile = load_profile("tiny")
    own, _ = transformer_of(profile, "flux")
    return own, steps_of("flux", own, profile.flux, 4)


@pytest.mark.parametrize("batch", [1, 3])
def test_what_runs_here_is_timed_with_its_own_kernel_in_every_block(tiny_step, batch):
    found = compare(*tiny_step, batch=batch)
    assert {name for name, timed in found.items() if timed.ms} == {"auto", "math"}
    assert found["math"].kernels == {MATH: BLOCKS}
    assert found["auto"].kernels == {CPU_FLASH: BLOCKS}
    for name in ("auto", "math"):
        assert found[name].problem == ""
        assert found[name].difference < 1e-4
        assert found[name].peak_mib is None
    assert "attention efficient: " in found["efficient"].problem
    assert "pip install" in found["xformers"].problem
    # It computes as torch chooses afterwards.
    _, step = tiny_step
    with torch.inference_mode():
        assert set(kernels_of(lambda: step(1))) == {CPU_FLASH}


def test_a_way_whose_kernel_did_not_run_does_not_count(tiny_step, monkeypatch):
    # As if the memory-efficient kernel gave way in silence to what torch chooses.
    silent = dict(module.BACKENDS) | {"efficient": module.BACKENDS["auto"]}
    monkeypatch.setattr("pawfect.diffusion.attention.BACKENDS", silent)
    found = compare(*tiny_step)["efficient"]
    assert found.problem == f"its kernel ran in 0 of {BLOCKS} blocks"
    assert "NOT IT" in told(found)


def test_peak_memory_is_told_where_it_was_measured():
    timed = Timed(Counter({MATH: 4}), ms=2.0, peak_mib=12.4, difference=0.0)
    assert "2.0 ms a step (median of 5, in turn), 12 MiB more at the peak; 4 x aten" in told(timed)


def test_the_command_tells_every_way(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    ended = CliRunner().invoke(attention, ["--profile", "tiny", "--size", "64"])
    assert ended.exit_code == 0, ended.output
    assert "profile tiny, flux: attention auto: " in ended.output
    assert f"{BLOCKS} x {MATH}" in ended.output
    assert "efficient: not here: attention efficient: " in ended.output


@pytest.mark.parametrize(("engine", "blocks"), [("klein", 4), ("edit", 2)])
def test_ways_of_other_engines_are_timed_on_their_own_blocks(engine, blocks, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    profile = load_profile("tiny-all")
    own, said = transformer_of(profile, engine)
    assert said.startswith("weights: random, unquantised, 2 blocks of each kind")
    found = compare(own, steps_of(engine, own, profile.chain(engine), 4))
    for name in ("auto", "math"):
        assert sum(found[name].kernels.values()) == blocks
        assert (found[name].problem, found[name].difference < 1e-4) == ("", True)


def test_a_profile_whose_own_attention_fails_on_its_device_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    monkeypatch.setattr(module, "compare", lambda *_: {"auto": Timed(problem="no kernel")})
    ended = CliRunner().invoke(attention, ["--profile", "tiny", "--size", "64"])
    assert ended.exit_code == 1
    assert "NOT IN FORCE: attention auto of profile tiny" in ended.output
