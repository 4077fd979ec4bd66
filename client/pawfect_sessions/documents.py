"""A session's document: its fields, strictly read, and the names of its files."""

from __future__ import annotations

import re
from typing import Final

from pawfect.errors import invalid

# Firestore's ids and storage's path parts in one: no dots at the start, no slashes, no tricks.
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def check_id(name: str, value: str) -> str:
    """Return an id that is safe in a path and as a document's name; else raise INVALID_ARG."""
    if not _ID.fullmatch(value):
        raise invalid(name, "1 to 128 letters, digits, '.', '_' or '-', no '.' first", repr(value))
    return value


def session_path(uid: str, sid: str, name: str = "") -> str:
    """Return the path of a session's document, or of one of its files."""
    path = f"users/{check_id('uid', uid)}/sessions/{check_id('sid', sid)}"
    return f"{path}/{name}" if name else path


def attempt_path(uid: str, sid: str, job: str, start: int, name: str) -> str:
    """Return where a worker's start on a job puts a file until it has won."""
    return session_path(uid, sid, f"attempts/{check_id('job', job)}-{start}-{name}")
