"""The profile's attention: the same velocity, by the kernel that is named and no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.attention import BACKENDS, AttentionError, use_attention
from pawfect.flux.transformer import Transformer
from pawfect.profile import load_profile, profile_names
from pawfect.serving import load_batch
from pawfect.weights.store import Store
from pawfect_triton.probe import lacks_weights
from tests.pawfect.flux.gguf_files import load_transformer
from tests.pawfect.flux.test_gguf import relative, velocity
from tests.pawfect.flux.test_transformer import by_diffusers, step
from tests.refusals import refusal

# No multiple of any kernel's tile: 15 picture and 8 text tokens.
GRID = (3, 5)
HERE = ("auto", "math")


@pytest.fixture
def own(flux_folder):
    """A transformer of one test's own: it changes what computes its attention."""
    return Transformer.load(flux_folder, device="cpu", dtype="float32")


def kernels(call) -> set[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        call()
    return {e.key for e in seen.key_averages() if e.key.startswith("aten::_scaled_dot_product")}


@pytest.mark.parametrize("attention", HERE)
def test_every_way_gives_the_velocity_of_diffusers_own_pass(own, pipeline, attention):
    given = step(1, items=3, grid=GRID)
    use_attention(own.module, attention)
    expected = by_diffusers(pipeline.transformer, given)
    np.testing.assert_allclose(own.velocity(**given), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("attention", HERE)
def test_a_batch_equals_its_items_alone_whatever_computes_the_attention(own, attention):
    given = step(2, items=4, grid=GRID)
    use_attention(own.module, attention)
    together = own.velocity(**given)
    for item in range(4):
        alone = {n: v if n == "grid" else v[item : item + 1] for n, v in given.items()}
        np.testing.assert_allclose(own.velocity(**alone)[0], together[item], rtol=0, atol=2e-5)


def test_the_named_kernel_runs_and_no_other(own):
    given = step(3, grid=GRID)
    use_attention(own.module, "math")
    assert kernels(lambda: own.velocity(**given)) == {"aten::_scaled_dot_product_attention_math"}
    use_attention(own.module, "auto")
    (chosen,) = kernels(lambda: own.velocity(**given))
    assert chosen == "aten::_scaled_dot_product_flash_attention_for_cpu"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_quantised_transformer_takes_it_too(gguf_files, dtype):
    module = load_transformer(gguf_files["Q8_0"], device="cpu", dtype=dtype)
    kind = getattr(torch, dtype)
    before = velocity(module, kind)
    use_attention(module, "math")
    assert relative(velocity(module, kind), before) <= {"float32": 1e-5, "float16": 0.01}[dtype]


def test_other_modules_of_the_process_keep_theirs(own, flux_folder):
    other = Transformer.load(flux_folder, device="cpu", dtype="float32")
    use_attention(own.module, "math")
    assert _AttentionBackendRegistry.get_active_backend()[0] is AttentionBackendName.NATIVE
    (chosen,) = kernels(lambda: other.velocity(**step(3, grid=GRID)))
    assert "math" not in chosen


@pytest.mark.parametrize(
    ("attention", "mend"),
    [("efficient", 'set flux.attention = "auto"'), ("xformers", "python -m pip install")],
)
def test_a_way_that_is_not_here_is_refused_and_changes_nothing(own, attention, mend):
    given = step(4, grid=GRID)
    use_attention(own.module, "math")
    before = own.velocity(**given)
    with pytest.raises(AttentionError, match=f"attention {attention}: ") as caught:
        use_attention(own.module, attention)
    assert mend in str(caught.value)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(own.velocity(**given), before)
    assert kernels(lambda: own.velocity(**given)) == {"aten::_scaled_dot_product_attention_math"}
    assert _AttentionBackendRegistry.get_active_backend()[0] is AttentionBackendName.NATIVE


def test_a_model_whose_attention_is_not_here_answers_unavailable_when_it_loads(
    in_tiny_weights, tiny
):
    profile = replace(tiny, flux=replace(tiny.flux, attention="xformers"))
    given = "flux_transformer", profile, Store(in_tiny_weights)
    message = refusal(ErrorKind.UNAVAILABLE, load_batch, *given)
    assert "run `python -m pip install --no-deps xformers`" in message
    # The rest of its server serves, as where weights are missing.
    assert lacks_weights(PawfectError(ErrorKind.UNAVAILABLE, message))


@pytest.mark.parametrize("attention", HERE)
def test_a_model_computes_with_the_profiles_attention(in_tiny_weights, tiny, attention):
    profile = replace(tiny, flux=replace(tiny.flux, attention=attention))
    loaded = load_batch("flux_transformer", profile, Store(in_tiny_weights))
    processors = loaded.args[0].module.attn_processors.values()
    assert {processor._attention_backend for processor in processors} == {BACKENDS[attention]}


def test_every_profile_says_why_each_of_its_chains_has_its_attention():
    profiles = [load_profile(name) for name in profile_names()]
    told = {
        (profile.name, chain): profile.chain(chain)
        for profile in profiles
        for chain in profile.chains
    }
    assert {name for name, _ in told} == set(profile_names()) - {"embedded"}
    for (name, _), settings in told.items():
        # Turing alone is kept from plain products.
        assert settings.attention == ("efficient" if name.startswith("t4") else "auto")
        if name.startswith("t4"):
            assert "not measured on a T4" in settings.attention_reason
