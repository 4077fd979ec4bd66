"""Triton model `inpaint_file`; see `pawfect.orchestrator.files`."""

from pawfect_triton.orchestrator_model import OrchestratorModel


class TritonPythonModel(OrchestratorModel):
    """Runs the orchestration on an event loop of its own."""
