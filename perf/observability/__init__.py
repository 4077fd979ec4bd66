"""What watches the running system, made from tables: docs/metrics.md's and Grafana's dashboard."""
