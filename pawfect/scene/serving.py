"""`sam3_labeling` and `florence2` as functions of tensors, loaded from their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.find import check_phrase
from pawfect.contract.parameters import NoParams
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.settings import CaptionSettings, LabelSettings

if TYPE_CHECKING:
    from pawfect.scene.sam3_finder import Finder

Run = Callable[[Mapping[str, Array], NoParams], dict[str, Array]]


def sam3(settings: LabelSettings, folder: Path) -> Run:
    """Load SAM3, which labels a ring or proposes masks for words; see `pawfect.scene.sam3`."""
    import torch

    from pawfect.scene.lexicon import labelled_surfaces
    from pawfect.scene.sam3 import SurfaceLabeller
    from pawfect.scene.sam3_finder import Finder
    from pawfect.scene.sam3_network import Sam3

    # The server gives each model's process one; a phrase takes the better part of a second on it.
    torch.set_num_threads(settings.text_threads)
    network = Sam3.load(
        folder, device=settings.device, dtype=settings.dtype, text_device=settings.text_device
    )
    labeller, finder = SurfaceLabeller(network, labelled_surfaces()), Finder(network)

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        words = [name for name in ("PHRASE", "BOXES") if name in inputs]
        if ("RING" in inputs) == bool(words):
            expected = "UINT8 [H, W], or PHRASE or BOXES in its place"
            raise invalid("RING", expected, f"it and {words[0]}" if words else "nothing")
        if words:
            return _proposals(finder, inputs)
        labels = labeller.label(inputs["IMAGE"], inputs["RING"], least=settings.least_score)
        return {
            "LABELS": text_tensor(*labels.names),
            "SCORES": labels.scores,
            "COVERAGE": labels.coverage,
        }

    return run


def _proposals(finder: Finder, inputs: Mapping[str, Array]) -> dict[str, Array]:
    image, texts = inputs["IMAGE"], read_texts("PHRASE", inputs.get("PHRASE"))
    height, width = image.shape[:2]
    check_photo_size(height, width, "IMAGE")
    found = finder.find(image, check_phrase(texts[0]) if texts else None, inputs.get("BOXES"))
    return {
        "SCORES": found.scores,
        "MASK_LOGITS": found.mask_logits,
        "PRESENCE": np.array([found.presence], np.float32),
    }


def florence2(settings: CaptionSettings, folder: Path) -> Run:
    """Load Florence-2; see `pawfect.scene.florence2`."""
    from pawfect.scene.florence2 import Captioner

    captioner = Captioner.load(
        folder, device=settings.device, dtype=settings.dtype, max_tokens=settings.max_tokens
    )

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        (task,) = read_texts("TASK", inputs["TASK"])
        limit_s = settings.timeout_ms / 1000
        text = captioner.caption(inputs["IMAGE"], inputs["RING"], task, time_limit_s=limit_s)
        return {"TEXT": text_tensor(text)}

    return run


def caption_probe(settings: CaptionSettings) -> dict[str, Array]:
    """Return the probe's task."""
    return {"TASK": text_tensor("<CAPTION>")}
