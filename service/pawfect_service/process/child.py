"""A `pawfect` command as a child process that ends with its parent, however that ends.

    python -m pawfect_service.process.child serve ...

Its standard input is a pipe of which only the parent has the writing end: killed or not, the
pipe ends with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from pawfect.cli import main


def _end_with_input() -> None:
    """Ask this process to end, as a signal would, once its standard input ends."""
    # Not sys.stdin: its lock, held by a thread, aborts an interpreter that wants to end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    main()
