"""Whether anybody still waits for a call between models.

A call cannot be cancelled in this release of Triton: the parent goes on, the child does not learn
of it. So the parent lays down a file for as long as it waits, and names it in a parameter of the
call; where the file is gone, the child stops.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Scalar
from pawfect.models import MODELS
from pawfect.stop import Stop, never

# Set by the server for its models' processes: the folder of the files.
FOLDER_VARIABLE: Final = "PAWFECT_WAITING"
PARAMETER: Final = "waiting"
_NAME: Final = re.compile("[0-9a-f]{32}")


@contextmanager
def waiting(model: str) -> Iterator[dict[str, str]]:
    """Give the parameter by which a model knows how long its caller waits: while the block runs.

    Args:
        model: what is called; one that cannot be stopped is given none.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None or not MODELS[model].stoppable:
        yield {}
        return
    file = Path(folder, uuid.uuid4().hex)
    file.touch()
    try:
        yield {PARAMETER: file.name}
    finally:
        file.unlink(missing_ok=True)


def stop_of(model: str, request: Any, parameters: dict[str, Scalar]) -> Stop:
    """Return what tells a model that nobody waits for a request any more.

    Args:
        model: its name.
        request: Triton's.
        parameters: the request's; the one of `waiting` is taken out of them.

    Raises:
        PawfectError: INVALID_ARG for one that no caller within the server gives.
    """
    if not MODELS[model].stoppable:
        return never
    name = parameters.pop(PARAMETER, None)
    if name is None:
        cancelled: Stop = request.is_cancelled
        return cancelled
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None or not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(PARAMETER, "a name given by this server", repr(name))
    file = Path(folder, name)
    return lambda: not file.exists()
