"""`perf.audit`, its own but for the command."""

from pathlib import Path

import perf

__path__ = [str(Path(place) / "audit") for place in perf.__path__]
