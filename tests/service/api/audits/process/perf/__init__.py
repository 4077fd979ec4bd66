"""`perf` as a test's processes find it: its own, but for the command of `perf.audit`.

The folder above goes first in PYTHONPATH; see `tests.service.api.audits.conftest`.
"""

import importlib.machinery
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_OTHERS = [place for place in sys.path if Path(place or ".").resolve() != _HERE.parent]
_OWN = importlib.machinery.PathFinder.find_spec("perf", _OTHERS)
assert _OWN is not None
assert _OWN.submodule_search_locations is not None
__path__ = [str(_HERE), *_OWN.submodule_search_locations]
