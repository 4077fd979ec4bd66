"""Definitions of what scores a picture."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.scores import LocalJudgeParams, RemoteJudgeParams
from pawfect.contract.tensors import LOCAL_JUDGE, REMOTE_JUDGES
from pawfect.model import Model

_PROBE: Final = "pawfect.judges.serving:probe"

SCORES: Final = (
    Model(
        LOCAL_JUDGE,
        LocalJudgeParams,
        orchestration="pawfect.orchestrator.judge_local:SCORE_LOCAL",
        probe=_PROBE,
        # The networks are probed themselves.
        probe_parameters=MappingProxyType({"networks": False}),
    ),
    *(
        Model(
            spec,
            RemoteJudgeParams,
            loader=f"pawfect.judges.serving:{judge}",
            stoppable=True,
            probe=_PROBE,
            # A probe sends nothing.
            probe_parameters=MappingProxyType({"dry_run": True}),
        )
        for judge, spec in REMOTE_JUDGES.items()
    ),
)
