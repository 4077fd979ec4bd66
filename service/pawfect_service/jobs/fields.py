"""The parts of a session's document, each strictly read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic.alias_generators import to_camel

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import MAX_LABELS, MAX_TEXT_BYTES
from pawfect_service.jobs.paths import ID_RULE, is_id


def _identity(value: str) -> str:
    if not is_id(value):
        raise ValueError(ID_RULE)
    return value


Seconds = Annotated[float, Field(ge=0, le=1e11)]  # since the epoch; the year 5138 is far enough
Count = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[StrictFloat, Field(ge=0, le=1)]
Text = Annotated[StrictStr, Field(max_length=MAX_TEXT_BYTES)]
Identity = Annotated[StrictStr, AfterValidator(_identity)]
# The session's files by the name of the input or output; an output's once it is published.
Paths = Mapping[str, Text | None]


# Of one search's candidates, two by two: 64 have 2,016 pairs, which nobody looks at.
MOST_COMPARISONS: Final = 200
# How good a result is to who ordered it.
RATINGS: Final = (1, 5)


def storable(text: str) -> str:
    """Return a text that a document can hold: cut, and without halves of characters."""
    return text.encode("utf-8", "replace").decode()[:MAX_TEXT_BYTES]


class Part(BaseModel):
    """Strict: no conversions, no unknown fields, no NaN; camelCase outside."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
    )


class Counts(Part):
    """What has been used up of the job's bounds; see JobContract."""

    label_waits: Count = 0
    passing_failures: Count = 0
    starts: Count = 0
    publications: Count = 0

    def plus_one(self, name: str) -> Counts:
        """Return counts with one more of a name."""
        return self.model_copy(update={name: getattr(self, name) + 1})


class Lease(Part):
    """One worker's hold on the job.

    Attributes:
        owner: the id of its work on this delivery, never used twice.
        since: when it took the job up, s.
        until: when others may take it over, s.
    """

    owner: Identity
    since: Seconds
    until: Seconds


class SceneLabels(Part):
    """What surrounds the hole, best first, as `scene_labels` or a client said it."""

    labels: Annotated[tuple[Text, ...], Field(strict=False, max_length=MAX_LABELS)]
    scores: Annotated[tuple[StrictFloat, ...], Field(strict=False)]
    coverage: Annotated[tuple[StrictFloat, ...], Field(strict=False)]
    source: Text
    model: Text
    timestamp: Seconds

    @model_validator(mode="after")
    def _agree(self) -> SceneLabels:
        if not len(self.labels) == len(self.scores) == len(self.coverage):
            raise ValueError("as many scores and coverages as labels")
        return self


class SceneLabelsError(Part):
    """Why there are no labels: the error's kind and its message."""

    error: Text
    message: Text
    timestamp: Seconds


class Progress(Part):
    """How far the job is: the stage that runs and the share done, 0 to 1."""

    stage: Text
    share: Share


class Result(Part):
    """The one result: whose start made it, and where each output lies until it is published."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Text]

    start: Count

    @property
    def outputs(self) -> Mapping[str, str]:
        """Paths by the output's name."""
        return self.__pydantic_extra__


class Cost(Part):
    """What the result cost: an amount of a unit (USD, ...), and the seconds of service behind."""

    amount: Annotated[float, Field(ge=0)]
    unit: Text
    seconds: Annotated[float, Field(ge=0)]


class Failure(Part):
    """Why a job failed: the error's kind (its name in the table of errors) and its message."""

    kind: Text
    message: Text

    @model_validator(mode="after")
    def _known(self) -> Failure:
        if self.kind not in ErrorKind.__members__:
            raise ValueError(f"a kind of {', '.join(ErrorKind.__members__)}")
        return self

    @classmethod
    def of(cls, error: PawfectError) -> Failure:
        """Return an error as the document keeps it."""
        return cls(kind=error.kind.name, message=storable(error.message))


class Feedback(Part):
    """What the owner of a job thinks of its result.

    Attributes:
        rating: 1 (of no use) to 5 (could not be better).
        comment: in words.
        at: when it was given, s since the epoch.
    """

    rating: Annotated[StrictInt, Field(ge=RATINGS[0], le=RATINGS[1])]
    comment: Text | None = None
    at: Seconds


class Comparison(Part):
    """Which of two candidates somebody prefers who saw them without numbers and scores.

    Attributes:
        left: the one candidate's number.
        right: the other's.
        choice: left, right, or none: neither is better.
        at: when, s since the epoch.
    """

    left: Count
    right: Count
    choice: Literal["left", "right", "none"]
    at: Seconds

    @model_validator(mode="after")
    def _two(self) -> Comparison:
        if self.left == self.right:
            raise ValueError("two candidates")
        return self

    @property
    def pair(self) -> frozenset[int]:
        """The two, whichever was left."""
        return frozenset((self.left, self.right))
