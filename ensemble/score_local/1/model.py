"""Triton model `score_local`; see `pawfect.orchestrator.judge_local`."""

from pawfect_triton.orchestrator_model import OrchestratorModel


class TritonPythonModel(OrchestratorModel):
    """Runs the orchestration on an event loop of its own."""
