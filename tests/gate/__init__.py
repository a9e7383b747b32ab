"""The SQL gate: run every statement that Grafana sends on the real schema, with demo data.

`python -m tests.gate` prints the table of docs/boards.md; test_grafana_sql.py compares the two.
"""
