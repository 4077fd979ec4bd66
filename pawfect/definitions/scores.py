"""Definitions of what scores a picture."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.scores import RemoteJudgeParams
from pawfect.contract.tensors import REMOTE_JUDGES
from pawfect.model import Model

SCORES: Final = tuple(
    Model(
        spec,
        RemoteJudgeParams,
        loader=f"pawfect.judges.serving:{judge}",
        stoppable=True,
        probe="pawfect.judges.serving:probe",
        # A probe sends nothing.
        probe_parameters=MappingProxyType({"dry_run": True}),
    )
    for judge, spec in REMOTE_JUDGES.items()
)
