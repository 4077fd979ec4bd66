"""Write what is made from tables: `python -m perf.observability`."""

from __future__ import annotations

from perf.observability import dashboard
from perf.observability.page import PAGE, with_table


def main() -> None:
    """Write docs/metrics.md's table and the dashboard."""
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    dashboard.FILE.write_text(dashboard.dashboard(), "utf-8")


if __name__ == "__main__":
    main()
