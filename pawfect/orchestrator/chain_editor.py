"""A denoising model of the profile as what edits by words in `refine`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.refine_report import EditReport
from pawfect.orchestrator.chain_edit import ChainEdit, ChainEdited, edit_by_chain
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Caller
from pawfect.orchestrator.progress import Preview
from pawfect.orchestrator.request import Progress, silent
from pawfect.orchestrator.work import Part, Work
from pawfect.picture.box import Box
from pawfect.picture.window import Window
from pawfect.refine.editing import Edited, EditTask


@dataclass(eq=False)
class ChainEditor:
    """Edits a picture for one request; see `pawfect.refine.editing.Edit`.

    Attributes:
        work: the request.
        deployed: the model.
        mask: UINT8 [H, W], 255 = what may change of the photo; None: all of it.
    """

    work: Work
    deployed: DeployedChain
    mask: NDArray[np.uint8] | None

    @property
    def sizes(self) -> Sequence[int]:
        """Sides of the working sizes, px, rising."""
        return self.deployed.settings.sizes

    @cached_property
    def _preview(self) -> Preview:
        image = self.work.request.image
        everything = np.full(image.shape[:2], 255, np.uint8)
        return Preview(image, everything if self.mask is None else self.mask)

    async def __call__(self, task: EditTask) -> Edited:
        """Return what the model drew.

        Raises:
            PawfectError: as `edit_by_chain` does.
        """
        work, chain = self.work, self.deployed.chain
        part, window = Part("edit", 0, 1), _whole(task.box)

        async def on_step(share: float, shown: NDArray[np.uint8] | None) -> None:
            if work.notify is silent:
                return
            preview = None
            if shown is not None:
                preview = await asyncio.to_thread(self._preview.paint, window, shown)
            await work.notify(Progress(chain.transformer, part.share(share), preview))

        caller = Caller(work.call, work.control.reserving(self._after_ms(task)))
        edited = await edit_by_chain(caller, self.deployed, self._edit_of(task), on_step)
        weights = work.refining.fill.weights
        return Edited(
            edited.picture,
            chain.name,
            edit=self._report(edited),
            fallbacks=edited.fallbacks,
            weights={
                component: identity
                for component, identity in weights.items()
                if component.partition("_")[0] == chain.name
            },
        )

    def _edit_of(self, task: EditTask) -> ChainEdit:
        level, settings = self.work.level, self.deployed.settings
        steps = guidance = None
        # A model that is distilled to few steps and to no guidance has no others.
        if self.deployed.chain.guided:
            steps = max(1, round(settings.steps * level.steps))
            guidance = settings.guidance_scale * level.guidance
        return ChainEdit(
            task.picture,
            task.words,
            task.mask,
            () if task.reference is None else (task.reference,),
            steps=None if steps == settings.steps else steps,
            guidance_scale=guidance,
            strength=level.strength,
            seed=self.work.request.params.seed,
            preview_every=0 if self.work.notify is silent else 1,
        )

    def _after_ms(self, task: EditTask) -> float:
        """Return what putting the edit into a large photo takes beyond what its plan counts, ms."""
        costs = self.deployed.costs
        if costs is None:
            return 0.0
        whole, part = self.work.request.image, task.picture
        areas = (one.shape[0] * one.shape[1] for one in (whole, part))
        own, counted = map(costs.rest_ms, areas)
        return max(own - counted, 0.0)

    def _report(self, edited: ChainEdited) -> EditReport:
        denoising, (height, width) = edited.denoising, edited.size
        assert denoising.steps is not None
        assert denoising.steps_taken is not None
        assert denoising.strength is not None
        return EditReport(
            licence=self.deployed.licence,
            working_px=(width, height),
            steps=denoising.steps,
            steps_taken=denoising.steps_taken,
            strength=denoising.strength,
            guidance_scale=denoising.guidance_scale,
            quality=denoising.quality,
            expected_ms=denoising.expected_ms,
            predicted_ms=denoising.predicted_ms,
        )


def _whole(box: Box) -> Window:
    """Return a part of the photo in which all that may change is shown."""
    return Window(box, box)
