"""The figures of variants as one HTML page that loads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from pawfect_service.jobs.fields import RATINGS
from pawfect_service.variants.answers import Figures
from pawfect_service.variants.columns import ABOUT, COLUMNS

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ddd }
td { font-variant-numeric: tabular-nums }
svg { display: block; width: 100%; height: 1.6rem }
p { max-width: 45rem }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #181818 }
  th, td { border-color: #444 } }
"""
# Of a rating's drawing: its width in its own units.
_WIDTH: Final = 400


def page_of(kind: str, figures: Sequence[Figures], since: str) -> str:
    """Return the page.

    Args:
        kind: of the jobs.
        figures: a row each.
        since: the time from which on jobs are counted, in words.
    """
    heads = "".join(f"<th>{escape(name)}</th>" for name in (*COLUMNS, "rating, 1 to 5"))
    rows = "\n".join(_row(each) for each in figures)
    title = f"Variants of {escape(kind)}"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{_STYLE}</style>
<h1>{title}</h1>
<p>Jobs since {escape(since)}.</p>
<table><thead><tr>{heads}</tr></thead><tbody>
{rows}
</tbody></table>
<p>{escape(ABOUT)}</p>
</html>
"""


def _row(each: Figures) -> str:
    cells = "".join(f"<td>{escape(text(each))}</td>" for text in COLUMNS.values())
    return f"<tr>{cells}<td>{_drawn(each)}</td></tr>"


def _drawn(each: Figures) -> str:
    """Return a rating as a dot on the line of its interval; nothing where there is none."""
    if each.rating is None:
        return ""
    least, most = RATINGS
    ends = (each.rating.low, each.rating.value, each.rating.high)
    low, dot, high = (10 + (end - least) / (most - least) * (_WIDTH - 20) for end in ends)
    said = escape(COLUMNS["rating"](each))
    return (
        f'<svg viewBox="0 0 {_WIDTH} 24" role="img" aria-label="{said}">'
        f'<line x1="10" x2="{_WIDTH - 10}" y1="12" y2="12" stroke="#bbb"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="12" y2="12" stroke="#36c" stroke-width="6"/>'
        f'<circle cx="{dot:.1f}" cy="12" r="7" fill="#36c"/></svg>'
    )
