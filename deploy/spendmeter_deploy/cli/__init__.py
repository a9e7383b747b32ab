"""The `spendmeter` command, one module a verb."""
