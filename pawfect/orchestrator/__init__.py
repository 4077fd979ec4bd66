"""The orchestration of one inpainting request, against a small `call a model` interface."""

from pawfect.orchestrator.calls import CallModel, Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest, InpaintResult, Progress

__all__ = [
    "CallModel",
    "Control",
    "Deployment",
    "InpaintRequest",
    "InpaintResult",
    "Progress",
    "Scalars",
    "inpaint",
]
