"""`score_gemini` and `score_moondream` as functions of tensors."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.metrics import JUDGE_ANSWERS
from pawfect.contract.probe import probe_photo
from pawfect.contract.scores import Judgement, RemoteJudgeParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.counting import count
from pawfect.judges.background_loop import BackgroundLoop
from pawfect.judges.judged import Judge, axes_of
from pawfect.judges.pictures import Shown, shown
from pawfect.judges.rubric import rubric
from pawfect.judges.settings import GEMINI, MOONDREAM, lacking, read_settings
from pawfect.stop import Stop, look, never

# Their modules need the packages that speak to them.
_JUDGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        GEMINI: "pawfect.judges.gemini:Gemini",
        MOONDREAM: "pawfect.judges.moondream:Moondream",
    }
)
_DRY: Final = "nothing was sent: dry_run"


class Run(Protocol):
    """One judgement; `stop` ends it and closes its connections."""

    def __call__(
        self, inputs: Mapping[str, Array], params: RemoteJudgeParams, stop: Stop = never
    ) -> dict[str, Array]:
        """Return the outputs by tensor name."""
        ...


def gemini(settings: None = None) -> Run:
    """Return `score_gemini`; what the operator says is read now."""
    del settings
    return _load(GEMINI)


def moondream(settings: None = None) -> Run:
    """Return `score_moondream`; what the operator says is read now."""
    del settings
    return _load(MOONDREAM)


def probe(settings: object) -> dict[str, Array]:
    """Return the probe's tensors, of which nothing is sent."""
    del settings
    return {"RESULT": probe_photo(), "ORIGINAL": probe_photo()}


def _load(name: str) -> Run:
    """Return one judge's function; one that cannot be asked says so at each request."""
    judge, problem = _judge(name)
    loop = BackgroundLoop(f"score_{name}") if judge is not None else None

    def run(
        inputs: Mapping[str, Array], params: RemoteJudgeParams, stop: Stop = never
    ) -> dict[str, Array]:
        until = time.monotonic() + params.deadline_ms / 1000
        pictures = _pictures(inputs)
        if params.dry_run:
            return _outputs(Judgement(name, {}, dict.fromkeys(axes_of(pictures), _DRY)))
        if judge is None or loop is None:
            raise PawfectError(ErrorKind.UNAVAILABLE, f"score_{name}: {problem}")
        if not params.remote:
            told = "this judge is elsewhere: with remote=true the pictures are sent to it"
            raise PawfectError(ErrorKind.UNAVAILABLE, f"score_{name}: {told}")
        look(stop)
        try:
            said = loop.run(judge.judge(pictures, until), until, stop)
        except PawfectError as error:
            count(JUDGE_ANSWERS, outcome=error.kind.name)
            raise
        count(JUDGE_ANSWERS, outcome="partly scored" if said.silent else "scored")
        return _outputs(said)

    return run


def _judge(name: str) -> tuple[Judge | None, str | None]:
    """Return a judge, or None and why there is none, with what mends it."""
    problem = lacking(name, os.environ)
    settings = read_settings(name, os.environ) if problem is None else None
    if settings is None:
        return None, problem
    try:
        judge: Judge = resolve_name(_JUDGES[name])(settings, rubric())
    except ImportError as error:
        return None, f"the judge {name} is off: it needs the package {error.name}"
    return judge, None


def _pictures(inputs: Mapping[str, Array]) -> Shown:
    given = {name: np.asarray(array) for name, array in inputs.items()}
    return shown(given["RESULT"], given["ORIGINAL"], given["MASK"], given.get("REFERENCE"))


def _outputs(judgement: Judgement) -> dict[str, Array]:
    return {"SCORES": text_tensor(judgement.to_json())}
