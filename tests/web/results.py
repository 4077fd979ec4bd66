"""What the tests of the page measure, kept where that was asked for."""

from __future__ import annotations

import json
import os
from typing import Any, Final

from perf.publish import as_markdown, provenance, publish, table
from tests.web.conftest import ROOT

RENEW: Final = "PAWFECT_RENEW_PAGE"
_FOLDER: Final = ROOT / "perf" / "results"
_COMMAND: Final = f"{RENEW}=1 pytest -n 0 tests/web/test_speed.py"


def asked() -> bool:
    """Whether pictures and figures of the repository are to be written anew."""
    return bool(os.environ.get(RENEW))


def keep(what: str, unit: str, found: dict[str, Any]) -> None:
    """Add a figure to perf/results/page.*, where that was asked for."""
    if not asked():
        return
    file = _FOLDER / "page.json"
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    # What else the machine did in the last minute, as jobs that wanted a core: 0 is nothing.
    row = {"what": what, "unit": unit, **found, "load": os.getloadavg()[0]}
    rows = [other for other in rows if other["what"] != what] + [row]
    rows.sort(key=lambda row: str(row["what"]))
    source = provenance(_COMMAND, ("playwright",))
    head = ("what", "unit", "median", "95 of 100", "of", "load")
    numbers = ("median", "p95", "of", "load")
    cells = [(row["what"], row["unit"], *(f"{row[one]:.4g}" for one in numbers)) for row in rows]
    page = f"# The page's speed\n\n{as_markdown(source)}\n{_NOTE}\n\n{table(head, cells)}"
    publish(_FOLDER, "page", {**source, "rows": rows}, page)


_NOTE: Final = """Chromium without a GPU, before the real API and server. Painting: one stroke
over a photo of 12 MP; all listeners of one pointer event and the drawing of its frame (asked:
under 8 ms at 95 of 100). Opening: a browser that knows nothing of the page yet, a warm server
(asked: under 1500 ms). Load: the machine's over the minute before, this test, API and server
included."""
