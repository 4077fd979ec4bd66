"""What a report of a swap says of faces, licences and who asked, in words."""

from __future__ import annotations

from collections.abc import Iterator

from pawfect.contract.search_report import SearchReport


def swap_lines(report: SearchReport) -> Iterator[str]:
    """Return lines about the faces of a swap; none of another search."""
    for name, value in swap_facts(report):
        if name != "asked for by":
            yield f"{name}: {value}"


def swap_facts(report: SearchReport) -> Iterator[tuple[str, str]]:
    """Return what there is to know of a swap, by what it is called; nothing of another search."""
    swap = report.swap
    if swap is None:
        return
    faces = "1 face" if swap.found == 1 else f"{swap.found} faces"
    if swap.box is None:
        yield "swapped", f"nothing: of {faces} found none could be"
    else:
        x0, y0, x1, y1 = (round(edge) for edge in swap.box)
        yield "swapped", f"the face at {x0}, {y0}, {x1 - x0} x {y1 - y0} px, of {faces} found"
    if swap.occluders:
        yield "kept in front of it", ", ".join(swap.occluders)
    licences = dict.fromkeys((*swap.licences.values(), report.licence))
    yield "licences of the networks", "; ".join(filter(None, licences)) or "none"
    yield "asked for by", swap.caller or "nobody who gave a name"
