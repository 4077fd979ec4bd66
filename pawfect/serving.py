"""The models of the registry as functions of plain arrays, loaded by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import Scalar
from pawfect.contract.probe import probe_mask, probe_photo
from pawfect.contract.tensors import Array
from pawfect.model import Model
from pawfect.models import MODELS, check_inputs
from pawfect.out_of_memory import require
from pawfect.profile import FINDERS, Profile
from pawfect.stop import Stop, never
from pawfect.weights.reading import bar, entry_folder, weights_folder
from pawfect.weights.store import Store


class Function(Protocol):
    """A model as a function of one request."""

    def __call__(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, Scalar], stop: Stop = never
    ) -> dict[str, Array]:
        """Return the outputs by tensor name.

        Args:
            inputs: by tensor name.
            parameters: the request's.
            stop: heeded by models that are `stoppable`, which then raise CANCELLED.
        """
        ...


# Requests of one batch in, for each its outputs or what was wrong with it out.
BatchFunction = Callable[[Sequence[Mapping[str, Array]]], list[dict[str, Array] | PawfectError]]


def load_function(name: str, profile: Profile, store: Store) -> Function:
    """Load a model as a function of one request.

    Args:
        name: its name in the registry.
        profile: device, precision and sizes.
        store: where the weights are.

    Raises:
        PawfectError: UNAVAILABLE for weights that are missing, damaged or of another shape.
    """
    model = MODELS[name]
    if model.batched:
        return one_by_one(load_batch(name, profile, store))
    run = resolve_name(model.function) if model.function else _load(model, profile, store)
    if model.prepare:
        resolve_name(model.prepare)()

    def function(
        inputs: Mapping[str, Array], parameters: Mapping[str, Scalar], stop: Stop = never
    ) -> dict[str, Array]:
        params = model.parameters.parse(parameters)
        given = (check_inputs(name, inputs), params, *([stop] if model.stoppable else []))
        outputs: dict[str, Array] = require(name, lambda: run(*given))
        return outputs

    return function


def load_batch(name: str, profile: Profile, store: Store) -> BatchFunction:
    """Load a batched model as a function of a batch; arguments and errors as `load_function`."""
    function: BatchFunction = _load(MODELS[name], profile, store)
    return function


def one_by_one(batch: BatchFunction) -> Function:
    """Return the function of one request that a batched one is; it raises what was wrong."""

    def function(
        inputs: Mapping[str, Array], parameters: Mapping[str, Scalar], stop: Stop = never
    ) -> dict[str, Array]:
        (answer,) = batch([inputs])
        if isinstance(answer, PawfectError):
            raise answer
        return answer

    return function


def _load(model: Model, profile: Profile, store: Store) -> Any:
    assert model.loader is not None
    load = resolve_name(model.loader)
    if model.finds_weights:
        return load(profile.settings(model), partial(_usable_folder, profile=profile, store=store))
    folders = [_folder(component, profile, store) for component in model.weights]
    return load(profile.settings(model), *folders)


def _usable_folder(entry: str, profile: Profile, store: Store) -> Path:
    """Return the verified folder of an entry, as `entry_folder`.

    Raises:
        PawfectError: UNAVAILABLE too for one that the profile may not use by its licence.
    """
    _check_licence(entry, profile, store)
    return entry_folder(entry, store)


def _folder(component: str, profile: Profile, store: Store) -> Path:
    """Return the verified folder of a component; raises as `_usable_folder`.

    Engines that their licence bars load, and are not asked: `pawfect.orchestrator.deployment`.
    """
    if component in FINDERS:
        _check_licence(profile.entry(component), profile, store)
    return weights_folder(component, profile, store)


def _check_licence(entry: str, profile: Profile, store: Store) -> None:
    if reason := bar(entry, profile, store.entries):
        raise PawfectError(ErrorKind.UNAVAILABLE, f"weights {entry}: {reason}")


def probe_inputs(name: str, profile: Profile) -> dict[str, Array]:
    """Return the tensors of a model's tiny inference, the smallest that it takes.

    Args:
        name: its name in the registry.
        profile: for the widths of its weights.
    """
    model = MODELS[name]
    mask = probe_mask()
    tensors: dict[str, Array] = {"IMAGE": probe_photo(), "MASK": mask, "RING": 255 - mask}
    if model.probe:
        tensors |= resolve_name(model.probe)(profile.settings(model))
    given = {spec.name: tensors[spec.name] for spec in model.spec.inputs if spec.name in tensors}
    return {tensor: array[None] for tensor, array in given.items()} if model.batched else given
