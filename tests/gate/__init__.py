"""The SQL gate: every statement that Grafana will send, run on the real schema over demo data.

`python -m tests.gate` prints the table of docs/boards.md; tests/integration/grafana/test_grafana_sql.py holds it there.
"""
