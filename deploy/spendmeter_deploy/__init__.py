"""Runs Spendmeter: the embedded stack, and the `spendmeter` command."""
