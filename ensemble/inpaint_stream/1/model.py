"""Triton model `inpaint_stream`; see `pawfect.orchestrator.inpaint`."""

from pawfect_triton.orchestrating import OrchestratorModel


class TritonPythonModel(OrchestratorModel):
    """Runs the orchestration on an event loop of its own."""

    def __init__(self) -> None:
        super().__init__("inpaint_stream")
