"""What the models are sent."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import INSIGHTFACE, KINDS
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.tensors import NONCE, Array
from pawfect.contract.texts import text_tensor
from pawfect.identity.alignment import NETWORK_PX, template
from pawfect.local import LocalModels
from pawfect.matting.network import shrunk
from pawfect.matting.networks import key, networks
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest
from pawfect.picture.mask import clean_mask
from pawfect.picture.window import plan_windows
from pawfect.profile import Profile
from perf.bench.configs import AnalyzerConfig

# One step is enough to ask every model of a chain once, and no deadline is to cut it short.
ONE_STEP: Final = InpaintParams(steps=1, preview_every=0, deadline_ms=600_000)
# Requests with a NONCE of their own in one measurement: more than are counted, which perf_analyzer
# overshoots.
NONCES: Final = 100


def arrays_of(
    config: AnalyzerConfig,
    photo: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    asked: Mapping[str, Mapping[str, Array]],
) -> dict[str, Array]:
    """Return the input tensors of one configuration.

    Args:
        config: says what is sent.
        photo: UINT8 [H, W, 3].
        mask: UINT8 [H, W].
        asked: by model, what its chain asks it for, of `record_requests`.
    """
    # A judge is shown the photo as it is.
    judged = {"ORIGINAL": photo, "RESULT": photo}
    arrays: Mapping[str, Array] = {"IMAGE": photo, "MASK": mask, **judged, **face_arrays(photo)}
    if config.source == "window":
        arrays = window_arrays(photo, mask)
    elif config.source == "file":
        arrays = in_base64(file_arrays(photo, mask))
    elif config.source == "view":
        arrays = view_arrays(photo)
    elif config.source == "chain":
        arrays = asked[config.model]
    texts = {
        name: np.array([text.encode() for text in texts], np.object_)
        for name, texts in config.texts.items()
    }
    return {name: texts[name] if name in texts else arrays[name] for name in config.inputs}


def face_arrays(photo: NDArray[np.uint8]) -> dict[str, Array]:
    """Return POINTS of a face half as high as a photo, UINT8 [H, W, 3], and a random EMBEDDING."""
    height, width = photo.shape[:2]
    side = min(height, width) / 2
    points = template(NETWORK_PX) * np.float32(side / NETWORK_PX)
    corner = np.array([width - side, height - side], np.float32) / 2
    embedding = np.random.default_rng(0).normal(size=KINDS[INSIGHTFACE].embedding)
    return {"POINTS": points + corner, "EMBEDDING": embedding.astype(np.float32)}


def file_arrays(photo: NDArray[np.uint8], mask: NDArray[np.uint8]) -> dict[str, Array]:
    """Return PHOTO and MASK as people have them, a JPEG and a PNG.

    Args:
        photo: UINT8 [H, W, 3].
        mask: UINT8 [H, W].
    """
    files = {"PHOTO": (photo, "JPEG"), "MASK": (mask, "PNG")}
    return {name: np.array([_file(*file)], np.object_) for name, file in files.items()}


def in_base64(files: Mapping[str, Array]) -> dict[str, Array]:
    """Return the same as texts: perf_analyzer sends no others."""
    return {
        name: np.array([base64.b64encode(tensor[0])], np.object_) for name, tensor in files.items()
    }


def _file(picture: NDArray[np.uint8], kind: str) -> bytes:
    sink = io.BytesIO()
    # As a phone writes it.
    Image.fromarray(picture).save(sink, kind, quality=90)
    return sink.getvalue()


def window_arrays(photo: NDArray[np.uint8], mask: NDArray[np.uint8]) -> dict[str, Array]:
    """Return the IMAGE and MASK of the first window that the orchestrator would cut out."""
    cleaned = clean_mask(mask)
    window = plan_windows(cleaned.boxes, *cleaned.mask.shape)[0]
    own = window.hole_mask(cleaned.mask)
    return {"IMAGE": np.ascontiguousarray(photo[window.box.slices]), "MASK": own}


def view_arrays(photo: NDArray[np.uint8]) -> dict[str, Array]:
    """Return what `onnx_networks` is asked of a photo, UINT8 [H, W, 3], by the smallest network."""
    network = min(networks().values(), key=lambda network: network.views[0].size)
    view = network.views[0]
    seen = shrunk(photo, network, view.seen(photo.shape[1], photo.shape[0]))
    return {"IMAGE": seen, "NETWORK": text_tensor(key(network, view))}


def record_requests(
    profile: Profile, photo: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> dict[str, dict[str, Array]]:
    """Fill a photo by each chain in this process; return the inputs of each model's first call.

    SAM3's answer is kept from the chains, so that they go on to ask Florence-2 too.

    Args:
        profile: with a denoising model.
        photo: UINT8 [H, W, 3].
        mask: UINT8 [H, W].
    """
    models, asked = LocalModels(profile), dict[str, dict[str, Array]]()

    async def call(
        model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        asked.setdefault(model, {name: np.array(array) for name, array in inputs.items()})
        if model == "sam3_labeling":
            raise PawfectError(ErrorKind.UNAVAILABLE, "so that the captions are asked for")
        return await models(model, inputs, parameters)

    deployment = read_deployment(profile)
    for chain in profile.chains:
        request = InpaintRequest(photo, mask, replace(ONE_STEP, engine=chain))
        asyncio.run(inpaint(request, deployment, call, Control(ONE_STEP.deadline_ms)))
    return asked


def never_the_same(arrays: Mapping[str, Array], start: int) -> list[dict[str, Array]]:
    """Return requests that no response cache has seen.

    Args:
        arrays: one request to a model that takes a NONCE.
        start: the first NONCE; those of the next call start NONCES later.
    """
    return [{**arrays, NONCE: np.array([start + index], np.int64)} for index in range(NONCES)]
