"""Triton model `background_removal`; see `pawfect.orchestrator.cutout`."""

from pawfect_triton.orchestrator_model import OrchestratorModel


class TritonPythonModel(OrchestratorModel):
    """Runs the orchestration on an event loop of its own."""
