"""Triton model `inpaint`; see `pawfect.orchestrator.inpaint`."""

from pawfect_triton.orchestrator_model import OrchestratorModel


class TritonPythonModel(OrchestratorModel):
    """Runs the orchestration on an event loop of its own."""
