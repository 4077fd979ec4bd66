"""Where documents and files of sessions and runs lie, in names that are safe in a path."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final

from pawfect.contract.errors import invalid
from pawfect_service.strict import SHOWN

# Firestore's ids and storage's path parts in one: no dots at the start, no slashes, no tricks;
# __x__ is Firestore's own.
_ID: Final = re.compile(r"(?!__.*__$)[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
ID_RULE: Final = "1 to 128 letters, digits, '.', '_' or '-', no '.' first"
# The folder of what workers make until it is published; see `attempt_path`.
ATTEMPTS: Final = "attempts"


def id_schema() -> dict[str, str]:
    """Return what JSON Schema says of an id, whose patterns match anywhere."""
    return {"pattern": f"^{_ID.pattern}$"}


def is_id(value: str) -> bool:
    """Say whether an id is safe in a path and as a document's name."""
    return _ID.fullmatch(value) is not None


def check_id(name: str, value: str) -> str:
    """Return an id that is safe in a path and as a document's name; else raise INVALID_ARG."""
    if not is_id(value):
        raise invalid(name, ID_RULE, repr(value[:SHOWN]))
    return value


def check_path(path: str) -> str:
    """Return a path whose every part is a plain name; else raise INVALID_ARG."""
    return "/".join(check_id("path", part) for part in path.split("/"))


def session_path(uid: str, sid: str, name: str = "") -> str:
    """Return the path of a session's document, or of one of its files."""
    path = f"users/{check_id('uid', uid)}/sessions/{check_id('sid', sid)}"
    return f"{path}/{name}" if name else path


def attempt_path(uid: str, sid: str, job: str, start: int, name: str) -> str:
    """Return where a worker's start on a job puts a file until it has won."""
    return session_path(uid, sid, f"{ATTEMPTS}/{check_id('job', job)}-{start}-{name}")


def preview_path(uid: str, sid: str, job: str, start: int) -> str:
    """Return where a worker's start on a job puts what it has made so far."""
    return attempt_path(uid, sid, job, start, "so-far.jpg")


# A run's jobs are sessions of its owner's, one each, by the run's token and the version they make:
# they have a session's document, moves, files and queue.
_RUN_PREFIX: Final = "run"
_DIGITS: Final = 4
HIGHEST_VERSION: Final = 10**_DIGITS - 1
# Of a run: what it is, is read off all of its jobs, each a document of up to 100 kB.
MOST_VERSIONS: Final = 500
_FIRST: Final = "-0001"
_RUN_JOB: Final = re.compile(rf"{_RUN_PREFIX}-[0-9a-f]{{32}}-[0-9]{{{_DIGITS}}}")
_JOB_ID: Final = re.compile(
    r"(?P<token>[0-9a-f]{32})-(?P<version>[0-9]{4})\.(?P<uid>.+)", re.DOTALL
)
_RUN_ID: Final = re.compile(r"(?P<token>[0-9a-f]{32})\.(?P<uid>.+)", re.DOTALL)


@dataclass(frozen=True)
class RunId:
    """What names a run: 128 bits that nobody guesses, and whose it is.

    Attributes:
        token: 32 hexadecimal digits.
        uid: the user whose run it is.
    """

    token: str
    uid: str

    def __str__(self) -> str:
        return f"{self.token}.{self.uid}"

    @classmethod
    def new(cls, uid: str) -> RunId:
        """Return the id of a new run of a user's."""
        return cls(secrets.token_hex(16), check_id("uid", uid))

    @classmethod
    def parse(cls, text: str) -> RunId | None:
        """Return the id that a text is; None where it is none."""
        found = _RUN_ID.fullmatch(text)
        if found is None or not is_id(found["uid"]):
            return None
        return cls(found["token"], found["uid"])

    @classmethod
    def of_job(cls, uid: str, sid: str) -> RunId:
        """Return the run that a job, a session of a user's, is of."""
        return cls(sid[len(_RUN_PREFIX) + 1 : -_DIGITS - 1], uid)

    @property
    def prefix(self) -> str:
        """What the names of the run's jobs begin with."""
        return f"{_RUN_PREFIX}-{self.token}-"

    def sid(self, version: int) -> str:
        """Return the session that makes a version of the run, from 1 on."""
        return f"{self.prefix}{version:04d}"

    def version(self, sid: str) -> int:
        """Return which version one of the run's jobs makes."""
        return int(sid.removeprefix(self.prefix))

    def job_id(self, version: int) -> str:
        """Return what names one of the run's jobs alone."""
        return f"{self.token}-{version:04d}.{self.uid}"


def parse_job_id(text: str) -> tuple[RunId, int] | None:
    """Return the run, and the version that it makes, of a job's id; None where a text is none."""
    found = _JOB_ID.fullmatch(text)
    run = RunId.parse(f"{found['token']}.{found['uid']}") if found else None
    return (run, int(found["version"])) if found and run else None


def is_run_job(sid: str) -> bool:
    """Say whether a session is a run's job, which has its own routes."""
    return _RUN_JOB.fullmatch(sid) is not None


def first_of_run(sid: str) -> bool:
    """Say whether a session is the first job of a run."""
    return is_run_job(sid) and sid.endswith(_FIRST)


def sibling(sid: str, version: int) -> str:
    """Return the session that makes another version of the run that a job is of.

    Raises:
        PawfectError: INVALID_ARG for a session that is no run's job.
    """
    if not is_run_job(sid):
        raise invalid("sid", "a run's job", repr(sid[:SHOWN]))
    return f"{sid[:-_DIGITS]}{version:0{_DIGITS}d}"
