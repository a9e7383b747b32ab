"""Grafana boards from one source: `python -m grafana.build` writes `grafana/dashboards/*.json`.

A board is panels, a panel is a kind and statements, and every statement reads the window it shows through
`usage.usage`. docs/boards.md lists the questions that each board answers.
"""
