"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path | str, data: bytes) -> None:
    """Write a file so that under its name there is either the old content or all of the new.

    Raises:
        OSError: the place cannot be written to; what was there is then untouched.
    """
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(path))
    # In the same folder, so that the rename stays within one file system.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
