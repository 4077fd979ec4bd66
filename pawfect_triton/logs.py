"""What the library logs, in a model's process: to stderr, which is the server's log.

Triton's own logger would keep INFO to itself unless the server is verbose; who had a face swapped
is to be found in any case.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"


def log_to_stderr() -> None:
    """Have what the library logs at INFO and above printed; done once in a process."""
    library = logging.getLogger("pawfect")
    if not library.handlers:
        printing = logging.StreamHandler(sys.stderr)
        printing.setFormatter(logging.Formatter(FORMAT))
        library.addHandler(printing)
        library.setLevel(logging.INFO)
