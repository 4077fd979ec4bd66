"""What a model's definition says; `pawfect.models` holds them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pawfect.contract.parameters import NoParams, Parameters, Scalar
from pawfect.contract.tensors import ModelSpec

TORCH: Final = "torch"
ONNX: Final = "onnxruntime"

# Of the 5.1 s of CPU that diffusers' AutoencoderKL takes to import, 1.2 are scipy's and 1.0 are
# transformers'; of the 4.1 s of transformers' T5, 0.4 are scipy's. The rest is torch (1.3) and what
# decorators in both libraries import of it (torch._dynamo, sympy, torch.distributed).
TRANSFORMERS_UNUSED: Final = ("scipy",)
DIFFUSERS_UNUSED: Final = ("scipy", "transformers")


@dataclass(frozen=True)
class Model:
    """One model. Code is named as "module:name" and imported when it is used.

    Attributes:
        spec: its name and tensors.
        parameters: the request parameters that it takes.
        function: for a model without weights: takes inputs by name and the parsed parameters,
            returns outputs by name.
        weights: components of the profile's weights that it needs.
        settings: the profile's table that it needs.
        device: the entry of that table that says where it runs.
        finds_weights: whether its loader takes, in place of folders, a function that returns the
            verified folder of any entry of the weights' manifest: for a model that loads what it
            is asked for.
        runtime: for a model with weights: what computes it, torch or onnxruntime.
        loader: for a model with weights, or one that keeps something from one request to the next:
            takes the settings and a verified folder per component, returns such a function; for a
            batched model a `pawfect.serving.BatchFunction`.
        prepare: called before the model's first request, where its code is compiled.
        stoppable: whether its function, or what its loader returns, takes a third argument: what
            says that nobody waits any more, see `pawfect.serving.Stop`.
        unused: packages that its libraries import where they are installed, without use here; its
            process takes them for not installed.
        orchestration: for a model that calls others: its `Orchestration`.
        probe: takes the settings, returns those tensors of a tiny request that are its own.
        probe_parameters: parameters of that request.
    """

    spec: ModelSpec
    parameters: type[Parameters] = NoParams
    function: str | None = None
    weights: tuple[str, ...] = ()
    settings: str | None = None
    device: str = "device"
    finds_weights: bool = False
    runtime: str = TORCH
    loader: str | None = None
    prepare: str | None = None
    stoppable: bool = False
    unused: tuple[str, ...] = ()
    orchestration: str | None = None
    probe: str | None = None
    probe_parameters: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Triton's name of it."""
        return self.spec.name

    @property
    def batched(self) -> bool:
        """Whether Triton runs several requests as one batch."""
        return self.spec.max_batch_size > 0
