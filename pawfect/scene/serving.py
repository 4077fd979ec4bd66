"""`sam3_labeling` and `florence2` as functions of tensors, loaded from their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pawfect.contract.parameters import NoParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.settings import CaptionSettings, LabelSettings

Run = Callable[[Mapping[str, Array], NoParams], dict[str, Array]]


def sam3(settings: LabelSettings, folder: Path) -> Run:
    """Load SAM3; see `pawfect.scene.sam3`."""
    from pawfect.scene.lexicon import labelled_surfaces
    from pawfect.scene.sam3 import SurfaceLabeller

    labeller = SurfaceLabeller.load(
        folder, device=settings.device, dtype=settings.dtype, vocabulary=labelled_surfaces()
    )

    def run(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
        labels = labeller.label(inputs["IMAGE"], inputs["RING"], least=settings.least_score)
        return {
            "LABELS": text_tensor(*labels.names),
            "SCORES": labels.scores,
            "COVERAGE": labels.coverage,
        }

    return run


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
