"""A report and the progress on the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from pawfect.contract.report import Fallback, Report, WindowReport
from pawfect_client.progress import shown_progress
from pawfect_client.report_table import print_report
from pawfect_client.results import StageEvent

REPORT = Report(
    engine="patch",
    engine_reason="first engine of profile embedded",
    profile="embedded",
    seed=7,
    deadline_ms=30_000,
    width=1600,
    height=1200,
    hole_px=19_200,
    dilate_px=9.5,
    specks=2,
    pinholes=1,
    labels=("grass", "[bold]leaves"),
    labels_source="request",
    strength=1.0,
    windows=(WindowReport((10, 20, 522, 532), (100, 100, 200, 200), 512, "patchmatch"),),
    stage_ms={"mask_cleanup": 12.3, "fill": 1834.0},
    total_ms=1900.0,
    fallbacks=(Fallback("labels", "sam3 missing", "none"),),
    version="0.1.0",
)


def printed(report: Report) -> str:
    sink = io.StringIO()
    print_report(report, Console(file=sink, width=100))
    return sink.getvalue()


def test_the_table_names_everything_that_explains_the_result():
    text = printed(REPORT)
    for part in (
        "patch (first engine of profile embedded)",
        "1600 x 1200 px",
        "19200 px (1.0% of the photo)",
        "grown by 9.5 px, 2 specks dropped, 1 pinholes closed",
        "512 x 512 px at (10, 20), patchmatch, worked at 512 px",
        "fill",
        "1834 ms",
        "1900 of 30000 ms",
        "labels: sam3 missing; instead: none",
        "pawfect 0.1.0, profile embedded",
    ):
        assert part in text
    assert "steps" not in text


def test_the_table_says_what_was_done_to_the_mask():
    done = replace(
        REPORT, least_dilate_px=2.0, least_speck_px=9, outlines=1, outlines_filled=3, pinholes=0
    )
    text = " ".join(printed(done).replace("│", " ").split())
    assert "grown by 2 to 9.5 px, 2 specks under 9 px dropped, 0 pinholes closed" in text
    assert "1 outlines not filled inside, 3 outlines filled inside" in text


def test_markup_in_labels_is_printed_as_it_is():
    assert "grass, [bold]leaves (request)" in printed(REPORT)


def test_progress_on_a_terminal_is_a_bar_with_the_stages_name():
    sink = io.StringIO()
    with shown_progress(Console(file=sink, force_terminal=True, width=100)) as show:
        show(StageEvent("fill", 0.42))
    assert "fill" in sink.getvalue()
    assert "42%" in sink.getvalue()


def test_progress_in_a_pipe_is_a_line_per_stage():
    sink = io.StringIO()
    with shown_progress(Console(file=sink)) as show:
        show(StageEvent("mask_cleanup", 0.05))
        show(StageEvent("fill [0]", 0.95))
    assert sink.getvalue() == "mask_cleanup 5%\nfill [0] 95%\n"
