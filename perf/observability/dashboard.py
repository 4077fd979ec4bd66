"""deploy/observability/dashboard.json: Grafana's dashboard, built of the table of panels."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

from perf.observability.panels import Plot, rows

FILE: Final = Path("deploy/observability/dashboard.json")
_SOURCE: Final = DataSourceRef("prometheus", "$datasource")
# Of Grafana's 24 columns: eight large numbers, or three plots, side by side.
_NOW: Final = (3, 4)
_PLOT: Final = (8, 8)


def dashboard() -> str:
    """Return the dashboard as Grafana imports it, JSON."""
    built = (
        grafana.Dashboard("Pawfect")
        .uid("pawfect")
        .description("Server, jobs and product; metrics and alerts: docs/metrics.md")
        .tags(["pawfect"])
        .time("now-6h", "now")
        .refresh("1m")
        .readonly()
        .with_variable(grafana.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(
            grafana.QueryVariable("model")
            .datasource(_SOURCE)
            .query("label_values(pawfect_answers_total, model)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".+")
        )
    )
    number = count(1)
    for title, plots in rows().items():
        built.with_row(grafana.Row(title).id(next(number)))
        for plot in plots:
            panel = _large(plot) if plot.now else _plotted(plot)
            built.with_panel(panel.id(next(number)))
    return json.dumps(built.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _large(plot: Plot) -> stat.Panel:
    width, height = _NOW
    panel = stat.Panel().title(plot.title).unit(plot.unit).datasource(_SOURCE).min(plot.least)
    panel.span(width).height(height).no_value("none").reduce_options(
        common.ReduceDataOptions().calcs(["lastNotNull"])
    )
    for number, (legend, query) in enumerate(plot.queries.items()):
        panel.with_target(_target(number, legend, query))
    return panel


def _plotted(plot: Plot) -> timeseries.Panel:
    width, height = _PLOT
    panel = timeseries.Panel().title(plot.title).unit(plot.unit).datasource(_SOURCE)
    panel.span(width).height(height).min(plot.least)
    for number, (legend, query) in enumerate(plot.queries.items()):
        panel.with_target(_target(number, legend, query))
    return panel


def _target(number: int, legend: str, query: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id("ABCDEFGH"[number]).expr(query).legend_format(legend)
