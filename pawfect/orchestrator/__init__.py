"""The orchestration of one inpainting request, against a small `call a model` interface."""

from pawfect.orchestrator.calls import CallModel, Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest, InpaintResult, Progress, Setup

__all__ = [
    "CallModel",
    "Control",
    "InpaintRequest",
    "InpaintResult",
    "Progress",
    "Scalars",
    "Setup",
    "inpaint",
]
