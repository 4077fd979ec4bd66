"""The registry: one definition per model, which everything else reads.

A new model is a definition here (or one given to `register`), a folder with its `config.pbtxt` and
`model.py`, and the function that the definition names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from pawfect.contract.cutout import CutoutFileParams, CutoutParams
from pawfect.contract.errors import invalid
from pawfect.contract.find import FindMasksParams
from pawfect.contract.parameters import (
    FillParams,
    InpaintFileParams,
    InpaintParams,
    MaskParams,
)
from pawfect.contract.refine import RefineParams
from pawfect.contract.tensors import (
    BACKGROUND_REMOVAL,
    BACKGROUND_REMOVAL_FILE,
    BOXES,
    DTYPES,
    FIND_MASKS,
    IMAGE,
    INPAINT,
    INPAINT_FILE,
    INPAINT_STREAM,
    LABELS,
    MASK,
    NONCE,
    PHRASE,
    PROPOSALS,
    PROTECT,
    REFINE,
    REPORT,
    SCENE_LABELS,
    Array,
    ModelSpec,
    TensorSpec,
)
from pawfect.model import ONNX, Model

_RING: Final = TensorSpec("RING", "UINT8", (-1, -1))
# FLUX's tokens are 2x2 pixels of the latents, 16x16 of the picture. Widths of text embeddings
# differ between the full-size model (4096 and 768) and the tiny one.
_LATENTS: Final = TensorSpec("LATENTS", "FP32", (-1, 64))
_CONDITION: Final = TensorSpec("CONDITION", "FP32", (-1, 320))
_PROMPT_EMBEDS: Final = TensorSpec("PROMPT_EMBEDS", "FP16", (-1, -1))
_POOLED: Final = TensorSpec("POOLED", "FP16", (-1,))
_GRID: Final = TensorSpec("GRID", "INT32", (2,))

# Of the 5.1 s of CPU that diffusers' AutoencoderKL takes to import, 1.2 are scipy's and 1.0 are
# transformers'; of the 4.1 s of transformers' T5, 0.4 are scipy's. The rest is torch (1.3) and what
# decorators in both libraries import of it (torch._dynamo, sympy, torch.distributed).
_TRANSFORMERS_UNUSED: Final = ("scipy",)
_DIFFUSERS_UNUSED: Final = ("scipy", "transformers")

_COMPILE_FILL: Final = "pawfect.patch.ahead:compile_ahead"

# Through an orchestrator a probe takes the fastest way: the other models are probed themselves.
_BY_PATCHES: Final = MappingProxyType({"engine": "patch", "protect": "none"})
_WITHOUT_EDGES: Final = MappingProxyType({"edges": "none"})

_DEFINITIONS: Final = (
    Model(
        ModelSpec(
            "mask_cleanup",
            (MASK, PROTECT),
            (
                TensorSpec("CLEAN_MASK", "UINT8", (-1, -1)),
                TensorSpec("BOXES", "INT32", (-1, 4)),
                _RING,
                REPORT,
            ),
        ),
        MaskParams,
        function="pawfect.picture.serving:mask_cleanup",
    ),
    Model(
        ModelSpec("patch_fill", (IMAGE, MASK, PROTECT), (IMAGE, REPORT)),
        FillParams,
        function="pawfect.patch.serving:patch_fill",
        prepare=_COMPILE_FILL,
        stoppable=True,
    ),
    Model(
        ModelSpec(
            "onnx_networks",
            # A picture of the size that a view of a network sees; NAME:SIZE:RESIZE of that view;
            # cpu where it is not to run on the profile's device.
            (
                IMAGE,
                TensorSpec("NETWORK", "BYTES", (1,)),
                TensorSpec("DEVICE", "BYTES", (1,), optional=True),
                TensorSpec(NONCE, "INT64", (1,), optional=True),
            ),
            (TensorSpec("MAP", "FP32", (-1, -1)), REPORT),
        ),
        settings="onnx",
        finds_weights=True,
        runtime=ONNX,
        loader="pawfect.matting.serving:onnx_networks",
        stoppable=True,
        probe="pawfect.matting.serving:probe",
    ),
    Model(
        ModelSpec("lama_fill", (IMAGE, MASK, PROTECT), (IMAGE, REPORT)),
        FillParams,
        weights=("lama",),
        settings="lama",
        runtime=ONNX,
        loader="pawfect.lama.serving:lama",
        prepare=_COMPILE_FILL,
        stoppable=True,
    ),
    Model(
        ModelSpec(
            "sam3_labeling",
            # Labels of RING, or proposals for PHRASE, BOXES or both.
            (IMAGE, replace(_RING, optional=True), PHRASE, BOXES),
            (*LABELS, *PROPOSALS),
        ),
        weights=("sam3",),
        settings="sam3",
        loader="pawfect.scene.serving:sam3",
        unused=_TRANSFORMERS_UNUSED,
    ),
    Model(
        ModelSpec(
            "florence2",
            (IMAGE, _RING, TensorSpec("TASK", "BYTES", (1,))),
            (TensorSpec("TEXT", "BYTES", (1,)),),
        ),
        weights=("florence2",),
        settings="florence2",
        loader="pawfect.scene.serving:florence2",
        unused=_TRANSFORMERS_UNUSED,
        probe="pawfect.scene.serving:caption_probe",
    ),
    Model(SCENE_LABELS),
    Model(
        FIND_MASKS,
        FindMasksParams,
        orchestration="pawfect.orchestrator.find:FIND_MASKS",
        probe="pawfect.orchestrator.find:probe",
        probe_parameters=MappingProxyType({"least_score": 0.0, "most": 1}),
    ),
    Model(
        ModelSpec(
            "flux_text_encoder",
            # NONCE: any number; one that was not sent before leads past the response cache.
            (TensorSpec("PROMPT", "BYTES", (1,)), TensorSpec(NONCE, "INT64", (1,), optional=True)),
            # CUT: tokens of the prompt over the limit, which the embeddings leave out.
            (_PROMPT_EMBEDS, _POOLED, TensorSpec("CUT", "INT32", (1,))),
        ),
        weights=("flux",),
        settings="flux",
        device="text_device",
        loader="pawfect.flux.serving:text_encoder",
        unused=_TRANSFORMERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
    Model(
        ModelSpec(
            "flux_vae_encoder",
            (
                IMAGE,
                MASK,
                TensorSpec("SEED", "INT64", (1,)),
                TensorSpec("PREFILL", "UINT8", (-1, -1, 3), optional=True),
            ),
            # PRIOR: only where PREFILL is given.
            (_LATENTS, _CONDITION, TensorSpec("PRIOR", "FP32", (-1, 64))),
        ),
        weights=("flux",),
        settings="flux",
        loader="pawfect.flux.serving:vae_encoder",
        unused=_DIFFUSERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
    Model(
        ModelSpec(
            "flux_transformer",
            (
                _LATENTS,
                _CONDITION,
                _PROMPT_EMBEDS,
                _POOLED,
                TensorSpec("TIMESTEP", "FP32", (1,)),
                TensorSpec("GUIDANCE", "FP32", (1,)),
                _GRID,
            ),
            (TensorSpec("VELOCITY", "FP32", (-1, 64)),),
            max_batch_size=8,
        ),
        # The schedule is the whole model's: a quantised transformer comes without it.
        weights=("flux_transformer", "flux"),
        settings="flux",
        loader="pawfect.flux.serving:transformer",
        unused=_DIFFUSERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
    Model(
        ModelSpec("flux_vae_decoder", (_LATENTS, _GRID), (IMAGE,)),
        weights=("flux",),
        settings="flux",
        loader="pawfect.flux.serving:vae_decoder",
        unused=_DIFFUSERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
    Model(
        BACKGROUND_REMOVAL,
        CutoutParams,
        orchestration="pawfect.orchestrator.cutout:BACKGROUND_REMOVAL",
        prepare="pawfect.matting.ahead:compile_ahead",
        probe_parameters=_WITHOUT_EDGES,
    ),
    Model(
        BACKGROUND_REMOVAL_FILE,
        CutoutFileParams,
        orchestration="pawfect.orchestrator.cutout_file:BACKGROUND_REMOVAL_FILE",
        prepare="pawfect.matting.ahead:compile_ahead",
        probe="pawfect.orchestrator.cutout_file:probe",
        probe_parameters=_WITHOUT_EDGES,
    ),
    Model(
        INPAINT,
        InpaintParams,
        orchestration="pawfect.orchestrator.serving:INPAINT",
        probe_parameters=_BY_PATCHES,
    ),
    Model(
        INPAINT_STREAM,
        InpaintParams,
        orchestration="pawfect.orchestrator.serving:INPAINT",
        probe_parameters=_BY_PATCHES,
    ),
    Model(
        INPAINT_FILE,
        InpaintFileParams,
        orchestration="pawfect.orchestrator.files:INPAINT_FILE",
        probe="pawfect.orchestrator.files:probe",
        probe_parameters=_BY_PATCHES,
    ),
    Model(
        REFINE,
        RefineParams,
        orchestration="pawfect.orchestrator.refine:REFINE",
        probe="pawfect.orchestrator.refine:probe",
        probe_parameters=_BY_PATCHES,
    ),
)
_BY_NAME: dict[str, Model] = {model.name: model for model in _DEFINITIONS}
MODELS: Final[Mapping[str, Model]] = MappingProxyType(_BY_NAME)


def register(model: Model) -> Model:
    """Add a model that is defined elsewhere; ValueError where its name is taken by another."""
    if _BY_NAME.setdefault(model.name, model) != model:
        raise ValueError(f"model {model.name}: expected a name that is free, got one in use")
    return model


def check_inputs(name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return a model's inputs in the dtypes of its contract.

    Triton checks the same for callers over the network, but not for a call within the process.

    Raises:
        PawfectError: INVALID_ARG where one is missing, or has another rank or fixed size.
    """
    checked = {}
    for spec in MODELS[name].spec.inputs:
        if spec.name not in inputs:
            if spec.optional:
                continue
            raise invalid(spec.name, f"{spec.datatype} {list(spec.shape)}", "nothing")
        array = inputs[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True)
        )
        if not fits:
            raise invalid(spec.name, f"shape {list(spec.shape)}", list(array.shape))
        checked[spec.name] = array.astype(DTYPES[spec.datatype], copy=False)
    return checked
