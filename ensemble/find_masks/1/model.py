"""Triton model `find_masks`; see `pawfect.orchestrator.find`."""

from pawfect_triton.orchestrator_model import OrchestratorModel


class TritonPythonModel(OrchestratorModel):
    """Runs the orchestration on an event loop of its own."""
