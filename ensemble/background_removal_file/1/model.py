"""Triton model `background_removal_file`; see `pawfect.orchestrator.cutout_file`."""

from pawfect_triton.orchestrator_model import OrchestratorModel


class TritonPythonModel(OrchestratorModel):
    """Runs the orchestration on an event loop of its own."""
