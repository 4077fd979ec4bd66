"""The picture that a job of a run works on, where another of the run's jobs has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from pawfect.contract.errors import invalid
from pawfect_service.jobs.paths import is_id, session_path, sibling

# The input that it is.
BASE_INPUT: Final = "original"
# And the field of a request's files that it comes in.
BASE_FIELD: Final = "base"
_BASE: Final = re.compile(r"(?P<parent>0|[1-9][0-9]{0,3})/(?P<file>[^/]+)")


@dataclass(frozen=True)
class Base:
    """The picture of another version, which is never written again once it is completed.

    Attributes:
        parent: the version; 0: the run's photo, as it came.
        file: the picture's own name.
    """

    parent: int
    file: str

    def __str__(self) -> str:
        return f"{self.parent}/{self.file}"

    @property
    def holder(self) -> int:
        """Which version's files the picture is among: the photo is among the first one's."""
        return max(self.parent, 1)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a document says; INVALID_ARG where it was edited into something else."""
        found = _BASE.fullmatch(text)
        if found is None or not is_id(found["file"]):
            raise invalid("request.base", "VERSION/FILE", repr(text[:40]))
        return cls(int(found["parent"]), found["file"])

    def path(self, uid: str, sid: str) -> str:
        """Return where the picture lies that a run's job works on.

        Args:
            uid: whose run.
            sid: of the job.

        Raises:
            PawfectError: INVALID_ARG for a session that is no run's job.
        """
        return session_path(uid, sibling(sid, self.holder), self.file)
