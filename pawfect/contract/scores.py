"""SCORES: what one judge says of one picture, as JSON; and the parameters of judges that are asked.

A judge that cannot say gives no score: there is no middling one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final

from pawfect.contract.parameters import MAX_DEADLINE_MS, Parameters
from pawfect.contract.report import known_entries
from pawfect.contract.tables import between

CONSISTENCY: Final = "consistency"
REALISM: Final = "realism"
IDENTITY: Final = "identity"
# consistency: the fill belongs to this photo; realism: it could be a photo at all; identity: it
# shows who the reference shows.
AXES: Final = (CONSISTENCY, REALISM, IDENTITY)
# The best score; the worst is 0.
BEST: Final = 10.0


@dataclass(frozen=True)
class RemoteJudgeParams(Parameters):
    """Parameters of `score_gemini` and `score_moondream`.

    Attributes:
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer, repeats included.
        remote: whether the pictures may leave the server for the judge's.
        dry_run: whether nothing is sent, whatever `remote` says: the request is checked and its
            pictures are made, and every axis is silent.
    """

    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000
    remote: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class LocalJudgeParams(Parameters):
    """Parameters of `score_local`.

    Attributes:
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer.
        networks: whether networks look at the fill too, where the server has them: for surfaces
            that are not around it, and for a subject in it.
    """

    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000
    networks: bool = True


@dataclass(frozen=True)
class Judgement:
    """What one judge says of one picture.

    Attributes:
        judge: its name, such as gemini.
        scores: by axis, 0 to 10, the best; an axis that it gives no score for is absent.
        silent: by axis, why there is no score where one was asked for.
        parts: what the scores are made of, by name; each judge has its own.
        notes: what it remarks, in words.
        model: identity of the model or weights that judged; None where there are none.
        calls: requests that were sent elsewhere, repeats included.
        ms: milliseconds that it took.
    """

    judge: str
    scores: Mapping[str, float]
    silent: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    model: str | None = None
    calls: int = 0
    ms: float = 0.0

    def __post_init__(self) -> None:
        for axis, score in self.scores.items():
            if axis not in AXES or not 0 <= score <= BEST:
                raise ValueError(
                    f"expected a score from 0 to {BEST} of an axis, got {axis} {score}"
                )

    def to_json(self) -> str:
        """Return all of it as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Judgement:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        return cls.of_json(json.loads(text))

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Judgement:
        """Read a judgement that stands within another's JSON.

        Raises:
            ValueError: a score that is none.
        """
        known = known_entries(cls, given)
        return cls(**known | {"notes": tuple(given.get("notes", ()))})
