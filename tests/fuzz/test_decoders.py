"""Hostile tensors and parameters to every model's decoder: only errors of the table come out.

Triton checks dtypes and ranks before a model sees a request; here nobody does, as for a caller
within the process (`--local`, one model calling another).
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from harness.fuzz.leaks import leak
from harness.fuzz.target import LONGEST_MESSAGE
from harness.fuzz.tensors import hostile_inputs, hostile_parameters
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import Array
from pawfect.model import Model
from pawfect.models import MODELS, check_inputs
from pawfect.profile import load_profile
from pawfect.serving import load_function, probe_inputs
from pawfect.weights.store import Store, weights_root
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from tests.conftest import bring_networks, no_hub

PROFILE = load_profile("tiny-all")
SERVED = [MODELS[name] for name in PROFILE.models if not MODELS[name].spec.ensemble]
# Their functions are whole without weights.
WITHOUT_WEIGHTS = ("mask_cleanup", "score_gemini")
# Latents that are finite may still decode to numbers that are not: that is nobody's request.
DECODERS = frozenset(name for name in PROFILE.models if name.endswith("vae_decoder"))


def good(model: Model) -> dict[str, Array]:
    """Return a model's probe, without the batch's axis."""
    inputs = probe_inputs(model.name, PROFILE)
    return {name: array[0] for name, array in inputs.items()} if model.batched else inputs


def refusals(
    model: Model, take: Callable[[Mapping[str, Array], Mapping[str, Scalar]], object], count: int
) -> Iterator[PawfectError]:
    """Give a model so many hostile requests, and yield how it refuses them."""
    whole = good(model)
    for number in range(count):
        rng = random.Random(f"{model.name}:{number}")
        inputs = hostile_inputs(rng, model, whole)
        parameters = dict(model.probe_parameters)
        if rng.random() < 0.4:
            parameters = hostile_parameters(rng, model)
        try:
            take(inputs, parameters)
        except PawfectError as error:
            in_words(error, f"{parameters}{[array.tolist() for array in inputs.values()]}")
            yield error


def in_words(error: PawfectError, sent: str) -> None:
    error.message.encode()
    assert len(error.message) <= LONGEST_MESSAGE
    assert leak(error.message, sent) is None, error.message


def decode(model: Model) -> Callable[[Mapping[str, Array], Mapping[str, Scalar]], object]:
    """Return what a model does with a request before it works: its parameters, its tensors."""
    orchestration: Any = resolve_name(model.orchestration) if model.orchestration else None

    def take(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> None:
        if orchestration is not None:
            # Of the request as it came, before anything was checked.
            assert orchestration.pixels(inputs, parameters) >= 0
        parsed = model.parameters.parse(parameters)
        checked = check_inputs(model.name, inputs)
        if orchestration is not None:
            request = orchestration.decode(checked, parsed)
            if hasattr(request, "check_planes"):
                request.check_planes()

    return take


@pytest.mark.parametrize("model", SERVED, ids=lambda model: model.name)
def test_a_request_is_decoded_or_refused_in_words(model: Model) -> None:
    kinds = [error.kind for error in refusals(model, decode(model), 10)]
    assert set(kinds) == {ErrorKind.INVALID_ARG}
    # Hostile as they are, some are decoded.
    assert len(kinds) < 10


@pytest.mark.slow
@pytest.mark.parametrize("model", SERVED, ids=lambda model: model.name)
def test_thousands_of_requests_are_decoded_or_refused_in_words(model: Model) -> None:
    kinds = {error.kind for error in refusals(model, decode(model), 3000)}
    assert kinds == {ErrorKind.INVALID_ARG}


def worked(model: Model, store: Store, count: int) -> set[ErrorKind]:
    """Have a model work at hostile requests; return how it refused them."""
    return {
        error.kind for error in refusals(model, load_function(model.name, PROFILE, store), count)
    }


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_a_model_works_at_a_request_or_refuses_it_in_words(name: str) -> None:
    kinds = worked(MODELS[name], Store(weights_root()), 20)
    # A judge that is set up nowhere is UNAVAILABLE.
    assert kinds <= {ErrorKind.INVALID_ARG, ErrorKind.UNAVAILABLE}
    assert ErrorKind.INVALID_ARG in kinds


@pytest.fixture(scope="module")
def all_tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """All entries of profile `tiny-all`."""
    root: Path = tmp_path_factory.mktemp("tiny-all-weights")
    bring_networks(root)
    fetch(sorted(set(PROFILE.weights.values())), Store(root), no_hub, silent)
    yield Store(root)
    shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [model for model in SERVED if not model.orchestration], ids=lambda model: model.name
)
def test_a_model_with_its_weights_works_at_a_request_or_refuses_it_in_words(
    model: Model, all_tiny: Store
) -> None:
    kinds = worked(model, all_tiny, 150)
    # A request may say that it has a millisecond.
    allowed = {ErrorKind.INVALID_ARG, ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE}
    if model.name in DECODERS:
        allowed.add(ErrorKind.INTERNAL)
    assert kinds <= allowed
    assert ErrorKind.INVALID_ARG in kinds


def test_every_orchestration_is_fuzzed() -> None:
    assert {model.name for model in MODELS.values() if model.orchestration} <= {
        model.name for model in SERVED
    }
