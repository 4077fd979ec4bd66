"""Where a session's document and files lie, in names that are safe in a path."""

from __future__ import annotations

import re
from typing import Final

from pawfect.contract.errors import invalid
from pawfect_service.strict import SHOWN

# Firestore's ids and storage's path parts in one: no dots at the start, no slashes, no tricks;
# __x__ is Firestore's own.
_ID: Final = re.compile(r"(?!__.*__$)[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
ID_RULE: Final = "1 to 128 letters, digits, '.', '_' or '-', no '.' first"
# The folder of what workers make until it is published; see `attempt_path`.
ATTEMPTS: Final = "attempts"


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
