"""Moves of the task that asked for labels of a job's surroundings."""

from __future__ import annotations

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.fields import SceneLabels, SceneLabelsError, storable
from pawfect_service.jobs.move import Answer, Moment, Step


def set_labels(at: Moment, *, job: str, labels: SceneLabels) -> Step:
    """Record this job's labels, the first that come, whenever they come; RECORDED or OVER."""
    return _labelled(at, job, scene_labels=labels, scene_labels_error=None)


def set_labels_error(at: Moment, *, job: str, error: PawfectError) -> Step:
    """Record that no labels will come, unless there are some; RECORDED or OVER."""
    message = storable(error.message)
    failure = SceneLabelsError(error=error.kind.name, message=message, timestamp=at.now)
    return _labelled(at, job, scene_labels_error=failure)


def _labelled(at: Moment, job: str, **changes: SceneLabels | SceneLabelsError | None) -> Step:
    session = at.session
    if session is None or session.job != job or session.scene_labels:
        return at.stay(Answer.OVER)
    return at.noted(Answer.RECORDED, session, **changes)
